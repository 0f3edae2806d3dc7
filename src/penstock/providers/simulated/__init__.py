"""The simulated provider."""

from penstock.providers.simulated.provider import Simulated
from penstock.providers.simulated.transport import FAULT_KINDS, SimulatedTransport

__all__ = ["FAULT_KINDS", "Simulated", "SimulatedTransport"]
