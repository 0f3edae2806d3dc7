"""Why no connection came about, in words that tenants may read: no name, no address, nothing of an exception's text."""

from __future__ import annotations

import errno
import ssl

from penstock.transport.tls import tls_reason

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the connection was closed while it was being opened",
    errno.ENETUNREACH: "no route to it from here",
    errno.EHOSTUNREACH: "no route to it from here",
    errno.EAFNOSUPPORT: "no route to it from here",
    errno.EMFILE: "the gateway has no open files left",
    errno.ENFILE: "the gateway has no open files left",
}


class Unreachable(Exception):
    """``reason`` ends the sentence "The provider cannot be reached: ..."; ``permanent`` until someone mends it."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


def reason_of(error: OSError | Unreachable) -> str:
    """The words for an error that a connection failed with."""
    if isinstance(error, Unreachable):
        return error.reason
    if isinstance(error, ssl.SSLError):
        return tls_reason(error)
    if error.errno is None and isinstance(error, ConnectionError):  # of the loops themselves
        return _REASONS[errno.ECONNRESET]
    return _REASONS.get(error.errno or 0, "the connection could not be opened")
