"""``place``: where a rendered prompt stands in a call, in the call's dialect."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from penstock.core.call import Call
from penstock.core.errors import InvalidParameter

# These say apart from the messages what the system says (platform.claude.com/docs/en/api/messages, 2026-11-21).
_SYSTEM_APART = frozenset({"anthropic", "count_tokens"})
_decode_list = msgspec.json.Decoder(list[Raw]).decode


def place(call: Call, texts: Sequence[tuple[str, str]]) -> dict[str, Raw]:
    """The call's fields with ``texts``, each with its role, before what it says itself. Raises ``InvalidParameter``."""
    given, system = _items(call, "messages"), []
    if call.dialect in _SYSTEM_APART:
        system = [text for role, text in texts if role == "system"]
        texts = [(role, text) for role, text in texts if role != "system"]
    messages = [Raw(msgspec.json.encode({"role": role, "content": text})) for role, text in texts]
    fields = {**call.fields, "messages": Raw(msgspec.json.encode(messages + given))}
    if system:
        blocks = [Raw(msgspec.json.encode({"type": "text", "text": text})) for text in system]
        fields["system"] = Raw(msgspec.json.encode(blocks + _items(call, "system")))
    return fields


def _items(call: Call, name: str) -> list[Raw]:
    """What stands in the list ``name``; a text in its place is one that holds it."""
    given = call.fields.get(name)
    if given is None or bytes(given) == b"null":
        return []
    if name == "system" and bytes(given).startswith(b'"'):
        return [Raw(b'{"type":"text","text":%b}' % bytes(given))]
    try:
        return _decode_list(given)
    except msgspec.DecodeError:
        raise InvalidParameter(f"`{name}` must be a list.", param=name) from None
