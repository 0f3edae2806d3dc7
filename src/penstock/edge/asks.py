"""What a caller asks of the gateway in headers, on every edge. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from penstock.core.call import CacheUse
from penstock.core.errors import InvalidParameter

_TOKEN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@~"
_HEX = b"0123456789abcdef"
_CACHE_USES: Mapping[bytes, CacheUse] = {b"": "auto", b"auto": "auto", b"on": "on", b"off": "off"}
_MAX_NAME = 64
_MAX_ID = 128
_MAX_USER = 256
_MAX_TAGS = 8


class Asks(Struct, frozen=True):
    """Everything that a call's headers ask for. ``invalid`` is the first of them that cannot be understood."""

    request_id: str | None = None
    trace_id: str | None = None
    task: str = ""
    user: str = ""
    cache: CacheUse = "auto"
    explain: bool = False
    tags: dict[str, str] = {}
    invalid: InvalidParameter | None = None


_NO_ASKS = Asks()
_ASKING = frozenset(
    (
        b"x-request-id",
        b"traceparent",
        b"x-penstock-task",
        b"x-penstock-user",
        b"x-penstock-cache",
        b"x-penstock-explain",
        b"x-penstock-tags",
    )
)


def read_asks(headers: Mapping[bytes, bytes]) -> Asks:
    """What is asked for beside the body; most calls ask for nothing."""
    if _ASKING.isdisjoint(headers):
        return _NO_ASKS
    request_id, trace_id = read_request_id(headers), read_trace_id(headers)
    try:
        return Asks(
            request_id=request_id,
            trace_id=trace_id,
            task=read_task(headers),
            user=read_user(headers),
            cache=read_cache_use(headers),
            explain=read_explain(headers),
            tags=read_tags(headers),
        )
    except InvalidParameter as error:
        return Asks(request_id=request_id, trace_id=trace_id, invalid=error)


def read_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key of a bearer token, or of the headers that Anthropic's and Azure's clients send."""
    value = headers.get(b"authorization")
    if value is not None:
        scheme, _, key = value.partition(b" ")
        return key.strip().decode("latin-1") if scheme.lower() == b"bearer" else None
    value = headers.get(b"x-api-key") or headers.get(b"api-key")
    return value.decode("latin-1") if value else None


def read_request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's own request id, if it can safely stand in logs and headers."""
    value = headers.get(b"x-request-id", b"")
    return value.decode() if _is_token(value, _MAX_ID) else None


def read_trace_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The trace id of a valid ``traceparent`` (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    value = headers.get(b"traceparent", b"")
    parts = value[:55].split(b"-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or b"".join(parts).translate(None, _HEX):
        return None
    version, trace_id, span_id, _ = parts
    if version == b"ff" or not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    if len(value) > 55 and (version == b"00" or value[55:56] != b"-"):  # noqa: PLR2004 - the length of version 00
        return None
    return trace_id.decode()


def read_task(headers: Mapping[bytes, bytes]) -> str:
    """The task named by ``x-penstock-task``; ``""`` leaves it to the model's name. Raises ``InvalidParameter``."""
    value = headers.get(b"x-penstock-task")
    if value is None:
        return ""
    if not _is_token(value, _MAX_NAME):
        raise InvalidParameter("x-penstock-task must be the name of a task.", param="x-penstock-task")
    return value.decode()


def read_user(headers: Mapping[bytes, bytes]) -> str:
    """The end user named by ``x-penstock-user``; ``""`` when absent. Raises ``InvalidParameter``."""
    value = headers.get(b"x-penstock-user", b"")
    try:
        user = value.decode()
    except UnicodeDecodeError:
        user = ""
    if len(value) > _MAX_USER or (value and not user.isprintable()) or bool(value) != bool(user):
        raise InvalidParameter(
            f"x-penstock-user must be printable UTF-8 of at most {_MAX_USER} bytes.", param="x-penstock-user"
        )
    return user


def read_cache_use(headers: Mapping[bytes, bytes]) -> CacheUse:
    """How ``x-penstock-cache`` wants the cache used. Raises ``InvalidParameter``."""
    use = _CACHE_USES.get(headers.get(b"x-penstock-cache", b"").lower())
    if use is None:
        raise InvalidParameter("x-penstock-cache must be on, off or auto.", param="x-penstock-cache")
    return use


def read_explain(headers: Mapping[bytes, bytes]) -> bool:
    """Whether ``x-penstock-explain`` asks for the decision. Raises ``InvalidParameter``."""
    value = headers.get(b"x-penstock-explain", b"")
    if value not in {b"", b"0", b"1"}:
        raise InvalidParameter("x-penstock-explain must be 1 or 0.", param="x-penstock-explain")
    return value == b"1"


def read_tags(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Cost tags, as in ``x-penstock-tags: team=search,feature=rerank``. Raises ``InvalidParameter``."""
    value = headers.get(b"x-penstock-tags")
    if not value:
        return {}
    tags: dict[str, str] = {}
    for item in value.split(b","):
        name, _, tag = item.strip().partition(b"=")
        if len(tags) == _MAX_TAGS or not _is_token(name, _MAX_NAME) or not _is_token(tag, _MAX_NAME):
            raise InvalidParameter(
                f"x-penstock-tags must be at most {_MAX_TAGS} pairs like team=search,feature=rerank.",
                param="x-penstock-tags",
            )
        tags[name.decode()] = tag.decode()
    return tags


def _is_token(value: bytes, max_bytes: int) -> bool:
    return 0 < len(value) <= max_bytes and not value.translate(None, _TOKEN)
