"""What is kept of a call and its answer, so that a later call can go on from it by name.

A turn holds all items up to its answer, earlier turns included, so that going on takes one look-up; instructions are
not of it, as at OpenAI (openai 3.54, ``types/responses/response_create_params.py``, ``previous_response_id``,
2026-11-21). Whoever keeps turns finds them by the answer's id, and by its ``item_ids`` for clients that name single items
(the Vercel AI SDK does, wherever ``store`` is not false); both belong to one tenant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Call
from penstock.core.errors import InvalidParameter, UpstreamMalformed
from penstock.dialects.responses.faults import wrong

# What a call may have put into its input by name: a name is short, and what it names is not.
_MOST_NAMED_BYTES = 16 * 1024 * 1024
_MOST_NAMED = 1000
# Of one answer, and only of it: the items of earlier turns have been given their names.
_MOST_NAMES = 100
_ENDS = (b"event: response.completed\n", b"event: response.incomplete\n")


class _Turn(Struct):
    id: str
    items: list[Raw]


class _Answer(Struct):
    id: str
    output: list[Raw]


class _LastEvent(Struct):
    response: Raw


class _Named(Struct):
    type: str | None = None
    role: str | None = None
    id: str | None = None


_encode = msgspec.json.encode
_read_turn = msgspec.json.Decoder(_Turn).decode
_read_answer = msgspec.json.Decoder(_Answer).decode
_read_last = msgspec.json.Decoder(_LastEvent).decode
_read_named = msgspec.json.Decoder(_Named).decode
_read_item = msgspec.json.Decoder(dict[str, Raw]).decode
_read_raws = msgspec.json.Decoder(list[Raw]).decode
_read_text = msgspec.json.Decoder(str | None).decode


def is_kept(fields: Mapping[str, Raw]) -> bool:
    """Whether the caller lets its turn be kept: everyone does who does not say ``store: false``."""
    return bytes(fields.get("store", Raw())) != b"false"


def previous_id(fields: Mapping[str, Raw]) -> str:
    """The answer that a call goes on from, ``""`` without one."""
    raw = fields.get("previous_response_id")
    return "" if raw is None else _read_text(raw) or ""


def response_of(event: bytes) -> bytes | None:
    """The whole answer, where a stream's last event stands at the end of the framed ``event``."""
    last = event.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    if not last.startswith(_ENDS):
        return None
    return bytes(_read_last(last.partition(b"\ndata: ")[2]).response)


def turn_of(call: Call, response_body: bytes) -> bytes:
    """What is kept of ``call``, whose fields hold its earlier turns, and of its whole answer.

    Raises ``UpstreamMalformed`` for an answer that nobody could go on from.
    """
    try:
        answer = _read_answer(response_body)
    except ValueError:  # msgspec's errors, and that of text which is no UTF-8
        raise UpstreamMalformed("The provider's answer has no output that could be kept.") from None
    return _encode(_Turn(answer.id, [*_own_items(call.fields), *answer.output]))


def turn_id(turn: bytes) -> str:
    """The id of the answer that ends ``turn``."""
    return _read_turn(turn).id


def input_of(turn: bytes, response_body: bytes) -> list[dict[str, Raw]]:
    """The items of ``turn`` before the answer which ends it, as the API lists them: each with an id, and text in parts."""
    said = _read_turn(turn)
    items = said.items[: len(said.items) - len(_read_answer(response_body).output)]
    return [_listed(_read_item(raw), f"{said.id}_in_{index}") for index, raw in enumerate(items)]


def _listed(item: dict[str, Raw], name: str) -> dict[str, Raw]:
    listed = {"id": Raw(_encode(name)), "status": Raw(b'"completed"'), **item}
    text = item.get("content", Raw())
    if bytes(text).startswith(b'"'):
        part: dict[str, Any] = {"type": "input_text", "text": text}
        if bytes(item.get("role", Raw())) == b'"assistant"':
            part = {"type": "output_text", "text": text, "annotations": []}
        listed["content"] = Raw(_encode([part]))
    return {"type": Raw(b'"message"'), **listed} if "role" in item else listed


def item_ids(response_body: bytes) -> tuple[str, ...]:
    """The ids by which items of a kept answer may be named later: those of the first hundred that have one."""
    return tuple(_by_id(_read_answer(response_body).output))[:_MOST_NAMES]


def items_of(turn: bytes) -> dict[str, Raw]:
    """The items of ``turn`` that have an id, by it."""
    return _by_id(_read_turn(turn).items)


def _by_id(items: Iterable[Raw]) -> dict[str, Raw]:
    return {name: raw for raw in items if (name := _id_of(raw))}


def _id_of(raw: Raw) -> str:
    """By which an item may be named; ``""`` for what nobody can name, and a provider's answer may hold anything."""
    try:
        named = _read_named(raw)
    except ValueError:  # msgspec's errors, and that of text which is no UTF-8
        return ""
    return "" if named.type == "item_reference" else named.id or ""


def go_on(fields: Mapping[str, Raw], turn: bytes) -> dict[str, Raw]:
    """``fields`` with the items of ``turn`` before their own input."""
    items = [*_read_turn(turn).items, *_own_items(fields)]
    return {**fields, "input": Raw(_encode(items))}


def references(fields: Mapping[str, Raw]) -> tuple[str, ...]:
    """The ids of items that a call names instead of sending them, in order. Raises ``InvalidParameter`` for too many."""
    ids = tuple(named.id for _, named in _named(_own_items(fields)) if named.id and _is_reference(named))
    if len(ids) > _MOST_NAMED:
        raise InvalidParameter(f"`input` names {len(ids)} items: at most {_MOST_NAMED} may be named.", param="input")
    return ids


def resolve(fields: Mapping[str, Raw], items: Mapping[str, Raw]) -> dict[str, Raw]:
    """``fields`` with every item that they name in its place.

    Raises ``InvalidParameter`` for one that is not in ``items``, and for more than a call may name.
    """
    whole, named_bytes = [], 0
    for index, (raw, named) in enumerate(_named(_own_items(fields))):
        item = items.get(named.id or "") if _is_reference(named) else raw
        if item is None:
            param = f"input[{index}].id"
            raise InvalidParameter(f"`{param}` names an item that is not kept here: send the item itself.", param=param)
        if item is not raw:
            named_bytes += len(item)
            check_named(named_bytes)
        whole.append(item)
    return {**fields, "input": Raw(_encode(whole))}


def check_named(size_bytes: int) -> None:
    """Raise ``InvalidParameter`` where the items that a call names are larger together than they may be."""
    if size_bytes > _MOST_NAMED_BYTES:
        msg = f"The items that `input` names have over {_MOST_NAMED_BYTES >> 20} MiB together: name fewer of them."
        raise InvalidParameter(msg, param="input")


def _own_items(fields: Mapping[str, Raw]) -> list[Raw]:
    raw = fields.get("input", Raw(b"null"))
    said = bytes(raw)
    if said == b"null":
        return []
    if said.startswith(b'"'):
        return [Raw(_encode({"type": "message", "role": "user", "content": raw}))]
    try:
        return _read_raws(raw)
    except msgspec.DecodeError:
        raise wrong("input") from None


def _named(items: Iterable[Raw]) -> Iterable[tuple[Raw, _Named]]:
    for index, raw in enumerate(items):
        try:
            yield raw, _read_named(raw)
        except msgspec.DecodeError:
            raise wrong(f"input[{index}]") from None


def _is_reference(named: _Named) -> bool:
    return named.type == "item_reference" or (named.type is None and named.role is None)
