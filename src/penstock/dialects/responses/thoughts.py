"""What other providers signed or sealed, in ``encrypted_content``: the field of a reasoning item that nobody reads.

Every client that goes on without our store asks for it and gives it back as it was (``include:
["reasoning.encrypted_content"]``, openai 3.54, ``types/responses/response_reasoning_item.py``, 2026-11-21), where
fields that a client does not know are lost on items of any kind.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

# A signature is a thought's, or stands before the ``call`` of a tool that was signed in place of one.
Kind: TypeAlias = Literal["signature", "sealed", "call"]

_OURS = "penstock"
_KINDS: dict[str, Kind] = {"signature": "signature", "sealed": "sealed", "call": "call"}
_FIELDS = 4


class Kept(Struct, frozen=True):
    """What ``signer``, the dialect of a provider, wants back."""

    kind: Kind
    signer: str
    data: str


def pack(kept: Kept) -> str:
    """The ``encrypted_content`` that keeps it."""
    return f"{_OURS}.{kept.kind}.{kept.signer}.{kept.data}"


def unpack(encrypted: str) -> Kept:
    """What was kept; encrypted content that is not ours is one of OpenAI's own thoughts."""
    fields = encrypted.split(".", _FIELDS - 1)
    if len(fields) == _FIELDS and fields[0] == _OURS and fields[1] in _KINDS:
        return Kept(_KINDS[fields[1]], fields[2], fields[3])
    return Kept("sealed", "openai", encrypted)
