"""The stage ``spend`` with its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.answer import Answer
from penstock.core.call import Call, Usage
from penstock.core.plan import Degrade, First, Price, Target, Use
from penstock.core.policy import Tier
from penstock.stores.budgets import DayBudgets
from penstock.tenancy import Ledger, Spend
from support.calls import ask, complete_answer, make_call
from support.clocks import HandClock
from support.logs import ListLog

SIX_O_CLOCK_S = 20_000 * 86_400 + 6 * 3600.0
PLAN = First((Use("fast"), Use("strong")))
TARGETS = {
    "fast": Target("fast", "p", "fast-1", price=Price(1000, 2000)),
    "strong": Target("strong", "p", "s", 50, price=Price(10_000, 20_000)),
    "local": Target("local", "q", "l", price=Price(0, 0)),
    "cached": Target("cached", "p", "c", price=Price(1_000_000, 5_000_000, cached=100_000, cache_write=1_250_000)),
    "unknown": Target("unknown", "r", "u"),
}


class Till:
    """The stage with its surroundings; ``seen`` is the last call dispatched, answered by ``respond``."""

    def __init__(self, *, strict: bool = False, **of_tier: Any) -> None:
        self.clock = HandClock(SIX_O_CLOCK_S)
        self.budgets = DayBudgets(self.clock)
        self.log = ListLog()
        self.alerts: list[tuple[str, int, int, int]] = []
        self.seen: Call | None = None
        self.respond: Callable[[], Answer] = lambda: complete_answer(usage=Usage(10, 20))
        tier = Tier(name="pro", allowed_models=frozenset(TARGETS), **of_tier)
        ledger = Ledger(
            self.budgets,
            self.log,
            wall_clock=self.clock,
            on_alert=lambda *alert: self.alerts.append(alert),
            strict=strict,
        )
        self.stage = Spend({"pro": tier}, TARGETS, ledger)

    @property
    def spent(self) -> int:
        return self.budgets.spent_nano_usd("acme")

    def spend(self, cost: int) -> None:
        held = self.budgets.reserve("acme", 0, None)
        assert held is not None
        self.budgets.settle(held, cost)

    async def dispatch(self, call: Call) -> Answer:
        self.seen = call
        if isinstance(call.plan, Degrade):
            return complete_answer(b"sorry")
        call.trail.target = "fast" if call.plan == PLAN or call.plan is None else "local"
        return self.respond()

    async def ask(self, **changes: Any) -> tuple[Call, Answer]:
        values: dict[str, Any] = {"plan": PLAN, "max_output_tokens": 100} | changes
        call = make_call(**values)
        return call, await ask(self.stage, call, self.dispatch)
