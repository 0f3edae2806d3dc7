"""``SimulatedTransport``: an upstream in process that speaks OpenAI's bytes, in its own time and with faults to order.

It stands behind the core port ``Transport``, so that the simulated provider runs through the very same adapter as a
real one. One timer at a time plays an answer; there is no task per stream.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from penstock.core.errors import UpstreamCut
from penstock.core.ports import Endpoint, Fault, Headers, HttpResponse, Receiver, Send
from penstock.providers.simulated.answer import Reply, compose
from penstock.providers.simulated.embedding import MOST_DIMENSIONS, MOST_INPUTS, embed
from penstock.providers.simulated.wire import Envelope, stream_events, whole_body

FAULT_KINDS = frozenset(
    {"error_429", "error_500", "hang", "hang_mid_stream", "cut", "malformed", "no_usage", "html"},
)
_JSON = ((b"content-type", b"application/json"),)
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"),)
_HTML = ((b"content-type", b"text/html"),)
_RETRY_AFTER = ((b"retry-after", b"1"),)
_RATE_LIMITED = (
    b'{"error":{"message":"Simulated rate limit.","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
)
_FAILED = b'{"error":{"message":"Simulated failure.","type":"server_error","param":null,"code":null}}'
_TOO_MUCH = (
    b'{"error":{"message":"At most %d inputs and %d dimensions.","type":"invalid_request_error","param":null,"code":null}}'
    % (MOST_INPUTS, MOST_DIMENSIONS)
)
_UNREADABLE = (
    b'{"error":{"message":"The body cannot be read.","type":"invalid_request_error","param":null,"code":null}}'
)
_PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"

Ending = Literal["whole", "cut", "hang"]


class SimulatedTransport:
    """Answers every request after ``latency_s`` at ``tokens_per_s`` (``None`` or 0: at once).

    A fault strikes at its rate, by a sequence that ``seed`` fixes; so do the answers' ids.
    """

    def __init__(
        self, *, latency_s: float = 0.0, tokens_per_s: float | None = None, failure: Fault | None = None, seed: int = 0
    ) -> None:
        self._latency_s = latency_s
        self._token_s = 1.0 / tokens_per_s if tokens_per_s else 0.0
        self._random = random.Random(seed)  # noqa: S311 - a repeatable sequence is wanted, not a secret
        self._answered = 0
        self._fault: Fault | None = None
        self.set_fault(failure)

    def set_fault(self, fault: Fault | None) -> None:
        """Fail from the next request on, or stop failing. Raises ``ValueError`` for a fault that is not known."""
        if fault is not None and fault.kind not in FAULT_KINDS:
            msg = f"unknown fault {fault.kind!r}: choose one of {', '.join(sorted(FAULT_KINDS))}"
            raise ValueError(msg)
        if fault is not None and not 0 <= fault.rate <= 1:
            msg = f"a fault's rate lies between 0 and 1, not at {fault.rate}"
            raise ValueError(msg)
        self._fault = fault

    def bind(self, endpoint: Endpoint) -> Send:
        """Every address is this upstream's; embeddings have a path of their own."""
        return self._embed if endpoint.path.endswith(b"/embeddings") else self._answer

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _answer(self, request: bytes, _lines: bytes = b"", /) -> HttpResponse:
        """Answer a chat after the latency. A ``hang`` waits until the caller gives up."""
        fault, failed = await self._begin()
        if failed is not None:
            return failed
        body = _read(request)
        return _refused(_UNREADABLE) if body is None else self._play(body, compose(body), fault)

    async def _embed(self, request: bytes, _lines: bytes = b"", /) -> HttpResponse:
        _, failed = await self._begin()
        if failed is not None:
            return failed
        asked = _read(request)
        if asked is None:
            return _refused(_UNREADABLE)
        body = embed(asked)
        return _refused(_TOO_MUCH) if body is None else Playback(200, _JSON, [(0.0, body)])

    async def _begin(self) -> tuple[str, Playback | None]:
        fault = self._strikes()
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(self._latency_s)
        if fault == "error_429":
            return fault, Playback(429, _JSON + _RETRY_AFTER, [(0.0, _RATE_LIMITED)])
        if fault == "error_500":
            return fault, Playback(500, _JSON, [(0.0, _FAILED)])
        if fault == "html":
            return fault, Playback(200, _HTML, [(0.0, _PAGE)])
        self._answered += 1
        return fault, None

    def _strikes(self) -> str:
        fault = self._fault
        return fault.kind if fault is not None and self._random.random() < fault.rate else ""

    def _play(self, request: dict[str, Any], reply: Reply, fault: str) -> Playback:
        envelope = self._envelope(request, reply, gives_usage=fault != "no_usage")
        if request.get("stream"):
            events = list(stream_events(reply, envelope))
            # The first event carries no token; the second and each later one does.
            parts = [(max(index - 1, 0) * self._token_s, event) for index, event in enumerate(events)]
            headers = _EVENTS
        else:
            parts = [(len(reply.pieces) * self._token_s, whole_body(reply, envelope))]
            headers = _JSON
        if fault == "malformed":
            at_s, data = parts[0]
            parts[0] = (at_s, data.rstrip()[:-9] + b"\n\n")
        if fault in {"cut", "hang_mid_stream"}:
            parts = parts[: max(len(parts) // 2, 2)] if len(parts) > 1 else [(parts[0][0], parts[0][1][:60])]
            return Playback(200, headers, parts, "cut" if fault == "cut" else "hang")
        return Playback(200, headers, parts)

    def _envelope(self, request: dict[str, Any], reply: Reply, *, gives_usage: bool) -> Envelope:
        model, seed = str(request.get("model", "")), request.get("seed")
        digest = zlib.crc32("".join((model, *reply.pieces)).encode())
        return Envelope(
            id=f"chatcmpl-sim{digest:08x}{self._answered:06d}",
            created=int(time.time()),
            model=model,
            fingerprint=f"fp_{zlib.crc32(f'{model} {seed}'.encode()):08x}",
            choices=request.get("n") or 1,
            logprobs=bool(request.get("logprobs")),
            top_logprobs=request.get("top_logprobs") or 0,
            stream_usage=bool((request.get("stream_options") or {}).get("include_usage")),
            gives_usage=gives_usage,
        )


def _read(request: bytes) -> dict[str, Any] | None:
    """``None`` for what is JSON and no decoder takes, such as a number that is too large."""
    try:
        body: dict[str, Any] = msgspec.json.decode(request)
    except msgspec.DecodeError:
        return None
    return body


def _refused(body: bytes) -> Playback:
    return Playback(400, _JSON, [(0.0, body)])


class Playback:
    """A response whose parts come at their times, in seconds after the head; all that are due come in one read."""

    def __init__(
        self, status: int, headers: Headers, parts: Sequence[tuple[float, bytes]], ending: Ending = "whole"
    ) -> None:
        self.status = status
        self.headers = headers
        self._parts = parts
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self._next = 0
        self._receiver: Receiver | None = None
        self._timer: asyncio.Handle | None = None
        self._paused = False

    async def read(self, limit_bytes: int) -> bytes:  # noqa: ARG002 - what is simulated is small
        """The whole body, when its time has come. Raises ``UpstreamCut``."""
        await asyncio.sleep(self._parts[-1][0])
        if self._ending == "hang":
            await self._loop.create_future()
        if self._ending == "cut":
            msg = "The simulated provider cut its answer."
            raise UpstreamCut(msg)
        return b"".join(data for _, data in self._parts)

    def attach(self, receiver: Receiver) -> None:
        """Begin to play."""
        self._receiver = receiver
        self._wait()

    def pause(self) -> None:
        """Hold the parts back."""
        self._paused = True
        self._stop()

    def resume(self) -> None:
        """Play what has become due."""
        if self._paused:
            self._paused = False
            self._wait()

    def close(self) -> None:
        """Play no more."""
        self._receiver = None
        self._stop()

    def _wait(self) -> None:
        due_s = self._started_s + (self._parts[self._next][0] if self._next < len(self._parts) else 0.0)
        if due_s <= self._loop.time():
            self._timer = self._loop.call_soon(self._advance)
        else:
            self._timer = self._loop.call_at(due_s, self._advance)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        receiver, parts = self._receiver, self._parts
        if receiver is None:
            return
        first = self._next
        elapsed_s = self._loop.time() - self._started_s
        # The timer's own part is due even where the clock reads a hair less.
        self._next += 1
        while self._next < len(parts) and parts[self._next][0] <= elapsed_s:
            self._next += 1
        if first < len(parts):
            receiver.body_received(b"".join(data for _, data in parts[first : self._next]))
        if self._paused or self._receiver is None:
            return
        if self._next < len(parts):
            self._wait()
        elif self._ending != "hang":
            receiver.body_ended()
