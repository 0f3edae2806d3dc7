"""``Settings``: the whole file, and the plain values that the parts take of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, SecretStr

from penstock.config import sections
from penstock.config.problems import Problem
from penstock.config.section import Section
from penstock.config.sections import Name
from penstock.config.store import Store
from penstock.core.plan import Degrade, First, Mirror, Plan, Price, Race, Select, Split, Target, Use
from penstock.core.policy import (
    RETRY_PRESETS,
    BreakerPolicy,
    BulkheadPolicy,
    Care,
    Policy,
    Route,
    Tier,
    TimeOverrides,
)

_NANO = 1_000_000_000


class Settings(Section):
    """The whole file, checked. Secrets are ``SecretStr``; ``policy`` gives what stages work with."""

    server: sections.Server = Field(default=sections.Server(), description="Listening, limits of requests, logs.")
    store: Store = Field(default=Store(), description="Database, durability, cache, kept answers.")
    providers: dict[Name, sections.Provider] = Field(default={}, description="Accounts that answer calls, by name.")
    models: dict[Name, sections.Model] = Field(default={}, description="Model aliases.")
    routing: dict[Name, sections.Route] = Field(default={}, description="Tasks and route names.")
    tenant_tiers: dict[Name, sections.Tier] = Field(default={}, description="Classes of tenants.")
    tenants: dict[Name, sections.Tenant] = Field(default={}, description="Tenants, by name.")
    admin_keys: list[Annotated[SecretStr, Field(min_length=8, max_length=512)]] = Field(
        default=[], description="Keys for `/audit`, `/metrics`, `/debug` and the detail of `/health`."
    )
    resilience: sections.Resilience = Field(
        default=sections.Resilience(), description="Breakers and retries of all models."
    )
    limits: sections.Limits = Field(default=sections.Limits(), description="Limits of single endpoints.")
    prompts: sections.Prompts = Field(default=sections.Prompts(), description="Registered prompts.")

    _folder: Path = PrivateAttr(default_factory=Path)
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())
    _prices: Mapping[str, Price] = PrivateAttr(default_factory=dict)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What may be meant, and probably is not."""
        return self._warnings

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that is in force, secrets left out."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def policy(self) -> Policy:
        """What routing and tenancy work with. Nothing of it holds a secret."""
        return Policy(
            tiers={name: _tier(name, tier) for name, tier in self.tenant_tiers.items()},
            tenants={name: tenant.tier for name, tenant in self.tenants.items()},
            routes={name: _route(name, route) for name, route in self.routing.items()},
            targets={alias: _target(alias, model, self.price(alias)) for alias, model in self.models.items()},
            care={alias: _care(model, self.resilience) for alias, model in self.models.items()},
            endpoint_requests_per_minute=dict(self.limits.endpoints),
        )

    def price(self, alias: str) -> Price | None:
        """What a model costs: as it stands in the file, or as it was looked up; ``None`` where nobody knows."""
        return _price(self.models[alias]) or self._prices.get(alias)

    @property
    def prices(self) -> Mapping[str, Price]:
        """Those that were looked up, by alias."""
        return self._prices

    def placed(self, folder: Path, warnings: tuple[Problem, ...], prices: Mapping[str, Price]) -> Settings:
        """The same settings, read from a file in ``folder``, with the ``prices`` of models that give none."""
        copy = self.model_copy()
        copy._folder, copy._warnings, copy._prices = folder, warnings, prices  # noqa: SLF001 - its own class
        return copy

    def beside(self, path: Path) -> Path:
        """A path that the operator wrote, seen from the config file's folder."""
        return (self._folder / path).resolve()


def _nano(usd: Decimal) -> int:
    """Nano-USD, rounded up: a price is never forgotten."""
    return int((usd * _NANO).to_integral_value(ROUND_CEILING))


def _price(model: sections.Model) -> Price | None:
    """What the file says."""
    both = model.cost_per_1k_tokens_usd
    read = both if model.cost_per_1k_input_tokens_usd is None else model.cost_per_1k_input_tokens_usd
    written = both if model.cost_per_1k_output_tokens_usd is None else model.cost_per_1k_output_tokens_usd
    cached, kept = model.cost_per_1k_cached_tokens_usd, model.cost_per_1k_cache_write_tokens_usd
    if read is None or written is None:
        return None
    return Price(
        _nano(read),
        _nano(written),
        cached=None if cached is None else _nano(cached),
        cache_write=None if kept is None else _nano(kept),
    )


