"""Everything that can be known about a config before it is served: the file, its environment and its prompts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from penstock.config import ConfigError, Problem, Settings, load_settings
from penstock.prices import look_up
from penstock.prompts import PromptsInvalid, Registry, unknown_models
from penstock.providers import FAULT_KINDS, KINDS
from penstock.transport import Proxies, ProxyInvalid

# Options of ``penstock serve``, by the variable that they stand for.
_OPTIONS = {"PENSTOCK_SERVER_HOST": "--host", "PENSTOCK_SERVER_PORT": "--port", "PENSTOCK_SERVER_WORKERS": "--workers"}


class Finding(Struct, frozen=True):
    """A problem and the file it is in."""

    file: str
    problem: Problem


class Examination(Struct, frozen=True):
    """What was found; ``settings`` is ``None`` when the config cannot be used."""

    settings: Settings | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings keep it from being served."""
        return sum(finding.problem.severity == "error" for finding in self.findings)


def examine(config: Path, overrides: Mapping[str, str] | None = None) -> Examination:
    """Read config, prompts and proxies, and look where the database is to be; ``overrides`` are laid over ``os.environ``."""
    overrides = overrides or {}
    options = {name: _OPTIONS[name] for name in overrides}
    env = {**os.environ, **overrides}
    usable: Settings | None
    rest: Settings | None
    try:
        usable = rest = load_settings(
            config, env, kinds=KINDS, fault_kinds=FAULT_KINDS, options=options, price_list=look_up
        )
        problems = usable.warnings
    except ConfigError as error:
        usable, rest, problems = None, error.rest, error.problems
    findings = [Finding(str(config), problem) for problem in (*problems, *_proxies(env))]
    if rest is not None:
        findings += [Finding(str(config), problem) for problem in _store(rest)]
        findings += _prompts(rest)
        # A model that is wrong itself is no reason to call it unknown.
        if not any(problem.severity == "error" and problem.path.startswith("models") for problem in problems):
            findings += _models_of_prompts(rest)
    return Examination(usable, tuple(findings))


def _store(settings: Settings) -> Iterator[Problem]:
    folder = settings.store.database.parent
    if not folder.is_dir():
        yield Problem(0, 0, "store.url", f"there is no folder {folder}", f"make the folder: mkdir -p {folder}")
    elif not os.access(folder, os.W_OK | os.X_OK):
        text = f"the folder {folder} is not writable"
        yield Problem(0, 0, "store.url", text, "give it to the user who runs the gateway, or choose another")


def _proxies(env: Mapping[str, str]) -> Iterator[Problem]:
    try:
        Proxies.of(env)
    except ProxyInvalid as error:
        yield Problem(0, 0, error.variable, str(error), error.suggestion)


def _prompts(settings: Settings) -> Iterator[Finding]:
    try:
        Registry.load(settings.beside(settings.prompts.directory))
    except PromptsInvalid as error:
        for each in error.problems:
            yield Finding(each.file, Problem(each.line, 1, "", each.message, each.suggestion))


def _models_of_prompts(settings: Settings) -> Iterator[Finding]:
    for each in unknown_models(settings.beside(settings.prompts.directory), settings.models):
        yield Finding(each.file, Problem(each.line, 1, "", each.message, each.suggestion, "warning"))
