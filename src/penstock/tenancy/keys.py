"""API keys, known only by their keyed hash."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from penstock.core.call import Identity
from penstock.core.errors import Unauthenticated

MAX_KEY_CHARS = 512
_USER_HASH_CHARS = 16
_CURE = "Missing or wrong API key: send `Authorization: Bearer KEY` with a key that your operator has given you."


class KeyRing:
    """Proves keys by HMAC-SHA-256 under ``pepper``; ``keys`` are pairs of a key and whom it proves.

    The keys themselves are not kept. A lookup by the full digest tells nothing by its time: without the pepper nobody
    can choose a digest.
    """

    def __init__(self, pepper: bytes, keys: Iterable[tuple[str, Identity]]) -> None:
        self._keyed = hmac.new(pepper, digestmod="sha256")
        self._identities = {self._digest(key): identity for key, identity in keys}

    def authenticate(self, key: str | None) -> Identity:
        """Whom ``key`` proves. Raises ``Unauthenticated``, with the same words for every reason."""
        if key and len(key) <= MAX_KEY_CHARS:
            identity = self._identities.get(self._digest(key))
            if identity is not None:
                return identity
        raise Unauthenticated(_CURE)

    def _digest(self, key: str) -> bytes:
        # Copying the keyed state costs 0.6 us less than keying it again.
        state = self._keyed.copy()
        # A header decoded as anything but UTF-8 may hold lone surrogates; they must be wrong, not an error.
        state.update(key.encode("utf-8", "surrogatepass"))
        return state.digest()


def hash_user(pepper: bytes, tenant: str, user: str) -> str:
    """16 hexadecimal digits that stand for ``user`` of ``tenant`` in logs and counters; ``""`` for no user."""
    if not user:
        return ""
    message = f"{tenant}\0{user}".encode("utf-8", "surrogatepass")
    return hmac.digest(pepper, message, "sha256").hex()[:_USER_HASH_CHARS]
