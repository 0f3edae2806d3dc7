"""``look_up``: the prices of a config's models, found once and kept in a file beside the database.

The list is the package ``genai-prices``. Reading it takes half a second and 30 MB, so another process does
(``compile.py``), and a gateway holds what its own models cost and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from penstock.core.plan import Price, Sold
from penstock.core.ports import Clock, PricesUnknown

# What runs on the operator's own machines takes power, and no money for a token.
FREE_KINDS = frozenset({"simulated", "ollama", "llama_cpp", "lm_studio", "vllm"})
_FREE = Price(0, 0, source="free")
_FORM = 1
_COMPILE_S = 30.0
# What an interpreter needs to start. The keys in our environment are not for others' code.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
# The one kind whose name does not say whose models it serves.
_ANY_SERVICE = "openai_compatible"


class Quote(Struct, frozen=True):
    """What the list says of a model, ``None`` that it does not know it."""

    sold: Sold
    price: Price | None


class Quotes(Struct, frozen=True):
    """What was found: by which edition of the list, and until when (Unix seconds) none of it changes."""

    quotes: list[Quote]
    until: float | None = None
    edition: str = ""
    form: int = _FORM


def look_up(models: Mapping[str, Sold], database: Path, clock: Clock = time.time) -> Mapping[str, Price]:
    """The prices of ``models``, as far as they are known, by the same names. Raises ``PricesUnknown``."""
    prices = {name: _FREE for name, sold in models.items() if sold.kind in FREE_KINDS}
    asked = {name: _named(sold) for name, sold in models.items() if name not in prices}
    if asked:
        path = database.with_name(f"{database.name}.prices")
        try:
            known = _known(frozenset(asked.values()), path, clock())
        except PricesUnknown as error:
            raise PricesUnknown(str(error), error.cure, prices) from None
        prices |= {name: price for name, sold in asked.items() if (price := known.get(sold)) is not None}
    return prices


def _named(sold: Sold) -> Sold:
    """What tells models apart in the list: of an address no more than it takes, and no secret."""
    if sold.kind != _ANY_SERVICE:
        return Sold(sold.kind, "", sold.model_id)
    try:
        parts = urlsplit(sold.base_url)
        return Sold(sold.kind, f"{parts.scheme}://{parts.hostname}{parts.path}", sold.model_id)
    except ValueError:
        return Sold(sold.kind, "", sold.model_id)


def _known(asked: frozenset[Sold], path: Path, now: float) -> Mapping[Sold, Price | None]:
    try:
        edition = f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        raise PricesUnknown("genai-prices is not installed", "install it: pip install genai-prices") from None
    kept = _kept(path)
    if kept is None or kept.edition != edition or (kept.until is not None and kept.until <= now):
        kept = Quotes([])
    known = {quote.sold: quote.price for quote in kept.quotes}
    if not asked <= known.keys():
        compiled = _compile(asked)
        known = {quote.sold: quote.price for quote in compiled.quotes}
        _keep(path, Quotes(compiled.quotes, compiled.until, edition))
    return known


def _compile(asked: frozenset[Sold]) -> Quotes:
    # -P: a module that lies in the working directory is not ours.
    command = [sys.executable, "-P", "-m", "penstock.prices.compile"]
    question = msgspec.json.encode(sorted(asked, key=lambda each: (each.kind, each.base_url, each.model_id)))
    env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        ran = subprocess.run(  # noqa: S603 - our own module
            command, input=question, capture_output=True, check=True, timeout=_COMPILE_S, env=env
        )
        return msgspec.json.decode(ran.stdout, type=Quotes)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        cure = f"see why: echo '[]' | {sys.executable} -P -m penstock.prices.compile"
        raise PricesUnknown("genai-prices could not be read", cure) from None


def _kept(path: Path) -> Quotes | None:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Quotes)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if kept.form == _FORM else None


def _keep(path: Path, quotes: Quotes) -> None:
    """Write it for the next start. Whoever may not write there looks up again."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(quotes)))
        draft.replace(path)
