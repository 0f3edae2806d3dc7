from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config import ConfigError, Problem, load_settings
from penstock.providers import KINDS
from support.configs import DEMO, GOOD, MODELS, PROVIDERS, ROOT, WHOLE, load_text, problems_of

BROKEN = Path(__file__).with_name("broken.yaml")
EXPECTED = {
    (2, "error", "server.host"),
    (3, "error", "server.prot"),
    (4, "error", "server.port"),
    (5, "error", "server.workers"),
    (6, "error", "server.keyless_loopback"),
    (8, "error", "store.durability"),
    (10, "error", "providers.a.kind"),
    (10, "error", "providers.a.api_key"),
    (11, "error", "providers.b.latency_ms"),
    (11, "error", "providers.b.base_url"),
    (12, "error", "providers.c"),
    (12, "warning", "providers.c.api_key"),
    (14, "warning", "models.fast"),
    (15, "error", "models.slow.provider"),
    (15, "error", "models.slow.model_id"),
    (16, "error", "models.twin.cost_per_1k_tokens_usd"),
    (17, "error", "models.fast"),
    (19, "warning", "routing.chat.fallback"),
    (20, "error", "routing.fast"),
    (21, "error", "routing.later.mirror.copy"),
    (22, "error", "routing.steps.first.1"),
    (22, "error", "routing.steps.first.2"),
    (23, "error", "routing.slow_route.attempt_timeout_ms"),
    (25, "error", "tenant_tiers.free.allowed_models"),
    (26, "error", "tenant_tiers.pro.allowed_models.0"),
    (26, "error", "tenant_tiers.pro.degrade_to"),
    (26, "error", "tenant_tiers.pro.when_over_budget"),
    (28, "error", "tenants.t1.tier"),
    (29, "error", "tenants.t2.keys.0.key"),
    (29, "error", "tenants.t2.keys.1"),
    (29, "error", "tenants.t2.keys.1.nam"),
    (29, "warning", "tenants.t2.keys.1.key"),
    (30, "error", "admin_keys.0"),
    (32, "error", "limits.endpoints.health"),
    (33, "error", "promts"),
}


def test_one_broken_file_tells_every_mistake_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(BROKEN, {})
    problems = caught.value.problems
    assert {(each.line, each.severity, each.path) for each in problems} == EXPECTED
    assert [each.line for each in problems] == sorted(each.line for each in problems)


def test_suggestions_name_what_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(BROKEN, {})
    cures = {each.path: each.suggestion for each in caught.value.problems}
    assert cures["server.prot"] == "did you mean `port`?"
    assert cures["server.port"] == "Port to listen on; 0 lets the system choose one."
    assert cures["promts"] == "did you mean `prompts`?"
    assert cures["tenants.t1.tier"] == "did you mean `pro`?"
    assert cures["routing.steps.first.2"] == "did you mean `slow`?"
    assert cures["tenant_tiers.pro.allowed_models.0"] == "did you mean `fast`?"


def test_no_problem_holds_a_key() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(BROKEN, {"NOPE_KEY": "sk-very-secret", "MISSING_ADMIN": "short"})
    assert all(secret not in str(caught.value.problems) for secret in ("sk-very-secret", "sk-literal", "'short'"))


def test_a_short_secret_is_called_short(tmp_path: Path) -> None:
    text = GOOD + "admin_keys: [$A, $B]\nstore: {pepper: $P}\n"
    problems = problems_of(tmp_path, text, {"A": "short", "B": "b" * 600, "P": "p" * 31})
    assert {each.path: each.message for each in problems} == {
        "admin_keys.0": "this is shorter than 8 characters (the value comes from $A)",
        "admin_keys.1": "this is longer than 512 characters (the value comes from $B)",
        "store.pepper": "this is shorter than 32 characters (the value comes from $P)",
    }


def test_the_demo_is_clean() -> None:
    loaded = load_settings(DEMO, {})
    assert loaded.warnings == ()
    assert loaded.beside(loaded.prompts.directory) == ROOT / "prompts"


def test_the_example_is_clean_once_its_environment_is_set() -> None:
    path = ROOT / "config" / "example.yaml"
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    names = [each.message.split()[3] for each in caught.value.problems if "is not set" in each.message]
    env = {name: f"value-of-{name}" for name in names}
    assert "OPENAI_API_KEY" in env
    loaded = load_settings(path, env, kinds=KINDS)
    assert loaded.warnings == ()
    api_key = loaded.providers["openai"].api_key
    assert api_key is not None
    assert api_key.get_secret_value() == "value-of-OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("server:\n\tport: 1\n", 2),
        ("server: {port: 1\nmodels: ]\n", 2),
        ("a: b\n---\nc: d\n", 2),
        ("- 1\n- 2\n", 1),
        ("x: \x07\n", 1),
        ("[" * 500, 1),
    ],
)
def test_what_is_no_yaml_mapping_is_one_problem(tmp_path: Path, text: str, line: int) -> None:
    problems = problems_of(tmp_path, text)
    assert [each.severity for each in problems] == ["error"]
    assert problems[0].line == line


