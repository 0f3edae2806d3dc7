"""Counts what a reader has to hold in mind: lines of a file and a function, parameters, public methods of a class.

A file that needs more than its ceiling wants to be two things. ``self`` and ``cls`` are no parameters, the fields of a
value belong to no function, and a property is read, not called.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "tests", "bench", "tools")
FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6
PUBLIC_METHODS = 12
# "file:function": why it may have more parameters. An entry that nothing needs is a violation too.
MANY_PARAMETERS = {
    "src/penstock/llm/factory.py:create_llm": "what a user may say of an LLM, by keyword, where editors and help() show it",
    "src/penstock/pipeline.py:build_pipeline": "names each stage once, by keyword: that is what the page is for",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function: Function, *, method: bool) -> int:
    spec = function.args
    count = len(spec.posonlyargs) + len(spec.args) + len(spec.kwonlyargs)
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)
    return count - (1 if method and not static else 0)


def is_public_method(item: ast.stmt) -> bool:
    if not isinstance(item, Function) or item.name.startswith("_"):
        return False
    return not any(isinstance(mark, ast.Name) and mark.id == "property" for mark in item.decorator_list)


def violations(path: Path, used: set[str]) -> Iterator[str]:
    """Each violation in one file, with its number; names of ``MANY_PARAMETERS`` met on the way go to ``used``."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, at most {FILE_LINES}"
    tree = ast.parse(text)
    methods = {id(item) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
            count = parameters(node, method=id(node) in methods)
            if count > PARAMETERS and f"{name}:{node.name}" in MANY_PARAMETERS:
                used.add(f"{name}:{node.name}")
            elif count > PARAMETERS:
                yield f"{name}:{node.lineno}: {node.name} takes {count} parameters, at most {PARAMETERS}"
        elif isinstance(node, ast.ClassDef):
            public = [item for item in node.body if is_public_method(item)]
            if len(public) > PUBLIC_METHODS:
                yield f"{name}:{node.lineno}: {node.name} has {len(public)} public methods, at most {PUBLIC_METHODS}"


def main() -> int:
    used: set[str] = set()
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    found = [line for path in paths for line in violations(path, used)]
    found += [
        f"tools/ceilings.py: nothing needs the exemption {name}" for name in sorted(MANY_PARAMETERS.keys() - used)
    ]
    print("\n".join(found) if found else f"{len(paths)} files within their ceilings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
