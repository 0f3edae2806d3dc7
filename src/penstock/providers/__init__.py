"""Backends: each provider gives a handler for each target."""

from penstock.providers.hosted import Hosted
from penstock.providers.kinds import KINDS, connect
from penstock.providers.openai_compatible import OpenAICompatible
from penstock.providers.simulated import FAULT_KINDS, Simulated, SimulatedTransport
from penstock.providers.table import ROWS, Row
from penstock.providers.template import template_answer

__all__ = [
    "FAULT_KINDS",
    "KINDS",
    "ROWS",
    "Hosted",
    "OpenAICompatible",
    "Row",
    "Simulated",
    "SimulatedTransport",
    "connect",
    "template_answer",
]
