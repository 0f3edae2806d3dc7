from __future__ import annotations

from pathlib import Path

from penstock.config import load_settings
from penstock.config.sections import DEGRADE_TEXT
from penstock.core.plan import Degrade, First, Price, Race, Use
from penstock.core.policy import FAST_RETRY, PATIENT_RETRY, TimeLimits
from support.configs import DEMO, GOOD, PROVIDERS, load_text

MODELS = PROVIDERS + "models:\n" + "".join(f"  {name}: {{provider: sim, model_id: m}}\n" for name in "abc")


def test_the_demo_becomes_the_policy_of_the_requirements() -> None:
    policy = load_settings(DEMO, {}).policy()
    assert policy.tenants == {"tenant_free": "free", "tenant_pro": "pro", "tenant_enterprise": "enterprise"}
    assert policy.routes["reasoning"].plan == First((Use("strong_reasoner"), Use("fallback_balanced")))
    free, pro = policy.tiers["free"], policy.tiers["pro"]
    assert (free.daily_budget_nano_usd, free.max_output_tokens) == (10**9, 256)
    assert (free.when_not_allowed, free.degrade_to) == ("degrade", "fast_extractor")
    assert (pro.daily_budget_nano_usd, pro.max_output_tokens, pro.when_not_allowed) == (20 * 10**9, 1024, "refuse")
    assert policy.targets["fast_extractor"].price == Price(200_000, 200_000)


def test_a_price_is_exact_and_two_prices_stay_apart(tmp_path: Path) -> None:
    text = (
        PROVIDERS
        + "models:\n  m: {provider: sim, model_id: m, cost_per_1k_input_tokens_usd: 0.00015, cost_per_1k_output_tokens_usd: 0.1}\n"
    )
    assert load_text(tmp_path, text).policy().targets["m"].price == Price(150_000, 100_000_000)


def test_a_price_is_rounded_up_never_away(tmp_path: Path) -> None:
    text = PROVIDERS + "models:\n  m: {provider: sim, model_id: m, cost_per_1k_tokens_usd: 0.0000000001}\n"
    assert load_text(tmp_path, text).policy().targets["m"].price == Price(1, 1)


def test_every_way_to_write_a_route(tmp_path: Path) -> None:
    text = MODELS + (
        "routing:\n"
        "  bare: a\n"
        "  one: {primary: a}\n"
        "  two: {primary: a, fallback: b}\n"
        "  many: {first: [a, b, c, {degrade: Later.}]}\n"
    )
    routes = load_text(tmp_path, text).policy().routes
    assert routes["bare"].plan == Use("a")
    assert routes["one"].plan == Use("a")
    assert routes["two"].plan == First((Use("a"), Use("b")))
    assert routes["many"].plan == First((Use("a"), Use("b"), Use("c"), Degrade("Later.")))


def test_a_race_has_the_times_of_the_requirements_and_a_last_resort(tmp_path: Path) -> None:
    text = MODELS + (
        "routing:\n"
        "  plain: {race: {main: a, fallback: b}}\n"
        "  own: {race: {main: a, fallback: b, after_ms: 200, fallback_timeout_ms: null}, degrade: Later.}\n"
        "  hedge: {first: [{race: {main: a, fallback: b, hedge: true}}, c]}\n"
        "  pair: {primary: a, fallback: b, degrade: Later.}\n"
    )
    routes = load_text(tmp_path, text).policy().routes
    assert routes["plain"].plan == First((Race(Use("a"), Use("b"), 1.5, 4.0), Degrade(DEGRADE_TEXT)))
    assert routes["own"].plan == First((Race(Use("a"), Use("b"), 0.2, None), Degrade("Later.")))
    assert routes["hedge"].plan == First((Race(Use("a"), Use("b"), 1.5, 4.0, hedge=True), Use("c")))
    assert routes["pair"].plan == First((Use("a"), Use("b"), Degrade("Later.")))


def test_a_route_without_deadline_leaves_times_to_the_endpoint(tmp_path: Path) -> None:
    routes = load_text(tmp_path, MODELS + "routing: {r: a, p: {primary: a, retry: patient}}\n").policy().routes
    assert (routes["r"].times, routes["r"].retry) == (None, FAST_RETRY)
    assert routes["p"].retry == PATIENT_RETRY


def test_a_route_changes_only_the_times_that_it_names(tmp_path: Path) -> None:
    text = MODELS + "routing: {r: {primary: a, attempt_timeout_ms: 4000, idle_gap_ms: 250}}\n"
    times = load_text(tmp_path, text).policy().routes["r"].times
    assert times is not None
    limits = times.over(TimeLimits(total_s=600, first_content_s=60, idle_gap_s=60))
    assert limits == TimeLimits(total_s=600, first_content_s=60, idle_gap_s=0.25, attempt_s=4.0)


def test_endpoints_that_are_not_named_keep_their_limit(tmp_path: Path) -> None:
    assert load_text(tmp_path, GOOD).policy().endpoint_requests_per_minute == {
        "/v1/conversations/end": 100,
        "/v1/activities/suggest": 60,
        "/health": 300,
    }
    changed = load_text(tmp_path, GOOD + "limits: {endpoints: {/health: 7}}\n").policy()
    assert changed.endpoint_requests_per_minute["/health"] == 7
    assert changed.endpoint_requests_per_minute["/v1/activities/suggest"] == 60


def test_the_digest_follows_the_settings_and_not_the_secrets(tmp_path: Path) -> None:
    text = GOOD + "admin_keys: [$K]\n"
    first, other_key = (load_text(tmp_path, text, {"K": key}) for key in ("k" * 20, "j" * 20))
    other_port = load_text(tmp_path, text, {"K": "k" * 20, "PENSTOCK_SERVER_PORT": "1"})
    assert first.digest == other_key.digest != other_port.digest
    assert "k" * 20 not in repr(first)
