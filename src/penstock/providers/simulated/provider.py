"""``Simulated``: the fake provider that ships with the product, for demos, tests and drills."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.call import Dialect
from penstock.core.chain import Handler
from penstock.core.plan import Target
from penstock.core.ports import Fault
from penstock.providers.openai_compatible import OpenAICompatible
from penstock.providers.simulated.transport import SimulatedTransport
from penstock.providers.table import ROWS
from penstock.providers.way import Way


class _Adapter(OpenAICompatible):
    def ways(self, target: Target) -> Mapping[Dialect, Way]:
        """All but legacy completions, which no model of today has."""
        return {dialect: way for dialect, way in super().ways(target).items() if dialect != "completions"}


class Simulated:
    """A provider without a network: the real adapter over a simulated upstream.

    ``latency_s`` passes before the first byte, then ``tokens_per_s`` (``None`` or 0: at once). The same ``seed`` gives
    the same sequence of failures.
    """

    def __init__(
        self,
        name: str,
        *,
        latency_s: float = 0.0,
        tokens_per_s: float | None = None,
        failure: Fault | None = None,
        seed: int = 0,
    ) -> None:
        self.name = name
        self._transport = SimulatedTransport(latency_s=latency_s, tokens_per_s=tokens_per_s, failure=failure, seed=seed)
        self._adapter = _Adapter(
            name,
            ROWS["openai_compatible"],
            base_url="http://simulated.invalid/v1",
            api_key=None,
            transport=self._transport,
        )

    def bind(self, target: Target) -> Handler:
        """The handler that answers calls with ``target``."""
        return self._adapter.bind(target)

    def set_fault(self, fault: Fault | None) -> None:
        """Fail from the next call on, or stop failing. Raises ``ValueError`` for a fault that is not known."""
        self._transport.set_fault(fault)
