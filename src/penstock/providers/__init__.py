"""Backends: each provider gives a handler for each target."""

from collections.abc import Mapping

from penstock.providers.openai_compatible import OpenAICompatible
from penstock.providers.simulated import FAULT_KINDS, Simulated, SimulatedTransport
from penstock.providers.table import ROWS, Row
from penstock.providers.template import template_answer

# What a config's ``kind`` may be, with the address that each has by itself: "" needs none, ``None`` wants one given.
KINDS: Mapping[str, str | None] = {"simulated": "", **{name: row.base_url for name, row in ROWS.items()}}

__all__ = [
    "FAULT_KINDS",
    "KINDS",
    "ROWS",
    "OpenAICompatible",
    "Row",
    "Simulated",
    "SimulatedTransport",
    "template_answer",
]
