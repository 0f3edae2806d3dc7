"""Order of the whole suite: what fails fastest first, and what is slow at the end of it."""

from __future__ import annotations

from pathlib import Path

import pytest

ORDER = ("unit", "contract", "edge", "fault", "docs")
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[bool, int]:
        folder = item.path.relative_to(TESTS).parts[0]
        return item.get_closest_marker("slow") is not None, ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=place)
