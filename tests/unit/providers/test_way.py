"""``Exchange``: one way, asked."""

from __future__ import annotations

import pytest

from penstock.core.errors import PenstockError, UnsupportedEndpoint
from penstock.core.plan import Target
from penstock.core.ports import Headers, HttpResponse
from penstock.providers.anthropic.adapter import CountWay
from penstock.providers.embeddings import EmbeddingsWay
from penstock.providers.way import Exchange, Way
from support.calls import make_call

TARGET = Target("alias", "acme", "m-1")


async def never(_body: bytes, _lines: bytes = b"", /) -> HttpResponse:
    raise AssertionError


def unexplained(_status: int, _headers: Headers, _body: bytes) -> PenstockError:
    raise AssertionError


@pytest.mark.parametrize("way", [CountWay(TARGET), EmbeddingsWay(TARGET)])
async def test_a_stream_that_there_cannot_be_is_not_asked_for(way: Way) -> None:
    with pytest.raises(UnsupportedEndpoint):
        await Exchange(way, never, never, unexplained)(make_call(stream=True))