def test_what_has_no_line_is_told_without_one() -> None:
    problems = [Problem(0, 0, "store.url", "no"), Problem(3, 1, "", "not YAML"), Problem(4, 1, "b", "w", "", "warning")]
    assert str(ConfigError(problems)) == "store.url: no\nline 3: not YAML"


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_settings(tmp_path / "none.yaml", {})
    assert caught.value.problems[0].suggestion == "give the file with --config FILE, or set PENSTOCK_CONFIG"
    assert str(caught.value).startswith(str(tmp_path))


def test_an_empty_file_serves_no_model(tmp_path: Path) -> None:
    assert [each.path for each in problems_of(tmp_path, "")] == ["models"]


@pytest.mark.parametrize("word", ["no", "on", "yes", "12:30", "2026-11-21", "0x1F", "~x"])
def test_words_that_old_yaml_would_twist_stay_text(tmp_path: Path, word: str) -> None:
    text = f"{PROVIDERS}models:\n  fast: {{provider: sim, model_id: {word}, cost_per_1k_tokens_usd: 0}}\n"
    assert load_text(tmp_path, text).models["fast"].model_id == word


def test_anchors_and_merges_work_and_a_loop_is_refused(tmp_path: Path) -> None:
    text = (
        GOOD
        + "tenant_tiers:\n  a: &a {allowed_models: [fast], daily_budget_usd: 5}\n  b: {<<: *a, daily_budget_usd: 9}\n"
    )
    tiers = load_text(tmp_path, text).tenant_tiers
    assert tiers["b"].allowed_models == ["fast"]
    assert tiers["b"].daily_budget_usd == 9
    assert "an anchor contains itself" in {
        each.message for each in problems_of(tmp_path, GOOD + "routing: &r {a: *r}\n")
    }


def test_a_dollar_value_comes_from_the_environment(tmp_path: Path) -> None:
    text = GOOD + "admin_keys: [$ADMIN, $$literal-dollar]\n"
    keys = load_text(tmp_path, text, {"ADMIN": "from-the-environment"}).admin_keys
    assert [key.get_secret_value() for key in keys] == ["from-the-environment", "$literal-dollar"]


@pytest.mark.parametrize("levels", [3, 15, 40])
@pytest.mark.parametrize("nested", ["[*a{0}, *a{0}]", "{{<<: *a{0}, x: *a{0}}}", "{{x: *a{0}, y: *a{0}}}"])
def test_aliases_of_aliases_cannot_exhaust_memory(tmp_path: Path, levels: int, nested: str) -> None:
    lines = [f"  - &a{level + 1} {nested.format(level)}\n" for level in range(levels)]
    problems = problems_of(tmp_path, f"{GOOD}bomb:\n  - &a0 {{x: y}}\n{''.join(lines)}")
    (problem,) = problems
    expected = "`bomb` is no setting here" if levels < 10 else "anchors are repeated so often"
    assert expected in problem.message
    assert problem.line == 5 if levels < 10 else problem.line > 5


@pytest.mark.parametrize(
    ("value", "message"), [("$GONE", "GONE is not set"), ("${GONE}", "starts like an environment variable and is none")]
)
def test_an_environment_variable_without_value_is_named(tmp_path: Path, value: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, f"{GOOD}admin_keys:\n  - '{value}'\n")
    assert message in problem.message
    assert (problem.line, problem.path) == (6, "admin_keys.0")


def test_the_environment_overrides_server_and_store(tmp_path: Path) -> None:
    env = {
        "PENSTOCK_SERVER_PORT": "9100",
        "PENSTOCK_STORE_CACHE_MAX_ENTRIES": "7",
        "PENSTOCK_STORE_RESPONSES_RETENTION_S": "0",
        "PENSTOCK_STORE_URL": "sqlite:////var/p.db",
        "PENSTOCK_PEPPER": "p" * 32,
    }
    loaded = load_text(tmp_path, GOOD + "server: {port: 8000}\n", env)
    assert (loaded.server.port, loaded.store.cache.max_entries) == (9100, 7)
    assert loaded.store.responses.retention_s == 0
    assert loaded.store.database == Path("/var/p.db")
    assert loaded.store.responses_file == Path("/var/p.db.responses")
    assert loaded.store.log_directory == Path("/var/p.db.log")
    assert loaded.store.pepper is not None


