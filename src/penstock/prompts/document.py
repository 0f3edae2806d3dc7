"""YAML as data with the line of each value. Imported when a file is read: a process without prompts is spared it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from penstock.prompts.shape import Place

MAX_FILE_BYTES = 262_144
# Counted with what aliases repeat: a few lines of nested ones make more than any memory holds.
MAX_VALUES = 100_000


class Unreadable(Exception):
    """A file that holds no data: why, on which line (0 for the whole file), and the cure."""

    def __init__(self, message: str, cure: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.line = line


def read_document(path: Path) -> tuple[Any, dict[Place, int]]:
    """The file as data, and the line of each value. Raises ``Unreadable``."""
    try:
        return _read(path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "unreadable"
        raise Unreadable(f"not YAML: {what}", line=mark.line + 1 if mark else 1) from None
    except (OSError, UnicodeDecodeError, RecursionError):
        raise Unreadable("the file cannot be read as UTF-8 text") from None
    except ValueError:  # such as a date in month 13
        raise Unreadable("a value does not fit the type that it looks like", "put it in quotes") from None


def _read(path: Path) -> tuple[Any, dict[Place, int]]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Unreadable(f"the file is over {MAX_FILE_BYTES} bytes", "move long reference text into a variable")
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    node = loader.get_single_node()
    if node is None:
        return None, {(): 1}
    if _size(node, {}) > MAX_VALUES:
        text = f"with what its aliases repeat the file holds over {MAX_VALUES} values"
        raise Unreadable(text, "write the values out, without aliases of aliases")
    found: dict[Place, int] = {(): node.start_mark.line + 1}
    _lines(node, (), found)
    return loader.construct_document(node), found


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


def _lines(node: yaml.Node, place: Place, found: dict[Place, int]) -> None:
    """The line, from 1, of every key and item under ``node``."""
    inner: list[tuple[str | int, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        inner = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = [(index, item, item) for index, item in enumerate(node.value)]
    for part, mark, value in inner:
        found[(*place, part)] = mark.start_mark.line + 1
        _lines(value, (*place, part), found)
