"""The one TLS context: verified, always. There is no way to turn verification off here."""

from __future__ import annotations

import ssl

# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH:
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/ (2026-11-21)
_EXPIRED = 10
_OTHER_NAME = (62, 64)


def verified_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Trusts the system's store and, when given, the CA certificates (PEM) in ``ca_file`` beside it.

    Raises ``OSError`` (``ssl.SSLError`` among it) when the file cannot be read as certificates.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
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
