"""Server-sent events out of bytes that come split anywhere (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from penstock.core.errors import UpstreamMalformed

_BOM = b"\xef\xbb\xbf"


class SseSplitter:
    """Collects a stream and hands out the data of every event that is whole.

    Comments, event names, ids and retry times are dropped: no provider of this dialect needs them. ``limit_bytes``
    bounds one event, and so what is kept between two reads. ``between_events`` is true while nothing is kept.
    """

    __slots__ = (
        "_after_cr",
        "_limit_bytes",
        "_rest",
        "between_events",
    )

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.between_events = True
        self._rest = bytearray()
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that ``data`` completes. Raises ``UpstreamMalformed`` over the limit."""
        if (
            data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and self.between_events
            and not self._after_cr
            and len(data) <= self._limit_bytes
            and data.find(b"\r") < 0  # `in` first takes its bytes for a number
        ):
            payloads = data[6:-2].split(b"\n\ndata: ")
            # As many line ends as events explain: so each is one whole line of data.
            if data.count(b"\n") == 2 * len(payloads) and b"" not in payloads:
                return payloads
        return self._collect(data)

    def flush(self) -> list[bytes]:
        """The data of a last event that the body's end left without its blank line."""
        return self.feed(b"\n\n") if self._rest else []

    def _collect(self, data: bytes) -> list[bytes]:
        rest = self._rest
        # A blank line may begin in what is kept, so the search does too.
        search_from = max(len(rest) - 1, 0)
        rest += self._one_line_ending(data)
        if rest.find(b"\n\n", search_from) < 0:
            self._bound(rest)
            self.between_events = not rest
            return []
        *blocks, tail = bytes(rest).split(b"\n\n")
        self._rest = bytearray(tail)
        self.between_events = not tail
        self._bound(tail)
        payloads = []
        for block in blocks:
            self._bound(block)
            if payload := _data_of(block):
                payloads.append(payload)
        return payloads

    def _one_line_ending(self, data: bytes) -> bytes:
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _bound(self, block: bytes | bytearray) -> None:
        if len(block) > self._limit_bytes:
            msg = "The provider sent a stream event that is larger than this gateway takes."
            raise UpstreamMalformed(msg)


def _data_of(block: bytes) -> bytes:
    lines = block.removeprefix(_BOM).split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
