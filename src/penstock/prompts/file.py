"""One prompt file: what it may hold, and every mistake in it with its cure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from penstock.prompts.shape import Mistake, Place, fit
from penstock.prompts.template import Template


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


class PromptProblem(Struct, frozen=True):
    """What is wrong with one file. ``line`` counts from 1; 0 when the file is wrong as a whole."""

    file: str
    line: int
    message: str
    suggestion: str = ""


class PromptFile(Struct, frozen=True):
    """A file as it was read: ``prompt`` says nothing where ``mistakes`` has something to say."""

    path: Path
    prompt: Prompt
    mistakes: list[Mistake]
    lines: dict[Place, int]

    def problem(self, mistake: Mistake) -> PromptProblem:
        """A mistake with its line, or that of the nearest value around it."""
        place = mistake.place
        while place not in self.lines:
            place = place[:-1]
        return PromptProblem(str(self.path), self.lines[place], mistake.message, mistake.cure)

    def unread(self, field: str) -> bool:
        """Whether something is wrong with a field itself, so that nothing can be concluded from its value."""
        return any(mistake.place[:1] in {(), (field,)} for mistake in self.mistakes)


def read_prompt(path: Path) -> PromptFile | PromptProblem:
    """The file as a prompt with its mistakes, or why it is none."""
    from penstock.prompts.document import Unreadable, read_document  # noqa: PLC0415 - as that module says

    try:
        data, found = read_document(path)
    except Unreadable as error:
        return PromptProblem(str(path), error.line, error.message, error.cure)
    prompt, mistakes = fit(data, Prompt)
    return PromptFile(path, prompt, mistakes, found)


def misplaced(read: PromptFile) -> Iterator[Mistake]:
    """That the file's place says another id or version."""
    wanted = {"prompt_id": read.path.parent.name, "version": read.path.stem}
    wrong = [field for field, name in wanted.items() if not read.unread(field) and getattr(read.prompt, field) != name]
    if wrong:
        says = " ".join(getattr(read.prompt, field) for field in wanted if not read.unread(field))
        cure = " and ".join(f"`{field}: {wanted[field]}`" for field in wrong)
        yield Mistake((wrong[0],), f"the file says {says}, its path says otherwise", f"write {cure}")


def faults(read: PromptFile) -> Iterator[Mistake]:
    """What fields that are each well-formed can have wrong together."""
    prompt = read.prompt
    if not prompt.messages and not read.unread("messages"):
        yield Mistake(("messages",), "a prompt needs a message", "add one under messages")
    used: dict[str, Place] = {}
    place: Place
    # Where a text could not be read, what it uses is not known; a wrong role hides nothing.
    hidden = any(each.place[:1] in {(), ("messages",)} and each.place[-1:] != ("role",) for each in read.mistakes)
    for index, message in enumerate(prompt.messages):
        place = ("messages", index, "content")
        try:
            used |= dict.fromkeys(Template(message.content).names - used.keys(), place)
        except ValueError as error:
            hidden = True
            yield Mistake(place, str(error), "a literal {{ is a variable's default")
    names = [variable.name for variable in prompt.variables]
    if not read.unread("variables"):
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Mistake(("variables", index), f"the variable `{name}` is declared twice", "keep one of them")
        for name in sorted(used.keys() - names):
            text = f"`{{{{ {name} }}}}` is used and not declared"
            yield Mistake(used[name], text, f"add `- name: {name}` under variables")
    if not hidden:
        for name in sorted(set(names) - used.keys() - {""}):
            place = ("variables", names.index(name))
            yield Mistake(place, f"the variable `{name}` is declared and not used", "use it in a message, or remove it")
