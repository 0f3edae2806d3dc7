"""What a gateway tells of a call, as lines: headers of an answer, and comments at the end of a stream."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from penstock.client.failures import no_gateway
from penstock.client.told import Told
from penstock.core.call import Attempt, Usage
from penstock.core.plan import Decision


class _Beside(Struct):
    """What stands beside a decision."""

    attempts: list[Attempt] = []
    usage: Usage | None = None


_read_decision = msgspec.json.Decoder(Decision).decode
_read_beside = msgspec.json.Decoder(_Beside).decode


def note(told: Told, lines: Iterable[tuple[bytes, bytes]]) -> None:
    """Put on the trail what ``lines`` of name and value say. Raises ``GatewayUnreachable`` for what no gateway says."""
    for name, value in lines:
        if name == b"x-request-id":
            told.request_id = value.decode("latin-1")
        elif name.startswith(b"x-penstock-"):
            try:
                _note(told, name[11:].decode(), value)
            except (ValueError, msgspec.DecodeError):
                raise no_gateway(200) from None


def _note(told: Told, name: str, value: bytes) -> None:
    trail = told.trail
    match name:
        case "model":
            trail.model = value.decode()
        case "provider":
            trail.provider = value.decode()
        case "fallback":
            trail.fallback_used = value == b"true"
        case "degraded":
            trail.degraded = value == b"true"
        case "cache":
            trail.cache = "hit" if value == b"hit" else "miss"
        case "cost-usd":
            told.priced, trail.cost_nano_usd = True, round(float(value) * 1e9)
        case "decision":
            trail.decision, beside = _read_decision(value), _read_beside(value)
            trail.attempts, trail.usage = beside.attempts, beside.usage
        case _:  # what a later gateway may say too
            pass