def test_a_bad_or_unknown_override_is_told_by_its_name(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD, {"PENSTOCK_SERVER_PORT": "x", "PENSTOCK_SERVER_PROT": "1"})
    messages = {each.path: each.message + each.suggestion for each in problems}
    assert "PENSTOCK_SERVER_PORT" in messages["server.port"]
    assert "did you mean `PENSTOCK_SERVER_PORT`?" in messages["PENSTOCK_SERVER_PROT"]


TENANT = "tenant_tiers: {pro: {allowed_models: [fast]}}\ntenants: {t: {tier: pro, keys: [{name: a, key: %s}]}}\n"
DEMO_TENANT = TENANT % "sk-demo-a"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("server: {host: 0.0.0.0}\n", "server.host"),
        ("server: {host: 0.0.0.0}\n" + DEMO_TENANT, "server.host"),
        ("server: {host: example.org}\n" + DEMO_TENANT, "server.host"),
        ("server: {keyless_loopback: true, debug: true}\n", "server.keyless_loopback"),
        ("server: {keyless_loopback: true}\n" + DEMO_TENANT, "server.keyless_loopback"),
        ("server: {keyless_loopback: true, debug: true}\nadmin_keys: [$K]\n" + DEMO_TENANT, "server.keyless_loopback"),
        ("server: {keyless_loopback: true, debug: true, host: 10.0.0.1}\n" + DEMO_TENANT, "server.keyless_loopback"),
    ],
)
def test_an_open_door_is_refused(tmp_path: Path, text: str, path: str) -> None:
    errors = [each for each in problems_of(tmp_path, GOOD + text, {"K": "k" * 20}) if each.severity == "error"]
    assert path in {each.path for each in errors}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_the_demo_may_be_served_on_any_loopback_address(tmp_path: Path, host: str) -> None:
    text = f"{GOOD}server: {{host: '{host}', debug: true, keyless_loopback: true}}\n{DEMO_TENANT}"
    assert problems_of(tmp_path, text) == []


def test_keys_open_another_address(tmp_path: Path) -> None:
    text = GOOD + "server: {host: 0.0.0.0}\n" + TENANT % "$KEY"
    assert problems_of(tmp_path, text, {"KEY": "k" * 43}) == []


