"""docs/features.md is true: every feature has a row, and every page and test that a row names exists."""

from __future__ import annotations

import re
from pathlib import Path

from support.documents import ROOT, read, rows

IDS = {
    *(f"A{number}" for number in range(1, 7)),
    *(f"B{number}" for number in range(1, 5)),
    *(f"C{number}" for number in range(1, 22)),
    *(f"D{number}" for number in range(1, 11)),
    *(f"E{number}" for number in range(1, 10)),
}
STATES = {"done", "first form", "planned"}


def features() -> list[list[str]]:
    return rows(read("docs/features.md"))


def paths(cell: str) -> list[str]:
    return re.findall(r"\]\(([^)#]+)", cell) + re.findall(r"`([\w./-]+)`", cell)


def files_of(path: str) -> list[Path]:
    """A test file, or the test files of a folder."""
    place = ROOT / path
    return [place] if place.is_file() else list(place.glob("test_*.py"))


def test_every_id_has_one_row() -> None:
    assert sorted(row[0] for row in features()) == sorted(IDS)


def test_states_are_of_the_list() -> None:
    assert [row[0] for row in features() if row[2] not in STATES] == []


def test_what_is_there_names_a_page_and_a_test() -> None:
    assert [row[0] for row in features() if row[2] != "planned" and not (paths(row[3]) and paths(row[4]))] == []


def test_what_is_planned_names_no_test() -> None:
    assert [row[0] for row in features() if row[2] == "planned" and paths(row[4])] == []


def test_every_page_and_test_exists() -> None:
    pages = {path for row in features() for path in paths(row[3]) if not (ROOT / "docs" / path).is_file()}
    tests = {path for row in features() for path in paths(row[4]) if not files_of(path)}
    assert sorted(pages) == []
    assert sorted(tests) == []
