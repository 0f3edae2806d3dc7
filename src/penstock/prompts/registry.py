"""The registry: ``<directory>/<prompt_id>/<version>.yaml``, one file per version, checked and then unchangeable.

What makes the answer (messages, variables, compatible models, schema) never changes under a version: a reload with
other content is refused. Rollout state, eval scores, changelog and owner may change: they say what we know about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
import yaml
from msgspec import Struct

from penstock.core.errors import PromptNotFound
from penstock.prompts.template import Template

MAX_FILE_BYTES = 262_144
# An unknown id is answered with the names that exist, but not with a whole library.
_NAMED_IN_ERRORS = 20


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a prompt as its file has it."""

    role: Literal["system", "user"]
    content: str


class Variable(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the caller gives; ``default`` is used when a variable that is not required is left out."""

    name: str
    required: bool = True
    default: str = ""
    description: str = ""


class Evaluation(Struct, frozen=True, forbid_unknown_fields=True):
    """How this version did on its golden set."""

    golden_set: str
    scores: dict[str, float] = {}


class Prompt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a prompt, with everything that a registry is asked for.

    ``version`` is opaque: ``v1`` and ``v1.3.0`` are both names. ``compatible_models`` are model aliases; empty means
    any. ``schema_version`` names the shape of the output.
    """

    prompt_id: str
    version: str
    owner: str
    task: str
    messages: tuple[Message, ...]
    description: str = ""
    variables: tuple[Variable, ...] = ()
    compatible_models: tuple[str, ...] = ()
    schema_version: str = ""
    rollout: Literal["draft", "canary", "stable", "deprecated"] = "draft"
    eval: Evaluation | None = None
    changelog: str = ""
    rollback_version: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what makes the answer."""
        content = (self.messages, self.variables, self.compatible_models, self.schema_version, self.task)
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


class Entry:
    """A prompt that is ready to be filled: templates split, variables by name."""

    __slots__ = ("defaults", "known", "prompt", "required", "templates")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.templates = tuple((message.role, Template(message.content)) for message in prompt.messages)
        self.required = tuple(variable.name for variable in prompt.variables if variable.required)
        self.defaults = {variable.name: variable.default for variable in prompt.variables if not variable.required}
        self.known = frozenset(variable.name for variable in prompt.variables)


class PromptProblem(Struct, frozen=True):
    """What is wrong with one file. ``line`` counts from 1; 0 when the file is wrong as a whole."""

    file: str
    line: int
    message: str
    suggestion: str = ""


class PromptsInvalid(Exception):
    """Some prompt files cannot be used; ``problems`` names each."""

    def __init__(self, problems: list[PromptProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{each.file}:{each.line}: {each.message}" for each in problems))


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
        for path in sorted(directory.glob("*/*.yaml")):
            prompt = _parse(path)
            if isinstance(prompt, PromptProblem):
                problems.append(prompt)
                continue
            prompts.append(prompt)
            problems += [PromptProblem(str(path), 0, message, cure) for message, cure in _faults(prompt, path)]
            served = digests.get((prompt.prompt_id, prompt.version))
            if served is not None and served != prompt.digest:
                text = f"{prompt.prompt_id} {prompt.version} has been served with other content"
                problems.append(PromptProblem(str(path), 0, text, "put it back, and make a new version of the change"))
        known = {(prompt.prompt_id, prompt.version) for prompt in prompts}
        for prompt in prompts:
            back = prompt.rollback_version
            if back is not None and (prompt.prompt_id, back) not in known:
                path = directory / prompt.prompt_id / f"{prompt.version}.yaml"
                problems.append(PromptProblem(str(path), 0, f"rollback_version `{back}` does not exist"))
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


def _parse(path: Path) -> Prompt | PromptProblem:
    """The file as a prompt, or why it is none."""
    file = str(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            cure = "move long reference text into a variable"
            return PromptProblem(file, 0, f"the file is over {MAX_FILE_BYTES} bytes", cure)
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Prompt)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "unreadable"
        return PromptProblem(file, mark.line + 1 if mark else 1, f"not YAML: {what}")
    except msgspec.ValidationError as error:
        cure = "quote a version that looks like a number" if "version" in str(error) else ""
        return PromptProblem(file, 0, str(error), cure)
    except (OSError, UnicodeDecodeError, RecursionError):
        return PromptProblem(file, 0, "the file cannot be read as UTF-8 text")


def _faults(prompt: Prompt, path: Path) -> Iterator[tuple[str, str]]:
    """What a well-formed file can still have wrong: message and cure."""
    name = f"{prompt.prompt_id}/{prompt.version}.yaml"
    if name != f"{path.parent.name}/{path.name}":
        yield f"the file says {prompt.prompt_id} {prompt.version}, its path says otherwise", f"name it {name}"
    if not prompt.messages:
        yield "a prompt needs a message", "add one under messages"
    used: set[str] = set()
    for message in prompt.messages:
        try:
            used |= Template(message.content).names
        except ValueError as error:
            yield str(error), "a literal {{ is a variable's default"
    names = [variable.name for variable in prompt.variables]
    if len(set(names)) < len(names):
        yield "a variable is declared twice", "keep one of them"
    for name in sorted(used.difference(names)):
        yield f"`{{{{ {name} }}}}` is used and not declared", f"add `- name: {name}` under variables"
    for name in sorted(set(names) - used):
        yield f"the variable `{name}` is declared and not used", "use it in a message, or remove it"
