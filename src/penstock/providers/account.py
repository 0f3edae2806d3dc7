"""``Account``: one account at one service. Its address, and what every request to it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from penstock.core.ports import Endpoint, Origin, Send, Transport

Auth = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key"]


class Account:
    """Sends requests to paths below ``base_url``, with its query and with ``headers``.

    The key is sent to that origin alone, in the header that ``auth`` names, and never shown. Raises ``ValueError`` for
    an address or a key that cannot be used.
    """

    def __init__(
        self,
        name: str,
        base_url: str | None,
        transport: Transport,
        *,
        auth: Auth,
        api_key: str | None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self.secret = (api_key or "").strip()
        self._transport = transport
        self._origin, self._path, self._query = _address(name, base_url)
        self._headers = [(b"content-type", b"application/json")]
        self._headers += [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        if self.secret:
            self._headers.append(_authorization(name, auth, self.secret))

    def bind(self, path: str) -> Send:
        """What posts to ``path`` below the account's address; it may have a query of its own."""
        path, _, own = path.partition("?")
        query = "&".join(part for part in (own, self._query) if part)
        target = f"{self._path}{path}?{query}" if query else self._path + path
        return self._transport.bind(Endpoint(self._origin, b"POST", target.encode(), self._headers))


def _address(name: str, base_url: str | None) -> tuple[Origin, str, str]:
    if not base_url:
        msg = f"provider {name!r}: base_url is needed, for example https://llm.example.com/v1"
        raise ValueError(msg)
    try:
        origin = Origin.of(base_url)
    except ValueError:
        origin = None
    if origin is None or not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        msg = f"provider {name!r}: base_url must look like https://llm.example.com/v1, without a user or password"
        raise ValueError(msg)
    url = urlsplit(base_url)
    return origin, url.path.rstrip("/"), url.query


def _authorization(name: str, auth: Auth, secret: str) -> tuple[bytes, bytes]:
    if not secret.isascii() or not secret.isprintable():
        msg = f"provider {name!r}: api_key holds a character that no HTTP header may carry"
        raise ValueError(msg)
    if auth == "bearer":
        return b"authorization", b"Bearer " + secret.encode()
    return auth.encode(), secret.encode()
