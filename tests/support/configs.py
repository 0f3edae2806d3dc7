"""Config files for tests: a small good one, and a way to say what to change in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from penstock.config import ConfigError, Problem, Settings, load_settings
from penstock.providers import KINDS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "config" / "demo.yaml"

PROVIDERS = "providers:\n  sim: {kind: simulated}\n"
MODELS = "models:\n  fast: {provider: sim, model_id: fast-1, cost_per_1k_tokens_usd: 0}\n"
GOOD = PROVIDERS + MODELS
# What makes a config of GOOD one that nothing is to be said about.
CALLERS = (
    "tenant_tiers: {all: {allowed_models: [fast]}}\n"
    "tenants: {demo: {tier: all, keys: [{name: demo, key: sk-demo-all}]}}\n"
    "admin_keys: [sk-demo-admin]\n"
)
WHOLE = GOOD + CALLERS


def load_text(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Settings:
    """The settings that ``text`` makes as a file in ``folder``."""
    path = folder / "penstock.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, env or {}, kinds=KINDS)


def problems_of(folder: Path, text: str, env: Mapping[str, str] | None = None) -> list[Problem]:
    """Every problem that ``text`` has, warnings too, but for those of a piece: that it names no tenant and no admin key."""
    try:
        problems = load_text(folder, text, env).warnings
    except ConfigError as error:
        problems = error.problems
    return [each for each in problems if each.path not in {"tenants", "admin_keys"}]
