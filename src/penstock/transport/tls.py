"""TLS as a client: verified, and resumed where server and interpreter allow it."""

from __future__ import annotations

import ssl
import sys

# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH:
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/ (2026-11-21)
_EXPIRED = 10
_OTHER_NAME = (62, 64)


# Each look at a session leaks 6 kB in older Pythons, and 3.11 was never mended:
# https://github.com/python/cpython/issues/116810 (2026-11-21)
SESSIONS_LEAK = sys.version_info < (3, 12, 8) or (3, 13) <= sys.version_info < (3, 13, 1)


class ResumingContext(ssl.SSLContext):
    """Offers a server the session of the last connection to its name, in place of proving the certificate again.

    Event loops begin a handshake with ``wrap_bio`` and know no sessions. In TLS 1.3 a ticket comes some time after the
    handshake, so that the last connection is asked for it when the next is opened. A session is bound to its name and
    to this context, and so to what was trusted when it began.
    """

    def __init__(self, protocol: int) -> None:
        del protocol  # taken by __new__
        self.resumes = not SESSIONS_LEAK
        self._last: dict[str, ssl.SSLObject] = {}
        self._sessions: dict[str, ssl.SSLSession | None] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See ``ssl.SSLContext.wrap_bio``."""
        if not self.resumes:
            return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        name = str(server_hostname)
        last = self._last.get(name)
        if last is not None and last.version() is not None:  # its handshake is over
            self._sessions[name] = last.session
        resumed = session or self._sessions.get(name)
        made = self._last[name] = super().wrap_bio(incoming, outgoing, server_side, server_hostname, resumed)
        return made

    def forget(self, name: str) -> None:
        """A connection could not be opened: the next handshake begins anew."""
        self._last.pop(name, None)
        self._sessions.pop(name, None)


def client_context(ca_file: str | None = None, *, verify: bool = True) -> ResumingContext:
    """Trusts the system's store and, when given, the CA certificates (PEM) in ``ca_file`` beside it.

    Without ``verify`` it trusts whoever answers: for development, where the config says so, and nowhere else. Raises
    ``OSError`` (``ssl.SSLError`` among it) when the file cannot be read as certificates.
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if sys.version_info >= (3, 13):  # as ssl.create_default_context does from there on
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_reason(error: ssl.SSLError) -> str:
    """Why a handshake failed, in words that name the cure and hold nothing of the exception's text."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "the TLS handshake failed"
    if error.verify_code in _OTHER_NAME:
        return "its certificate is for another name"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired"
    return "certificate not trusted: give the CA with `ca_file`"
