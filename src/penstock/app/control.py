"""The control plane as a serving process sees it: what concerns the whole gateway, however many processes it has."""

from __future__ import annotations

from typing import Any, Protocol

from penstock.core.policy import Policy
from penstock.core.ports import AuditPage, AuditQuery, Fault


class Control(Protocol):
    """Answers for all processes together."""

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""

    async def metrics(self, policy: Policy) -> bytes:
        """Prometheus text."""

    async def detail(self) -> dict[str, Any]:
        """Store, calls in flight, workers, and how each target does, for ``/health``."""

    async def spread_fault(self, provider: str, fault: Fault | None) -> None:
        """Make every process set a fault, this one among them."""
