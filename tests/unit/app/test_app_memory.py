"""Memory of a process that serves."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from penstock.app.memory import settle_memory


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_was_loaded_is_not_looked_at_again_and_full_passes_are_rare() -> None:
    loaded: list[object] = [object()]
    usual = gc.get_threshold()
    settle_memory()
    assert not any(kept is loaded for kept in gc.get_objects())
    young, middle, full = gc.get_threshold()
    assert young * middle * full > 100 * usual[0] * usual[1]
    assert gc.isenabled()
