"""One prompt file: what it may hold, and every mistake in it with its cure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct

from penstock.prompts.template import Template

MAX_FILE_BYTES = 262_144
# Counted with what aliases repeat: a few lines of nested ones make more than any memory holds.
MAX_VALUES = 100_000

# The words of msgspec 0.22's errors; ones that are not known here are passed on.
_MISSING = re.compile(r"missing required field `(\w+)`")
_UNKNOWN = re.compile(r"unknown field `(.+)`")
_ENUM = re.compile(r"Invalid enum value '(.*)'")
_TYPE = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_CHOICES = {"rollout": "write draft, canary, stable or deprecated", "role": "write system or user"}
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}


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


class _Refused(Exception):
    """A file that is not even looked into."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure


def read_prompt(path: Path) -> Prompt | PromptProblem:
    """The file as a prompt, or why it is none."""
    file = str(path)
    try:
        return msgspec.convert(_yaml(path), Prompt)
    except _Refused as refused:
        return PromptProblem(file, 0, refused.message, refused.cure)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "unreadable"
        return PromptProblem(file, mark.line + 1 if mark else 1, f"not YAML: {what}")
    except msgspec.ValidationError as error:
        return PromptProblem(file, 0, *_friendly(str(error)))
    except (OSError, UnicodeDecodeError, RecursionError):
        return PromptProblem(file, 0, "the file cannot be read as UTF-8 text")
    except ValueError:  # such as a date in month 13
        return PromptProblem(file, 0, "a value does not fit the type that it looks like", "put it in quotes")


def misplaced(prompt: Prompt, path: Path) -> str:
    """What to write into a file whose place says another id or version; empty when both agree."""
    wanted = {"prompt_id": path.parent.name, "version": path.stem}
    wrong = [f"`{field}: {name}`" for field, name in wanted.items() if getattr(prompt, field) != name]
    return f"write {' and '.join(wrong)}" if wrong else ""


def faults(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """What a well-formed file can still have wrong: message and cure."""
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


def _yaml(path: Path) -> Any:
    """The file as data. Raises ``_Refused``, ``OSError``, and what reading text and YAML raise."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _Refused(f"the file is over {MAX_FILE_BYTES} bytes", "move long reference text into a variable")
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    node = loader.get_single_node()
    if node is None:
        return None
    if _size(node, {}) > MAX_VALUES:
        text = f"with what its aliases repeat the file holds over {MAX_VALUES} values"
        raise _Refused(text, "write the values out, without aliases of aliases")
    return loader.construct_document(node)


def _size(node: yaml.Node, sizes: dict[yaml.Node, int]) -> int:
    """Values under ``node``, each alias counted with all that it repeats; one that contains itself is endless."""
    if node not in sizes:
        sizes[node] = MAX_VALUES
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [each for pair in node.value for each in pair]
        sizes[node] = 1 + sum(_size(child, sizes) for child in children)
    return sizes[node]


def _friendly(text: str) -> tuple[str, str]:
    """Message and cure in the words of a prompt file instead of msgspec's."""
    found = _PLACE.search(text)
    place = found[1].replace("[...]", "").replace("[", ".").replace("]", "") if found else ""
    before = f"{place}: " if place else ""
    if missing := _MISSING.search(text):
        return f"{before}`{missing[1]}` is missing", f"add `{missing[1]}:`"
    if unknown := _UNKNOWN.search(text):
        near = get_close_matches(unknown[1], () if place else Prompt.__struct_fields__, n=1)
        return f"{before}`{unknown[1]}` is no field here", f"did you mean `{near[0]}`?" if near else "remove it"
    if enum := _ENUM.search(text):
        return f"{before}`{enum[1]}` is not known", _CHOICES.get(place.rpartition(".")[2], "")
    if kinds := _TYPE.search(text):
        wanted = _KINDS.get(kinds[1].removesuffix(" | null"), kinds[1])
        given = f", not {_KINDS.get(kinds[2], kinds[2])}" if kinds[2] else ""
        return f"{before or 'a prompt: '}this must be {wanted}{given}", "put it in quotes" if wanted == "text" else ""
    return text, ""
