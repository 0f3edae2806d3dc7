"""The pepper: the secret that keys are hashed with and audit records are signed with."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Literal

from penstock.config.problems import ConfigError, Problem
from penstock.config.settings import Settings

PEPPER_BYTES = 32
_OTHERS = 0o077


def subkey(pepper: bytes, purpose: Literal["api keys", "user hashes", "audit log", "split arms"]) -> bytes:
    """32 bytes for one purpose: HMAC-SHA-256 of its name (RFC 5869, expand), so that no use tells of another."""
    return hmac.digest(pepper, f"penstock {purpose}\x01".encode(), "sha256")


def load_pepper(settings: Settings, *, create: bool = True) -> bytes:
    """The pepper of ``store.pepper`` or ``$PENSTOCK_PEPPER``, else of a file beside the database, made once (0600).

    Raises ``ConfigError`` when that file can be read by others, is cut short, cannot be made, or is not there and
    ``create`` is false.
    """
    if settings.store.pepper is not None:
        return settings.store.pepper.get_secret_value().encode()
    database = settings.store.database
    path = database.with_name(f"{database.name}.pepper")
    try:
        return _create(path) if create and not path.exists() else _read(path)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise _refused(f"{path} cannot be used: {error.strerror}", "make it yours, in a folder you can write") from None


def _create(path: Path) -> bytes:
    pepper = secrets.token_bytes(PEPPER_BYTES)
    # Whole under another name first: a crash must not leave half a pepper that the next start would have to refuse.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pepper)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    finally:
        draft.unlink()
    return pepper


def _read(path: Path) -> bytes:
    if path.stat().st_mode & _OTHERS:
        raise _refused(f"{path} can be read by other users", f"chmod 600 {path}")
    pepper = path.read_bytes()
    if len(pepper) < PEPPER_BYTES:
        raise _refused(
            f"{path} is cut short",
            "restore it from a backup: keys and audit verify with no other; new installs delete it",
        )
    return pepper


def _refused(message: str, suggestion: str) -> ConfigError:
    return ConfigError([Problem(0, 0, "store.pepper", message, suggestion)])
