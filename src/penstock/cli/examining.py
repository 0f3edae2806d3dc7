"""Everything that can be known about a config before it is served: the file, its environment and its prompts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from penstock.config import ConfigError, Problem, Settings, load_settings
from penstock.prompts import PromptsInvalid, Registry
from penstock.providers import FAULT_KINDS, KINDS


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
    """Read config and prompts; ``overrides`` are laid over the environment."""
    try:
        env = {**os.environ, **(overrides or {})}
        settings = load_settings(config, env, kinds=KINDS, fault_kinds=FAULT_KINDS)
    except ConfigError as error:
        return Examination(None, tuple(Finding(str(config), problem) for problem in error.problems))
    findings = [Finding(str(config), problem) for problem in settings.warnings]
    findings += _prompts(settings)
    return Examination(settings, tuple(findings))


def _prompts(settings: Settings) -> Iterator[Finding]:
    try:
        registry = Registry.load(settings.beside(settings.prompts.directory))
    except PromptsInvalid as error:
        for each in error.problems:
            yield Finding(each.file, Problem(each.line, 1, "", each.message, each.suggestion))
        return
    for prompt in registry.prompts:
        unknown = sorted(set(prompt.compatible_models) - set(settings.models))
        if unknown:
            file = settings.beside(settings.prompts.directory) / prompt.prompt_id / f"{prompt.version}.yaml"
            text = f"no model here is called {', '.join(unknown)}"
            yield Finding(str(file), Problem(0, 0, "compatible_models", text, "name model aliases", "warning"))
