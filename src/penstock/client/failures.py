"""A gateway's errors over HTTP, as the classes that they were there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from penstock.core import errors
from penstock.core.errors import GatewayUnreachable, PenstockError, RateLimited, TimedOut, UpstreamError


class _Error(Struct):
    code: str
    message: str
    param: str | None = None


class _Body(Struct):
    error: _Error


_read = msgspec.json.Decoder(_Body).decode


def _with_codes(base: type[PenstockError]) -> Iterator[tuple[str, type[PenstockError]]]:
    """Every class of the tree that has a code of its own."""
    if "code" in vars(base):
        yield base.code, base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _with_codes(each)


_CLASSES = dict(_with_codes(PenstockError))
# Of a gateway that knows more codes than this client, the class that says as much as the status does.
_BY_STATUS: Mapping[int, type[PenstockError]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    429: RateLimited,
    502: UpstreamError,
    503: errors.Unavailable,
    504: TimedOut,
}


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> PenstockError:
    """What a gateway answered with another status than 200; ``GatewayUnreachable`` where no gateway answered."""
    error = read_error(body, status)
    if error is None:
        return no_gateway(status)
    error.retry_after_s = _retry_after_s(headers)
    return error


def no_gateway(status: int) -> GatewayUnreachable:
    """Something else has answered."""
    return GatewayUnreachable(
        f"What answered with status {status} is no Penstock gateway: look at the address, and at proxies on the way."
    )


def read_error(body: bytes, status: int = 500) -> PenstockError | None:
    """The error in ``body``, a whole one or a stream's last item; ``None`` where there is none."""
    try:
        told = _read(body).error
    except msgspec.DecodeError:
        return None
    kind = _CLASSES.get(told.code) or _BY_STATUS.get(status, PenstockError)
    return kind(told.message, param=told.param)


def _retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    try:
        if b"retry-after-ms" in headers:
            return float(headers[b"retry-after-ms"]) / 1000
        return float(headers[b"retry-after"])
    except (KeyError, ValueError):  # none, or a date, which no gateway says
        return None
