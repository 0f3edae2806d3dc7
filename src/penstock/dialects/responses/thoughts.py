"""Thoughts of other providers in ``encrypted_content``, the one field of a reasoning item that clients give back unread.

Every client that goes on without our store asks for it and returns it as it was (``include:
["reasoning.encrypted_content"]``, openai 3.54, ``types/responses/response_reasoning_item.py``, 2026-11-21), so what a
provider has signed or sealed survives a turn there.
"""

from __future__ import annotations

from penstock.core.conversation import Thought

_OURS = "penstock"
_FIELDS = 4


def signed(signature: str, signer: str) -> str:
    """The ``encrypted_content`` of a thought that ``signer`` has signed."""
    return f"{_OURS}.signature.{signer}.{signature}"


def sealed(data: str, signer: str) -> str:
    """The ``encrypted_content`` of a thought that only ``signer`` can read."""
    return f"{_OURS}.sealed.{signer}.{data}"


def thought(text: str, encrypted: str) -> Thought:
    """What a reasoning item says; encrypted content that is not ours is one of OpenAI's own."""
    fields = encrypted.split(".", _FIELDS - 1)
    if len(fields) == _FIELDS and fields[0] == _OURS:
        _, kind, signer, data = fields
        if kind == "signature":
            return Thought(text=text, signature=data, signer=signer)
        return Thought(text=text, sealed=data, signer=signer)
    return Thought(text=text, sealed=encrypted, signer="openai" if encrypted else "")
