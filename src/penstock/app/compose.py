"""From settings to a running set of parts: everything here is replaced whole by a reload."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from penstock.app.choices import WeighedChoices
from penstock.app.standings import Standings
from penstock.app.works import Works
from penstock.audit import Record
from penstock.caching import Reuse
from penstock.config import ConfigError, Problem, Settings, subkey
from penstock.config.sections import Provider
from penstock.core.call import Identity
from penstock.core.chain import Handler, chain
from penstock.core.gather import Gather
from penstock.core.plan import Target
from penstock.core.policy import BulkheadPolicy, Policy
from penstock.core.ports import Fault, Origin
from penstock.pipeline import build_pipeline
from penstock.prompts import Registry, Render
from penstock.prompts.registry import PromptsInvalid
from penstock.providers import KINDS, Hosted, Simulated, connect, template_answer
from penstock.resilience import Attempts, Dispatch, Isolate
from penstock.routing import Route
from penstock.telemetry import FailedCalls, Trace
from penstock.tenancy import Fit, Identify, KeyRing, Ledger, Limit, Spend

_ON_THIS_MACHINE = "http://127.0.0.1:"


class Parts(Struct, frozen=True, kw_only=True):
    """What one config makes."""

    settings: Settings
    policy: Policy
    keys: KeyRing
    prompts: Registry
    providers: Mapping[str, Hosted | Simulated]
    standings: Standings
    handler: Handler


def compose(settings: Settings, works: Works, previous: Parts | None = None) -> Parts:
    """Build every part that ``settings`` speaks of. Raises ``ConfigError``; changes nothing in ``works``' state."""
    policy = settings.policy()
    prompts = _prompts(settings, previous)
    providers = _providers(settings, works)
    standings = Standings(policy.targets, policy.care, works, None if previous is None else previous.standings)
    choices = WeighedChoices(policy.targets, standings, works.shadows, subkey(works.pepper, "split arms"))
    targets = {
        alias: Attempts(standings[alias], _bound(providers, target), on_failed=works.failing)
        for alias, target in policy.targets.items()
    }
    return Parts(
        settings=settings,
        policy=policy,
        keys=KeyRing(subkey(works.pepper, "api keys"), _keys(settings)),
        prompts=prompts,
        providers=providers,
        standings=standings,
        handler=_pipeline(settings, works, policy, prompts, targets, choices),
    )


def _pipeline(
    settings: Settings,
    works: Works,
    policy: Policy,
    prompts: Registry,
    targets: Mapping[str, Handler],
    choices: WeighedChoices,
) -> Handler:
    ledger = Ledger(
        works.budgets,
        works.log,
        wall_clock=time.time,
        on_alert=works.alert,
        strict=settings.store.durability == "strict",
    )
    record = Record(works.log, on_loss=works.lose)
    spend = Spend(policy.tiers, policy.targets, ledger)
    dispatch = Dispatch(targets, template_answer, choices)
    choices.copies = chain((record, spend), dispatch)
    return build_pipeline(
        trace=Trace(works.metrics, on_failed=FailedCalls(works.logger)),
        record=record,
        identify=Identify(policy.tenants, subkey(works.pepper, "user hashes")),
        limit=Limit(policy.tiers, policy.endpoint_requests_per_minute, works.admissions),
        route=Route(policy),
        render=Render(prompts),
        fit=Fit(policy.tiers, policy.routes),
        reuse=Reuse(works.cache, policy.targets),
        isolate=Isolate(_isolated(policy), time.monotonic),
        gather=Gather(works.metrics),
        spend=spend,
        dispatch=dispatch,
    )


def _isolated(policy: Policy) -> Mapping[str, BulkheadPolicy]:
    return {name: route.isolate for name, route in policy.routes.items() if route.isolate is not None}


def _keys(settings: Settings) -> list[tuple[str, Identity]]:
    keys = [
        (key.key.get_secret_value(), Identity(name, key.name))
        for name, tenant in settings.tenants.items()
        for key in tenant.keys
    ]
    keys += [(key.get_secret_value(), Identity("", "admin", admin=True)) for key in settings.admin_keys]
    return keys


def _prompts(settings: Settings, previous: Parts | None) -> Registry:
    directory = settings.beside(settings.prompts.directory)
    try:
        return Registry.load(directory, None if previous is None else previous.prompts)
    except PromptsInvalid as error:
        raise ConfigError(
            [Problem(each.line, 0, each.file, each.message, each.suggestion) for each in error.problems]
        ) from None


def _providers(settings: Settings, works: Works) -> dict[str, Hosted | Simulated]:
    # An address that the operator wrote may be private, and so may the usual one of a model server on this machine.
    addresses = (provider.base_url or KINDS[provider.kind] or "" for provider in settings.providers.values())
    written = {provider.base_url for provider in settings.providers.values()}
    named = frozenset(
        Origin.of(address) for address in addresses if address in written or address.startswith(_ON_THIS_MACHINE)
    )
    return {
        name: _simulated(name, provider)
        if provider.kind == "simulated"
        else _hosted(name, provider, settings, named, works)
        for name, provider in settings.providers.items()
    }


def _bound(providers: Mapping[str, Hosted | Simulated], target: Target) -> Handler:
    try:
        return providers[target.provider].bind(target)
    except ValueError as error:
        path = f"models.{target.alias}.model_id"
        raise ConfigError([Problem(0, 0, path, str(error), "penstock check names the line")]) from None


def _simulated(name: str, provider: Provider) -> Simulated:
    fault = Fault(kind=provider.fail_kind, rate=provider.fail_rate) if provider.fail_rate > 0 else None
    return Simulated(
        name, latency_s=provider.latency_ms / 1000, tokens_per_s=provider.tokens_per_s, failure=fault, seed=0
    )


def _hosted(name: str, provider: Provider, settings: Settings, named: frozenset[Origin], works: Works) -> Hosted:
    ca_file = None if provider.ca_file is None else settings.beside(provider.ca_file)
    if not provider.tls_verify:
        works.logger.warning("TLS is not verified", provider=name, cure="give its CA as `ca_file`")
    try:
        transport = works.transport(ca_file=ca_file, named_origins=named, verify=provider.tls_verify)
        return connect(
            provider.kind,
            name,
            base_url=provider.base_url,
            api_key=None if provider.api_key is None else provider.api_key.get_secret_value(),
            transport=transport,
            api_version=provider.api_version or "",
        )
    except OSError as error:
        raise ConfigError([_unreadable(name, ca_file, error)]) from None
    except ValueError as error:
        raise ConfigError([Problem(0, 0, f"providers.{name}", str(error), "penstock check names the line")]) from None


def _unreadable(name: str, ca_file: Path | None, error: OSError) -> Problem:
    reason: Any = error.strerror or "it holds no certificate"
    return Problem(0, 0, f"providers.{name}.ca_file", f"{ca_file} cannot be used: {reason}", "give a PEM file")
