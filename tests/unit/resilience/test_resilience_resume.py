"""A cut stream goes on elsewhere once, with what was said so far; where it cannot, the cut is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from penstock.core.answer import DISCONNECT, Answer, Outcome
from penstock.core.call import Attempt, Call, Usage
from penstock.core.errors import DeadlineExceeded, PenstockError, UpstreamCut, UpstreamUnavailable
from penstock.resilience.resume import KEPT_BYTES, resume
from support.calls import ListSink, delta, finished, make_call
from support.gateways import Upstream

CUT = Outcome("error", UpstreamCut("cut"))


class Continuing:
    """Keeps what it is asked with; ``able`` says whether there is a way to go on."""

    def __init__(self, *, able: bool = True) -> None:
        self.able = able
        self.asked: list[bytes] = []

    def continued(self, call: Call, raws: Sequence[bytes]) -> Call | None:
        self.asked = list(raws)
        return call if self.able else None

    def mark(self, _last: bytes, target: str) -> bytes:
        return f": {target}\n\n".encode()


class Scene:
    """Two targets, a call under way at the first, and a client that reads."""

    def __init__(self, *, able: bool = True, refusal: PenstockError | None = None) -> None:
        self.first, self.second = Upstream(), Upstream()
        self.continuing = Continuing(able=able)
        self.refusal = refusal
        self.sink = ListSink()
        self.call = make_call(stream=True)
        self.call.trail.first_content_at_s = 5.0

    async def begin(self) -> Answer:
        answer = await resume(self._first, self._second, self.continuing)(self.call)
        answer.attach(self.sink)
        return answer

    @property
    def raw(self) -> list[bytes]:
        return [event.raw for event in self.sink.events]

    async def _first(self, call: Call) -> Answer:
        return self._asked(call, "first", self.first)

    async def _second(self, call: Call) -> Answer:
        if self.refusal is not None:
            raise self.refusal
        call.trail.first_content_at_s = 7.0
        return self._asked(call, "second", self.second)

    def _asked(self, call: Call, name: str, upstream: Upstream) -> Answer:
        call.trail.target = name
        upstream.answer.attempt = len(call.trail.attempts)
        call.trail.attempts.append(Attempt(name, name, name, 1.0))
        upstream.say(name)
        return upstream.answer


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_cut_stream_goes_on_at_the_other_target() -> None:
    scene = Scene()
    answer = await scene.begin()
    scene.first.answer.usage = Usage(10, 3, estimated=True)
    scene.first.fail(UpstreamCut("cut"))
    await turns()
    scene.second.finish()
    assert scene.raw == [delta("first").raw, b": second\n\n", delta("second").raw, finished().raw]
    assert scene.continuing.asked == [delta("first").raw]
    assert answer.outcome is not None
    assert answer.outcome.kind == "end"
    trail = scene.call.trail
    assert (trail.target, trail.fallback_used, trail.first_content_at_s) == ("second", True, 5.0)
    assert (trail.attempts[0].error_code, trail.attempts[0].usage) == ("upstream_cut", Usage(10, 3, estimated=True))


async def test_a_stream_that_ends_well_is_left_alone() -> None:
    scene = Scene()
    await scene.begin()
    scene.first.finish()
    assert scene.raw == [delta("first").raw, finished().raw]
    assert scene.continuing.asked == []


async def test_a_second_cut_is_told() -> None:
    scene = Scene()
    answer = await scene.begin()
    scene.first.fail(UpstreamCut("cut"))
    await turns()
    scene.second.fail(UpstreamCut("again"))
    await turns()
    assert answer.outcome is not None
    assert isinstance(answer.outcome.error, UpstreamCut)


@pytest.mark.parametrize(
    ("able", "refusal", "error"),
    [
        (False, None, UpstreamCut("cut")),
        (True, UpstreamUnavailable("500"), UpstreamCut("cut")),
        (True, None, DeadlineExceeded("late")),
    ],
    ids=["there is no way", "nobody takes it", "there is no time"],
)
async def test_what_cannot_go_on_is_told(able: bool, refusal: PenstockError | None, error: PenstockError) -> None:  # noqa: FBT001 - a parameter
    scene = Scene(able=able, refusal=refusal)
    answer = await scene.begin()
    scene.first.fail(error)
    await turns()
    assert answer.outcome is not None
    assert type(answer.outcome.error) is type(error)
    assert scene.call.trail.target == "first"


async def test_a_stream_too_long_to_keep_is_not_continued() -> None:
    scene = Scene()
    answer = await scene.begin()
    scene.first.say("x" * KEPT_BYTES)
    scene.first.fail(UpstreamCut("cut"))
    await turns()
    assert answer.outcome == CUT or isinstance(answer.outcome and answer.outcome.error, UpstreamCut)
    assert scene.continuing.asked == []


async def test_a_client_that_goes_away_ends_the_part_that_is_being_written() -> None:
    for cut in (False, True):
        scene = Scene()
        answer = await scene.begin()
        if cut:
            scene.first.fail(UpstreamCut("cut"))
            await turns()
        answer.close(DISCONNECT)
        part = scene.second if cut else scene.first
        assert part.closed.is_set()
        assert part.outcomes == [DISCONNECT]


async def test_a_slow_client_holds_back_whoever_writes() -> None:
    scene = Scene()
    answer = await scene.begin()
    answer.pause()
    assert not scene.first.running.is_set()
    scene.first.fail(UpstreamCut("cut"))
    await turns()
    assert not scene.second.running.is_set()
    answer.resume()
    assert scene.second.running.is_set()