def _target(alias: str, model: sections.Model, price: Price | None) -> Target:
    return Target(
        alias=alias,
        provider=model.provider,
        model_id=model.model_id,
        max_output_tokens=model.max_output_tokens,
        max_input_tokens=model.max_input_tokens,
        quality=model.quality,
        resumable=model.resumable,
        price=price,
    )


def _care(model: sections.Model, resilience: sections.Resilience) -> Care:
    breaker = model.breaker or resilience.breaker
    return Care(
        breaker=BreakerPolicy(
            failures=breaker.failures,
            open_s=breaker.open_s,
            probes=breaker.probes,
            error_rate=breaker.error_rate,
            slow_rate=breaker.slow_rate,
            slow_s=_seconds(breaker.slow_ms),
            window_s=breaker.window_s,
            min_calls=breaker.min_calls,
        ),
        bulkhead=_bulkhead(model.bulkhead),
        retry_share=resilience.retry_share,
        retry_floor=resilience.retry_floor,
    )


def _bulkhead(bulkhead: sections.Bulkhead | None) -> BulkheadPolicy | None:
    if bulkhead is None:
        return None
    return BulkheadPolicy(most=bulkhead.most, waiting=bulkhead.waiting, wait_s=bulkhead.wait_ms / 1000)


def _route(name: str, route: sections.Route) -> Route:
    return Route(
        name=name,
        plan=_plan(route),
        times=_times(route),
        retry=RETRY_PRESETS[route.retry],
        isolate=_bulkhead(route.isolate),
        max_input_tokens=route.max_input_tokens,
        max_output_tokens=route.max_output_tokens,
    )


def _plan(route: sections.Route) -> Plan:
    plans = tuple(_part(step) for step in route.steps)
    if route.mirror is not None:
        plan: Plan = Mirror(Use(route.mirror.main), Use(route.mirror.copy_), route.mirror.share)
        return plan if route.degrade is None else First((plan, Degrade(route.degrade)))
    if route.split is not None:
        arms = tuple(Use(alias) for alias in route.split)
        plan = arms[0] if len(arms) == 1 else Split(arms, tuple(route.split.values()), route.sticky)
        return plan if route.degrade is None else First((plan, Degrade(route.degrade)))
    return plans[0] if len(plans) == 1 else First(plans)


def _part(step: sections.Step) -> Plan:
    if step.race is not None:
        race, limit_s = step.race, _seconds(step.race.fallback_timeout_ms)
        return Race(Use(race.main), Use(race.fallback), race.after_ms / 1000, limit_s, race.hedge)
    if step.select is not None and step.among is not None:
        among = tuple(Use(alias) for alias in step.among)
        return among[0] if len(among) == 1 else Select(step.select, among, tuple(step.among.values()))
    return Use(step.use) if step.use is not None else Degrade(step.degrade or "")


def _times(route: sections.Route) -> TimeOverrides | None:
    times = TimeOverrides(
        total_s=_seconds(route.deadline_ms),
        first_content_s=_seconds(route.first_content_ms),
        idle_gap_s=_seconds(route.idle_gap_ms),
        attempt_s=_seconds(route.attempt_timeout_ms),
        min_tokens_per_s=route.min_tokens_per_s,
    )
    return None if times == TimeOverrides() else times


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _tier(name: str, tier: sections.Tier) -> Tier:
    given: dict[str, Any] = {} if tier.degrade_text is None else {"degrade_text": tier.degrade_text}
    return Tier(
        name=name,
        allowed_models=frozenset(tier.allowed_models),
        daily_budget_nano_usd=None if tier.daily_budget_usd is None else _nano(tier.daily_budget_usd),
        max_input_tokens=tier.max_input_tokens,
        max_output_tokens=tier.max_output_tokens,
        requests_per_minute=tier.requests_per_minute,
        user_requests_per_minute=tier.user_requests_per_minute,
        concurrent_requests=tier.concurrent_requests,
        when_over_budget=tier.when_over_budget,
        when_not_allowed=tier.when_not_allowed,
        when_unpriced=tier.when_unpriced,
        degrade_to=tier.degrade_to,
        **given,
    )
