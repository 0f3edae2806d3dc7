"""YAML with positions: plain data, where each value stands in the file, and which values the environment gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

from penstock.config.problems import Problem, did_you_mean

Path: TypeAlias = tuple[str | int, ...]

_ENV_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SCALARS = frozenset({"bool", "int", "float", "null", "str"})
_MERGE = "<<"
# Values that aliases may repeat: a few lines of nested ones make more than any memory holds.
MAX_REPEATED = 10_000
# Stands where a value could not be had; valid as a name and as a key, so that one mistake is one problem.
STAND_IN = "unset-" + 32 * "x"


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars: `no`, `on`, `12:30` and dates are strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the base class's name


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


class _TooManyRepeated(Exception):
    """Aliases of aliases: ``problem`` names the value whose repetition was one too many."""

    def __init__(self, node: yaml.Node) -> None:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        text = f"anchors are repeated so often that they make over {MAX_REPEATED} values"
        self.problem = Problem(line, column, "", text, "write the values out, without aliases of aliases")
        super().__init__(text)


class Document:
    """A config file as data.

    ``problems`` holds what is wrong, ``unset`` where a stand-in is for a value that could not be had.
    """

    def __init__(self, text: str, env: Mapping[str, str]) -> None:
        self.data: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.unset: set[Path] = set()
        self._env = env
        self._built: set[yaml.Node] = set()
        self._repeated = 0
        self._positions: dict[Path, tuple[int, int]] = {}
        self._sources: dict[Path, str] = {}
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            data = {} if node is None else self._build(loader, node, (), ())
        except _TooManyRepeated as error:
            self.problems.append(error.problem)
            return
        except (yaml.YAMLError, RecursionError) as error:
            self._unreadable(error)
            return
        if isinstance(data, dict):
            self.data = data
        else:
            self.problem((), "a config is a mapping of sections", "start with `server:` or `providers:`")

    def problem(self, path: Path, message: str, suggestion: str = "", *, warning: bool = False) -> None:
        """Add a problem at the place of ``path``, or of the nearest value around it."""
        line, column = self.position(path)
        source = self._sources.get(path)
        if source is not None:
            message = f"{message} (the value comes from {source})"
        text = ".".join(str(part) for part in path)
        self.problems.append(Problem(line, column, text, message, suggestion, "warning" if warning else "error"))

    def position(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1; (0, 0) for what the environment alone gave."""
        if path in self._sources and path not in self._positions:
            return (0, 0)
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions.get(path, (1, 1))

    def given(self, path: Path) -> bool:
        """Whether the file or the environment gives this value, valid or not."""
        return path in self._positions or path in self._sources

    def from_environment(self, path: Path) -> bool:
        """Whether the value stands outside the file."""
        return path in self._sources

    def names(self, section: str) -> list[str]:
        """The names that a section defines, valid or not."""
        return [str(path[1]) for path in self._positions if len(path) == 2 and path[0] == section]  # noqa: PLR2004 - section and name

    def refer(self, path: Path, name: str, section: str) -> None:
        """Add a problem unless ``section`` defines ``name``."""
        known = self.names(section)
        if name not in known and name != STAND_IN:
            what = {"providers": "provider", "models": "model", "tenant_tiers": "tier"}[section]
            self.problem(
                path, f"there is no {what} `{name[:80]}`", did_you_mean(name, known) or f"add it under `{section}:`"
            )

    def override(self, variables: Mapping[str, Path], options: Mapping[str, str]) -> None:
        """Lay values of the environment over the file: ``variables`` maps a variable's name to the value's path.

        ``options`` names the command line's option where that has set a variable.
        """
        for variable, path in variables.items():
            if variable not in self._env:
                continue
            at: Any = self.data
            for part in path[:-1]:
                at = at.setdefault(part, {}) if isinstance(at, dict) else None
            if isinstance(at, dict):
                at[path[-1]] = self._env[variable]
                self._sources[path] = options.get(variable, f"${variable}")
                self._positions.pop(path, None)

    # --- within ---

    def _unreadable(self, error: yaml.YAMLError | RecursionError) -> None:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = getattr(error, "problem", None) or "the file cannot be read as YAML"
        hint = getattr(error, "context", None) or "check indentation, colons and quotes near this line"
        if "'\\t'" in str(what):
            hint = "indent with spaces: YAML takes no tabs"
        self.problems.append(Problem(line, column, "", f"not YAML: {what}", str(hint)))

    def _build(self, loader: _Loader, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self._positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if node in above:
            self.problem(path, "an anchor contains itself", "write the value out")
            return None
        if node in self._built:
            self._repeated += 1
            if self._repeated > MAX_REPEATED:
                raise _TooManyRepeated(node)
        self._built.add(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._build(loader, item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        return self._scalar(loader, node, path)

    def _mapping(self, loader: _Loader, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(line, column, ".".join(map(str, path)), "a key is one word"))
                continue
            if name in seen:
                where = ".".join(map(str, (*path, name)))
                text = f"`{name}` is given twice (first on line {seen[name]})"
                self.problems.append(Problem(line, column, where, text, "keep one of them"))
                continue
            seen[name] = line
            if name == _MERGE:
                base = self._build(loader, value, path, above)
                if isinstance(base, dict):
                    merged = base
                else:
                    self.problem(path, "`<<` merges one mapping", "write `<<: *anchor`")
                continue
            self._positions[(*path, name)] = (line, column)
            mapping[name] = self._build(loader, value, (*path, name), above)
        return {**merged, **mapping}

    def _scalar(self, loader: _Loader, node: yaml.Node, path: Path) -> Any:
        try:
            if node.tag.rpartition(":")[2] in _SCALARS:
                value = loader.construct_object(node)
                return self._from_env(value, path) if isinstance(value, str) and value.startswith("$") else value
            self.problem(path, f"the tag {node.tag} is not understood", "remove it")
        except (ValueError, KeyError):
            self.problem(path, "the value does not fit its tag", "remove the tag, or write a shorter number")
        self.unset.add(path)
        return STAND_IN

    def _from_env(self, value: str, path: Path) -> str:
        if value.startswith("$$"):
            return value[1:]
        match = _ENV_NAME.fullmatch(value)
        if match is None:
            text = "this starts like an environment variable and is none"
            self.problem(path, text, "write $NAME for the whole value, or $$ for a dollar sign")
            self.unset.add(path)
            return STAND_IN
        name = match[1]
        given = self._env.get(name, "")
        if not given:
            near = did_you_mean(name, (known for known in self._env if known.startswith(name[:3])))
            hint = near if near.startswith("did") else f"export {name}=... before starting"
            self.problem(path, f"the environment variable {name} is not set", hint)
            self.unset.add(path)
        self._sources[path] = f"${name}"
        return given or STAND_IN