@pytest.mark.parametrize(
    ("text", "path", "severity"),
    [
        (MODELS + "providers: {sim: {kind: simulated, api_key: $K}}\n", "providers.sim.api_key", "error"),
        (MODELS + "providers: {sim: {kind: openai_compatible}}\n", "providers.sim", "error"),
        (
            MODELS + "providers: {sim: {kind: openai_compatible, base_url: 'ftp://x'}}\n",
            "providers.sim.base_url",
            "error",
        ),
        (
            MODELS + "providers: {sim: {kind: openai_compatible, base_url: 'http://a.b', api_key: $K}}\n",
            "providers.sim.base_url",
            "warning",
        ),
        (
            MODELS + "providers: {sim: {kind: openai_compatible, base_url: 'https://a.b', ca_file: none.pem}}\n",
            "providers.sim.ca_file",
            "error",
        ),
        (MODELS + "providers: {sim: {kind: openai}}\n", "providers.sim", "error"),
        (MODELS + "providers: {sim: {kind: openai, base_url: 'https://proxy.test/v1'}}\n", "providers.sim", "warning"),
        (GOOD + TENANT % "$L}, {name: a, key: $K", "tenants.t.keys.1.name", "warning"),
        (GOOD + "routing: {chat: {}}\n", "routing.chat", "error"),
        (GOOD + "routing: {chat: {first: [{degrade: Later.}]}}\n", "routing.chat", "error"),
        (GOOD + "tenant_tiers: {t: {<<: [1], allowed_models: [fast]}}\n", "tenant_tiers.t", "error"),
        (GOOD + "store: {url: 'mysql://x'}\n", "store.url", "error"),
        (GOOD + "store: {url: !!int x}\n", "store.url", "error"),
        (GOOD + "store: {responses: {max_bytes: 100000}}\n", "store.responses.max_bytes", "error"),
        (GOOD + "store: {responses: {max_entry_bytes: 90000000}}\n", "store.responses.max_entry_bytes", "error"),
        (GOOD + "routing: {chat: {fallback: fast}}\n", "routing.chat.fallback", "error"),
        (GOOD + "routing: {chat: {primary: fast, first: [fast]}}\n", "routing.chat.first", "error"),
        (GOOD + "routing: {chat: {first: [{}, fast]}}\n", "routing.chat.first.0", "error"),
        (GOOD + "routing: {chat: {race: {main: fast, fallback: fsat}}}\n", "routing.chat.race.fallback", "error"),
        (GOOD + "routing: {chat: {race: {main: fast, fallback: fast}}}\n", "routing.chat.race.fallback", "warning"),
        (GOOD + "resilience: {breaker: {slow_ms: 100}}\n", "resilience.breaker.slow_ms", "error"),
        (GOOD + "routing: {chat: {among: [fast]}}\n", "routing.chat.among", "error"),
        (GOOD + "routing: {chat: {split: {fsat: 1}}}\n", "routing.chat.split.fsat", "error"),
        (GOOD + "routing: {chat: {primary: fast, sticky: user}}\n", "routing.chat.sticky", "error"),
        (GOOD + "routing: {chat: {race: {main: fast}}}\n", "routing.chat.race", "error"),
        (GOOD + "routing: {chat: {first: [fast], race: {main: fast, fallback: x}}}\n", "routing.chat.race", "error"),
        (
            GOOD + "routing: {chat: {first: [{race: {main: fsat, fallback: fast}}]}}\n",
            "routing.chat.first.0.race.main",
            "error",
        ),
        (
            GOOD + "routing: {chat: {primary: fast, deadline_ms: 5, idle_gap_ms: 6}}\n",
            "routing.chat.idle_gap_ms",
            "error",
        ),
        (
            GOOD + "tenant_tiers: {t: {allowed_models: [fast], when_not_allowed: degrade}}\n",
            "tenant_tiers.t.when_not_allowed",
            "error",
        ),
        (GOOD + "limits: {endpoints: {health: 3}}\n", "limits.endpoints.health", "error"),
        (GOOD + "prompts: {directory: nowhere}\n", "prompts.directory", "error"),
        (GOOD + "tenant_tiers: {t: {allowed_models: [fast]}}\ntenants: {a: {tier: t}}\n", "tenants.a", "warning"),
        (GOOD + "routing: {'two words': fast}\n", "routing.two words", "error"),
        (
            PROVIDERS + "models: {m: {provider: sim, model_id: m, cost_per_1k_input_tokens_usd: 1}}\n",
            "models.m.cost_per_1k_input_tokens_usd",
            "error",
        ),
    ],
)
def test_each_mistake_is_told_where_it_stands(tmp_path: Path, text: str, path: str, severity: str) -> None:
    problems = problems_of(tmp_path, text, {"K": "k" * 20, "L": "l" * 20})
    assert [(each.path, each.severity) for each in problems] == [(path, severity)]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://host/v1", "begins with https:// or http://"),
        ("https://user:hunter22@host/v1", "no user and no password"),
        ("https://host/v1?key=hunter22", "ends before its ? or #"),
        ("https://host/v1#hunter22", "ends before its ? or #"),
        ("https://ho st/v1", "holds no blank"),
        ("https://host:99999/v1", "host or the port"),
        ("https:///v1", "host or the port"),
        ("https://host/v1/chat/completions", "`/chat/completions` is appended"),
        ("https://host/v1/chat/completions/", "`/chat/completions` is appended"),
    ],
)
def test_an_address_that_cannot_work_is_told_by_its_fault(tmp_path: Path, url: str, told: str) -> None:
    text = f"{MODELS}providers: {{sim: {{kind: openai_compatible, base_url: '{url}', api_key: $K}}}}\n"
    (problem,) = problems_of(tmp_path, text, {"K": "k" * 20})
    assert (problem.line, problem.path, problem.severity) == (3, "providers.sim.base_url", "error")
    assert told in problem.message
    assert problem.suggestion
    assert "hunter22" not in f"{problem}"


def test_a_config_that_lets_nobody_in_is_doubtful(tmp_path: Path) -> None:
    found = {each.path: each.message + each.suggestion for each in load_text(tmp_path, GOOD).warnings}
    assert "every call is refused with 401" in found["tenants"]
    assert "/metrics" in found["admin_keys"]
    assert "admin_keys: [$ENV_NAME]" in found["admin_keys"]
    assert load_text(tmp_path, WHOLE).warnings == ()


def test_ways_to_fail_are_given_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(MODELS + "providers: {sim: {kind: simulated, fail_kind: eror_500}}\n")
    with pytest.raises(ConfigError, match="is no fault"):
        load_settings(path, {}, fault_kinds={"error_500"})


def test_kinds_are_given_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(MODELS + "providers: {sim: {kind: acme, api_key: $K}}\n")
    assert load_settings(path, {"K": "k"}, kinds={"acme": "https://acme.test/v1"}).providers["sim"].kind == "acme"
    with pytest.raises(ConfigError, match="no address of its own"):
        load_settings(path, {"K": "k"}, kinds={"acme": None})


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 3.5, "", "x", "$X", "$", [], [[]], {}, {"a": None}, "fast_extractor", 10**30]
)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_whatever_is_wrong_the_answer_is_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tree = copy.deepcopy(yaml.safe_load(DEMO.read_text()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = tree
        while True:
            key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else list(range(len(at)))))
            if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
                break
            at = at[key]
        at[key] = copy.deepcopy(data.draw(JUNK))
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(tree))
    with suppress(ConfigError):
        assert load_settings(path, {}).policy().targets
