"""What a serving process holds in memory before anybody asks for it."""

from __future__ import annotations

import pytest

from tools import imports


@pytest.mark.parametrize("modules", imports.NEVER)
def test_a_process_imports_no_more_than_it_serves_with(modules: str) -> None:
    assert imports.probe(modules)[1] == ""
