"""Audit records as the stage ``record`` writes them."""

from __future__ import annotations

from typing import Any

from penstock.audit import Record
from penstock.core.answer import END, Answer
from penstock.core.call import Call
from penstock.core.ports import Log
from support.calls import ask, make_call


def intent(call_id: str, tenant: str, reserved: int, time_s: float) -> dict[str, Any]:
    """What ``spend`` writes before it dispatches."""
    return {
        "event_type": "llm_intent",
        "call_id": call_id,
        "tenant_id": tenant,
        "reserved_nano_usd": reserved,
        "time": time_s,
    }


async def append_call(log: Log, time_s: float, *, cost: int = 0, **changes: Any) -> None:
    """A call of ``make_call`` that ended well at ``time_s`` (Unix), one second after it began."""
    call = make_call(**changes)
    call.trail.cost_nano_usd = cost

    async def answer(_call: Call) -> Answer:
        return Answer("openai", body=b"{}")

    record = Record(log, on_loss=_raise, wall_clock=lambda: time_s, clock=lambda: call.trail.received_at_s + 1)
    (await ask(record, call, answer)).close(END)


def _raise(error: Exception) -> None:
    raise error
