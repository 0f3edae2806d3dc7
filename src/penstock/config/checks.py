"""What types cannot say: references, who may reach what, keys and addresses, money. Each check adds its problems."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from penstock.config.document import STAND_IN, Document
from penstock.config.problems import did_you_mean
from penstock.config.routes import check_route
from penstock.config.sections import Model, Provider, Tenant, Tier
from penstock.config.settings import Settings
from penstock.core.ports import Origin

DEMO_KEY = "sk-demo-"
_SIMULATED = frozenset({"latency_ms", "tokens_per_s", "fail_rate", "fail_kind"})
_HOSTED = frozenset({"base_url", "api_key", "api_version", "ca_file", "tls_verify"})
_SPLIT_PRICE = ("cost_per_1k_input_tokens_usd", "cost_per_1k_output_tokens_usd")
_CACHE_PRICES = ("cost_per_1k_cached_tokens_usd", "cost_per_1k_cache_write_tokens_usd")
_ADDRESS = "write it like https://llm.example.com/v1"
_ADDRESS_FAULTS = (
    (re.compile("^(?!https?://)"), "an address begins with https:// or http://", _ADDRESS),
    (re.compile("//[^/]*@"), "an address holds no user and no password", "remove them; a key goes into `api_key`"),
    (re.compile("[?#]"), "an address ends before its ? or #", "remove it and what follows"),
    (re.compile(r"\s"), "an address holds no blank", _ADDRESS),
)
# What a service's page shows at the end of its address, and a call appends.
_APPENDED = ("/chat/completions", "/completions", "/responses", "/embeddings")


def check(
    settings: Settings, document: Document, kinds: Mapping[str, str | None], fault_kinds: Collection[str] | None
) -> None:
    """Add to ``document.problems`` all that is wrong or doubtful across sections."""
    for name, provider in settings.providers.items():
        _provider(name, provider, document, kinds)
        _fault(name, provider, document, fault_kinds)
        _verification(name, provider, settings, document)
    for alias, model in settings.models.items():
        _model(alias, model, settings, document)
        _breaker(("models", alias, "breaker"), document)
    _breaker(("resilience", "breaker"), document)
    for name, route in settings.routing.items():
        check_route(name, route, settings, document)
    for name, tier in settings.tenant_tiers.items():
        _tier(name, tier, document)
    for name, tenant in settings.tenants.items():
        _tenant(name, tenant, document)
    for endpoint in settings.limits.endpoints:
        if not endpoint.startswith("/"):
            document.problem(("limits", "endpoints", endpoint), "an endpoint starts with /", f"write `/{endpoint}`")
    if not document.names("models"):
        document.problem(("models",), "there is no model: nothing can be answered", "add one under `models:`")
    _responses(settings, document)
    _files(settings, document)
    _callers(settings, document)
    _keys(settings, document)
    _address(settings, document)


def _responses(settings: Settings, document: Document) -> None:
    kept, path = settings.store.responses, ("store", "responses")
    for small, large in (("max_entry_bytes", "max_tenant_bytes"), ("max_tenant_bytes", "max_bytes")):
        least, most = getattr(kept, small), getattr(kept, large)
        if least > most:
            # Told where it was written: the other one may be a default.
            setting = large if document.given((*path, large)) else small
            text = f"`{small}` ({least}) is more than `{large}` ({most})"
            document.problem((*path, setting), text, f"lower `{small}`, or raise `{large}`")


def _files(settings: Settings, document: Document) -> None:
    hint = "paths are relative to the config file"
    for name, provider in settings.providers.items():
        if provider.ca_file is not None and not settings.beside(provider.ca_file).is_file():
            document.problem(("providers", name, "ca_file"), f"there is no file {provider.ca_file}", hint)
    folder, path = settings.prompts.directory, ("prompts", "directory")
    if document.given(path) and not settings.beside(folder).is_dir():
        document.problem(path, f"there is no folder {folder}", hint)


def _provider(name: str, provider: Provider, document: Document, kinds: Mapping[str, str | None]) -> None:
    path: tuple[str, ...] = ("providers", name)
    if provider.kind == STAND_IN:
        return
    if provider.kind not in kinds:
        document.problem((*path, "kind"), f"`{provider.kind[:80]}` is no kind", did_you_mean(provider.kind, kinds))
        return
    simulated = provider.kind == "simulated"
    strange, only = (_HOSTED, "hosted providers") if simulated else (_SIMULATED, "`kind: simulated`")
    for field in sorted(strange):
        if document.given((*path, field)):
            document.problem((*path, field), f"`{field}` is for {only} only", "remove it")
    if simulated:
        return
    if provider.kind != "azure" and document.given((*path, "api_version")):
        document.problem((*path, "api_version"), "`api_version` is for `kind: azure` only", "remove it")
    if kinds[provider.kind] is None and not document.given((*path, "base_url")):
        document.problem(path, f"`{provider.kind}` has no address of its own", "add `base_url: https://...`")
    if provider.base_url is not None and (fault := _address_fault(provider.base_url)):
        document.problem((*path, "base_url"), *fault)
        return
    own_address = kinds[provider.kind] or ""
    if own_address.startswith("https:") and not document.given((*path, "api_key")):
        text, elsewhere = f"`{provider.kind}` answers no call without a key", document.given((*path, "base_url"))
        document.problem(path, text, "add `api_key: $ENV_NAME`", warning=elsewhere)
    _account(path, provider, document)


def _address_fault(url: str) -> tuple[str, str] | None:
    """What is wrong with a base URL, and the cure. Neither holds any of it: it may hold a password."""
    for pattern, message, cure in _ADDRESS_FAULTS:
        if pattern.search(url):
            return message, cure
    try:
        Origin.of(url)
    except ValueError:
        return "the host or the port cannot be read", _ADDRESS
    for path in _APPENDED:
        if url.rstrip("/").endswith(path):
            return f"`{path}` is appended to this address, and would stand there twice", f"remove `{path}` from its end"
    return None


def _account(path: tuple[str, ...], provider: Provider, document: Document) -> None:
    if provider.api_key is not None:
        key = provider.api_key.get_secret_value().strip()
        if not (key.isascii() and key.isprintable()):
            document.problem((*path, "api_key"), "the key holds a character that no header may carry", "copy it again")
        if not document.from_environment((*path, "api_key")):
            document.problem((*path, "api_key"), "the key stands in the file", "write $ENV_NAME instead", warning=True)
        url = urlsplit(provider.base_url or "")
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            text = "the key travels unencrypted"
            document.problem((*path, "base_url"), text, "use https, or a ca_file for your own", warning=True)


def _verification(name: str, provider: Provider, settings: Settings, document: Document) -> None:
    if provider.tls_verify:
        return
    path = ("providers", name, "tls_verify")
    if settings.server.environment == "development":
        text = "whoever answers at its address gets the key and every prompt"
        document.problem(path, text, "give its CA as `ca_file` instead", warning=True)
    else:
        text = "TLS is verified always, except in a development environment"
        cure = "give its CA as `ca_file`, or declare `server.environment: development`"
        document.problem(path, text, cure)


def _fault(name: str, provider: Provider, document: Document, fault_kinds: Collection[str] | None) -> None:
    kind = provider.fail_kind
    if fault_kinds is not None and kind not in fault_kinds:
        path = ("providers", name, "fail_kind")
        document.problem(path, f"`{kind[:80]}` is no fault", did_you_mean(kind, fault_kinds))


def _model(alias: str, model: Model, settings: Settings, document: Document) -> None:
    path = ("models", alias)
    document.refer((*path, "provider"), model.provider, "providers")
    both = document.given((*path, "cost_per_1k_tokens_usd"))
    given = [field for field in _SPLIT_PRICE if document.given((*path, field))]
    parts = [field for field in _CACHE_PRICES if document.given((*path, field))]
    if both and given:
        document.problem((*path, given[0]), "there is one price or two, not both", "remove cost_per_1k_tokens_usd")
    elif len(given) == 1:
        other = next(field for field in _SPLIT_PRICE if field not in given)
        document.problem((*path, given[0]), f"`{other}` is missing", "add it; 0 if it costs nothing")
    elif parts and not both and not given:
        text = f"`{parts[0]}` says nothing without the price of other tokens"
        document.problem((*path, parts[0]), text, "add cost_per_1k_input_tokens_usd and cost_per_1k_output_tokens_usd")
    elif not both and not given and settings.price(alias) is None and model.provider in settings.providers:
        _unpriced(alias, settings, document)


def _unpriced(alias: str, settings: Settings, document: Document) -> None:
    refused = [
        name
        for name, tier in settings.tenant_tiers.items()
        if alias in tier.allowed_models and tier.daily_budget_usd is not None and tier.when_unpriced == "refuse"
    ]
    what = f"calls of tier {', '.join(refused)} are refused it" if refused else "cost reports leave it out"
    cure = "add cost_per_1k_tokens_usd; 0 if it costs nothing"
    document.problem(("models", alias), f"nobody knows its price: {what}", cure, warning=True)


def _breaker(path: tuple[str, ...], document: Document) -> None:
    for setting, other in (("slow_rate", "slow_ms"), ("slow_ms", "slow_rate")):
        if document.given((*path, setting)) and not document.given((*path, other)):
            document.problem((*path, setting), f"`{setting}` says nothing without `{other}`", f"add `{other}:`")


def _tier(name: str, tier: Tier, document: Document) -> None:
    path = ("tenant_tiers", name)
    for index, alias in enumerate(tier.allowed_models):
        document.refer((*path, "allowed_models", index), alias, "models")
    if tier.degrade_to is not None:
        document.refer((*path, "degrade_to"), tier.degrade_to, "models")
        if tier.degrade_to not in tier.allowed_models and (*path, "allowed_models") not in document.unset:
            text = f"this tier may not use `{tier.degrade_to[:80]}` itself"
            document.problem((*path, "degrade_to"), text, "add it to allowed_models")
    elif tier.when_not_allowed == "degrade" and not document.given((*path, "degrade_to")):
        document.problem((*path, "when_not_allowed"), "`degrade` needs a model to go to", "add `degrade_to: ALIAS`")


def _tenant(name: str, tenant: Tenant, document: Document) -> None:
    path = ("tenants", name)
    document.refer((*path, "tier"), tenant.tier, "tenant_tiers")
    if not tenant.keys and not document.given((*path, "keys", 0)):
        document.problem(path, "no key proves this tenant", "add one under `keys:`", warning=True)
    names = [key.name for key in tenant.keys]
    for index, key_name in enumerate(names):
        if key_name in names[:index] and key_name != STAND_IN:
            text = f"another key of this tenant is called `{key_name}`: audit and logs cannot tell them apart"
            document.problem((*path, "keys", index, "name"), text, "give each its own name", warning=True)


def _callers(settings: Settings, document: Document) -> None:
    """Whether anybody may call, and anybody may operate."""
    if not document.names("tenants"):
        text = "there is no tenant: every call is refused with 401"
        document.problem(("tenants",), text, "add one under `tenants:`, with a key", warning=True)
    if not document.given(("admin_keys", 0)) and not settings.server.keyless_loopback:
        text = "there is no admin key: /metrics, /audit and the detail of /health are refused with 401"
        document.problem(("admin_keys",), text, "add `admin_keys: [$ENV_NAME]`", warning=True)


def _keys(settings: Settings, document: Document) -> None:
    owners: dict[str, str] = {}
    places: list[tuple[tuple[str | int, ...], str, str]] = [
        (("admin_keys", index), "admin_keys", key.get_secret_value()) for index, key in enumerate(settings.admin_keys)
    ]
    for name, tenant in settings.tenants.items():
        for index, key in enumerate(tenant.keys):
            places.append((("tenants", name, "keys", index, "key"), f"tenant {name}", key.key.get_secret_value()))
    for path, owner, secret in places:
        if secret == STAND_IN:
            continue
        if secret in owners:
            document.problem(path, f"the same key belongs to {owners[secret]}", "a key proves one tenant: make another")
        owners.setdefault(secret, owner)
        if not secret.startswith(DEMO_KEY) and not document.from_environment(path):
            document.problem(path, "the key stands in the file", "write $ENV_NAME instead", warning=True)


def _address(settings: Settings, document: Document) -> None:
    server, path = settings.server, ("server", "host")
    keys = [key.get_secret_value() for key in settings.admin_keys]
    keys += [key.key.get_secret_value() for tenant in settings.tenants.values() for key in tenant.keys]
    demo = [key for key in keys if key.startswith(DEMO_KEY)]
    if server.keyless_loopback and (not server.debug or not demo or len(demo) < len(keys)):
        text = "keyless_loopback is for the demo: with `debug: true` and keys that all begin with sk-demo-"
        document.problem(("server", "keyless_loopback"), text, "remove it")
    if _is_loopback(server.host):
        return
    if demo:
        document.problem(
            path,
            f"demo keys are public: with them only loopback is served, not {server.host}",
            "replace the sk-demo- keys, or listen on 127.0.0.1",
        )
    if not keys:
        document.problem(
            path,
            f"{server.host} can be reached by others, and no key is asked for",
            "add keys under `tenants:`, or listen on 127.0.0.1",
        )
    if server.keyless_loopback:
        text = f"keyless_loopback cannot be served on {server.host}"
        document.problem(("server", "keyless_loopback"), text, "remove it, or listen on 127.0.0.1")
    if server.debug:
        text = "`debug` lets admin keys make providers fail, on an address that others reach"
        document.problem(("server", "debug"), text, "remove it in production", warning=True)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
