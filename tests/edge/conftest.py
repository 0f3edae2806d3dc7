"""The connection's tests run on the loop that the product runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    if not item.nodeid.rpartition("/")[2].startswith("test_http1"):
        return None
    return {"uvloop": uvloop.new_event_loop}
