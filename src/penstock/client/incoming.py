"""``Incoming``: a gateway's stream of events, as it comes over HTTP, becomes an ``Answer``."""

from __future__ import annotations

from penstock.client.facts import note
from penstock.client.failures import read_error
from penstock.client.told import Told
from penstock.core.answer import END, Answer, Event, Outcome
from penstock.core.errors import GatewayUnreachable, PenstockError
from penstock.core.ports import HttpResponse

_DATA, _COMMENT = b"data: ", b": "
_DONE = b"data: [DONE]"
_ERROR = b'data: {"error":'
# A gateway's own bound on an event is lower.
_MOST_LINE_BYTES = 16 * 1024 * 1024


class Incoming:
    """Receives the body and is the answer's source. ``told`` learns what the comments at the end say."""

    def __init__(self, response: HttpResponse) -> None:
        self.answer = Answer("openai", source=self)
        self.told: Told | None = None
        self._response = response
        self._rest = b""
        self._done = False

    # --- the gateway's side ---

    def body_received(self, data: bytes) -> None:
        """Turn one read into one push; what stands behind an error is not read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        events: list[Event] = []
        try:
            for line in lines:
                self._read(line, events)
            if len(self._rest) > _MOST_LINE_BYTES:
                raise GatewayUnreachable("The gateway sent a stream event that is larger than this client takes.")
        except PenstockError as error:
            self.answer.feed(events)
            self._break(error)
            return
        if events:
            self.answer.feed(events)

    def body_ended(self) -> None:
        """It is whole if the gateway has said so."""
        if self._done:
            self.answer.end(END)
        else:
            self._break(GatewayUnreachable("The gateway ended the stream before the answer was complete."))

    def body_failed(self, error: Exception) -> None:
        """The connection broke."""
        del error
        self._break(GatewayUnreachable("The connection to the gateway broke before the answer was complete."))

    # --- the answer's side ---

    def written_tokens(self) -> int:
        """Nobody asks: the gateway counts."""
        return 0

    def pause(self) -> None:
        """Let the gateway wait."""
        self._response.pause()

    def resume(self) -> None:
        """Read on."""
        self._response.resume()

    def close(self) -> None:
        """Free the connection: the gateway ends the call when it is dropped."""
        self._response.close()

    # --- within ---

    def _read(self, line: bytes, events: list[Event]) -> None:
        if line.startswith(_ERROR) and (error := read_error(line[len(_DATA) :])):
            raise error
        if line == _DONE:
            self._done = True
        elif line.startswith(_DATA):
            events.append(Event(line, "openai", "delta"))
        elif line.startswith(_COMMENT) and self.told is not None:
            name, _, value = line[len(_COMMENT) :].partition(_COMMENT)
            note(self.told, ((name, value),))

    def _break(self, error: PenstockError) -> None:
        self.answer.end(Outcome("error", error))
