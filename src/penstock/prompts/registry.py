"""The registry: ``<directory>/<prompt_id>/<version>.yaml``, one file per version, checked and then unchangeable.

What makes the answer (messages, variables, compatible models, schema) never changes under a version: a reload with
other content is refused. Rollout state, eval scores, changelog and owner may change: they say what we know about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from penstock.core.errors import PromptNotFound
from penstock.prompts.file import Prompt, PromptProblem, faults, misplaced, read_prompt
from penstock.prompts.shape import Mistake
from penstock.prompts.template import Template

# An unknown id is answered with the names that exist, but not with a whole library.
_NAMED_IN_ERRORS = 20


class Entry:
    """A prompt that is ready to be filled: templates split, variables by name."""

    __slots__ = ("defaults", "known", "prompt", "required", "templates")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.templates = tuple((message.role, Template(message.content)) for message in prompt.messages)
        self.required = tuple(variable.name for variable in prompt.variables if variable.required)
        self.defaults = {variable.name: variable.default for variable in prompt.variables if not variable.required}
        self.known = frozenset(variable.name for variable in prompt.variables)


class PromptsInvalid(Exception):
    """Some prompt files cannot be used; ``problems`` names each."""

    def __init__(self, problems: list[PromptProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{each.file}: {each.message}" for each in problems))


def unknown_models(directory: Path, models: Collection[str]) -> list[PromptProblem]:
    """Names in ``compatible_models``, of files right or wrong, that are none of ``models``."""
    problems: list[PromptProblem] = []
    for path in sorted(directory.glob("*/*.yaml")):
        read = read_prompt(path)
        if isinstance(read, PromptProblem):
            continue
        for index, name in enumerate(read.prompt.compatible_models):
            if name not in models:
                near = get_close_matches(name, models, n=1)
                cure = f"did you mean `{near[0]}`?" if near else "name model aliases"
                problems.append(
                    read.problem(Mistake(("compatible_models", index), f"no model here is called {name}", cure))
                )
    return problems


class Registry:
    """Every version of every prompt. Make one with ``load``."""

    def __init__(self, prompts: list[Prompt], digests: Mapping[tuple[str, str], str] | None = None) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        # Of versions that are gone too: a version that comes back must be what it was.
        self._digests = dict(digests or {})
        for prompt in prompts:
            self._entries.setdefault(prompt.prompt_id, {})[prompt.version] = Entry(prompt)
            self._digests[prompt.prompt_id, prompt.version] = prompt.digest

    @classmethod
    def load(cls, directory: Path, previous: Registry | None = None) -> Registry:
        """Read a folder; one that is not there holds no prompts. Raises ``PromptsInvalid`` with every problem.

        ``previous`` is the registry in force: what it has served cannot change.
        """
        prompts: list[Prompt] = []
        problems: list[PromptProblem] = []
        digests = {} if previous is None else previous._digests  # noqa: SLF001 - its own class
        paths = sorted(directory.glob("*/*.yaml"))
        known = {(path.parent.name, path.stem) for path in paths}
        for path in paths:
            read = read_prompt(path)
            if isinstance(read, PromptProblem):
                problems.append(read)
                continue
            found = [*read.mistakes, *faults(read), *misplaced(read)]
            prompt = read.prompt
            if not found and digests.get((prompt.prompt_id, prompt.version), prompt.digest) != prompt.digest:
                text = f"{prompt.prompt_id} {prompt.version} has been served with other content"
                found.append(Mistake((), text, "put it back, and copy the change to a new version"))
            back = prompt.rollback_version
            if back is not None and (path.parent.name, back) not in known:
                text = f"rollback_version `{back}` does not exist"
                found.append(Mistake(("rollback_version",), text, "name a version that is in this folder"))
            prompts.append(prompt)
            problems += sorted(map(read.problem, found), key=lambda problem: problem.line)
        if problems:
            raise PromptsInvalid(problems)
        return cls(prompts, digests)

    @property
    def prompts(self) -> list[Prompt]:
        """Every version, by id and version."""
        return [entry.prompt for _, versions in sorted(self._entries.items()) for _, entry in sorted(versions.items())]

    def find(self, prompt_id: str, version: str) -> Entry:
        """That version, or the one stable version when ``version`` is empty. Raises ``PromptNotFound``."""
        versions = self._entries.get(prompt_id)
        if versions is None:
            names = sorted(self._entries)[:_NAMED_IN_ERRORS]
            there = f"Registered: {', '.join(names)}." if names else "No prompt is registered."
            raise PromptNotFound(f"There is no prompt '{prompt_id[:100]}'. {there}", param="prompt_id")
        if version:
            if version in versions:
                return versions[version]
            what = f"Prompt '{prompt_id}' has no version '{version[:100]}'."
        else:
            stable = [entry for entry in versions.values() if entry.prompt.rollout == "stable"]
            if len(stable) == 1:
                return stable[0]
            what = f"Prompt '{prompt_id}' has {len(stable) or 'no'} stable versions: name one."
        there = ", ".join(f"{name} ({entry.prompt.rollout})" for name, entry in sorted(versions.items()))
        raise PromptNotFound(f"{what} Versions: {there}.", param="prompt_version")
