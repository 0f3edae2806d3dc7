"""``read_object``: a JSON body one level deep, bounded; what is wrong with it is told alike on every edge."""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw

from penstock.core.errors import JsonTooDeep, MalformedJson

MAX_DEPTH = 128
# Looking through more than this many would hold every other call up.
MAX_BRACKETS = 200_000

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BYTE = re.compile(r"\(byte (\d+)\)$")

_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def read_object(body: bytes) -> dict[str, Raw]:
    """The fields of a JSON object, their values still raw; of a key given twice the last holds.

    Raises ``MalformedJson``, ``JsonTooDeep``.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(body)
    try:
        if not body.isascii():
            body.decode()
        return _read_fields(body)
    except msgspec.ValidationError:
        msg = "The body must be a JSON object."
        raise MalformedJson(msg) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(body, error) from None
    except RecursionError:
        raise _too_deep() from None


def malformed(body: bytes, error: msgspec.DecodeError | UnicodeDecodeError) -> MalformedJson:
    """Where ``body`` stops being JSON in UTF-8, by line and column; nothing of the body is told."""
    if not body.strip():
        return MalformedJson("The body is empty: send a JSON object.")
    if isinstance(error, UnicodeDecodeError):
        return MalformedJson(f"The body is not valid UTF-8: {_place(body, error.start)}.")
    # msgspec 0.22 ends its text with the byte, except where the body ends too early.
    told = _BYTE.search(str(error))
    return MalformedJson(f"The body is not valid JSON: {_place(body, int(told[1]) if told else len(body))}.")


def _place(body: bytes, offset: int) -> str:
    before = body[:offset].decode(errors="replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"line {line}, column {column}"


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise JsonTooDeep(f"The body holds more than {MAX_BRACKETS} arrays and objects. Send a smaller one.")
    # Strings go first: between two quotes that are not escaped, brackets are text.
    outside_strings = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    depth = 0
    for byte in outside_strings.translate(None, _NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep()
        else:
            depth -= 1


def _too_deep() -> JsonTooDeep:
    return JsonTooDeep(f"The body nests arrays and objects deeper than {MAX_DEPTH} levels. Send a flatter one.")
