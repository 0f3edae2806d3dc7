"""``ModelFace``: a path of the data plane that a model answers, in one dialect; its ``Manner`` says which and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from random import getrandbits
from time import monotonic

from msgspec import Raw, Struct

from penstock.core.answer import CANCEL, END, Answer
from penstock.core.call import Call, Dialect, Identity, Trail
from penstock.core.errors import InvalidParameter, InvalidRequest, PenstockError, UnsupportedMediaType
from penstock.core.policy import TimeLimits
from penstock.core.ports import Clock, Gateway
from penstock.dialects.openai.request import ChatRequest
from penstock.edge.asks import read_asks, read_key, read_request_id
from penstock.edge.faults import fault, log_fault
from penstock.edge.headers import answer_lines, closing_lines, error_lines
from penstock.edge.http1.face import Reply, StreamReply
from penstock.edge.http1.head import Head

# "Settled: Deadlines" of the requirements.
V1_LIMITS = TimeLimits(total_s=600.0, first_content_s=60.0, idle_gap_s=60.0)

_JSON_TYPE = b"application/json"
_JSON = b"content-type: application/json\r\n"
# nginx in front of us must not collect a stream.
_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


def new_call_id() -> str:
    """A fresh request id: unlike any other, and no secret."""
    return "req_" + getrandbits(96).to_bytes(12).hex()


_NOTHING_ASKED = ChatRequest(
    fields={},
    model="",
    stream=False,
    include_usage=False,
    temperature=None,
    max_output_tokens=None,
    input_tokens=0,
    choices=1,
    user="",
    prompt=None,
    tool_names=(),
)


class Manner(Struct, frozen=True, kw_only=True):
    """How one dialect is spoken with callers.

    ``read`` gives the facts of a request's body, or raises ``InvalidRequest``; ``error_body`` is told the request's id.
    ``tail`` follows a stream that ended well. ``passed_on`` are headers that belong to the body, in lower case;
    each is a list, which may be sent in several lines.
    ``id_header`` is one more header in which the request's id is told, as the dialect's clients look for it.
    """

    endpoint: str
    dialect: Dialect
    read: Callable[[bytes], ChatRequest]
    error_body: Callable[[PenstockError, str], bytes]
    error_event: Callable[[PenstockError], bytes]
    tail: bytes = b""
    passed_on: tuple[bytes, ...] = ()
    id_header: bytes = b""


class ModelFace:
    """Answers calls in the ``manner`` of a dialect, streaming and not. ``clock`` is monotonic seconds."""

    def __init__(
        self,
        gateway: Gateway,
        manner: Manner,
        *,
        limits: TimeLimits = V1_LIMITS,
        new_id: Callable[[], str] = new_call_id,
        clock: Clock = monotonic,
    ) -> None:
        self._gateway = gateway
        self._manner = manner
        self._limits = limits
        self._new_id = new_id
        self._clock = clock

    def authorize(self, head: Head) -> Identity:
        """Prove the key, then see whether the body is JSON. Raises ``Unauthenticated``, ``UnsupportedMediaType``."""
        headers = head.headers
        identity = self._gateway.authenticate(read_key(headers))
        media_type = headers.get(b"content-type", _JSON_TYPE)
        if media_type != _JSON_TYPE and media_type.partition(b";")[0].strip().lower() != _JSON_TYPE:
            raise UnsupportedMediaType("Send the body as JSON, with 'content-type: application/json'.")
        coding = headers.get(b"content-encoding")
        if coding is not None and coding.lower() != b"identity":
            raise UnsupportedMediaType("Send the body uncompressed, without a 'content-encoding'.")
        return identity

    async def answer(self, head: Head, ticket: Identity, body: bytes) -> Reply | StreamReply:
        """Read the body, pass the call along the pipeline, and dress its answer or error."""
        call = self.compose(_with_whole_lists(head, self._manner.passed_on), ticket, body)
        try:
            answer = await self.ask(call)
        except PenstockError as error:
            return self._refuse(call, error)
        except Exception as error:  # noqa: BLE001 - known by the call's id, in the log as in the audit
            log_fault(error, call.request_id)
            return self._refuse(call, fault())
        try:
            if answer.body is not None:
                # Delivered as far as we can know; closing first lets the stages settle, and the headers state the cost.
                answer.close(END)
                await self._gateway.committed()
            return self._dress(call, answer)
        except BaseException:
            answer.close(CANCEL)
            raise

    def ask(self, call: Call) -> Awaitable[Answer]:
        """Pass the call along the pipeline."""
        return self._gateway.answer(call)

    def compose(self, headers: dict[bytes, bytes], identity: Identity, body: bytes) -> Call:
        """A request as the pipeline takes it; what is wrong with it is for the pipeline to tell."""
        call_id = self._new_id()
        asks = read_asks(headers)
        manner = self._manner
        # Bad requests are counted, limited and recorded like good ones: the pipeline refuses them in its turn.
        invalid: InvalidRequest | None = asks.invalid
        try:
            asked = manner.read(body)
            drop = _drops(asked.fields)
        except InvalidRequest as error:
            asked, drop, invalid = _NOTHING_ASKED, False, invalid or error
        return Call(
            call_id=call_id,
            request_id=asks.request_id or call_id,
            trace_id=asks.trace_id or getrandbits(128).to_bytes(16).hex(),
            endpoint=manner.endpoint,
            dialect=manner.dialect,
            identity=identity,
            model=asked.model,
            task=asks.task,
            fields=asked.fields,
            limits=self._limits,
            trail=Trail(received_at_s=self._clock(), tool_names=asked.tool_names),
            user=asks.user or asked.user,
            stream=asked.stream,
            include_usage=asked.include_usage,
            temperature=asked.temperature,
            max_output_tokens=asked.max_output_tokens,
            input_tokens=asked.input_tokens,
            choices=asked.choices,
            prompt=asked.prompt,
            cache=asks.cache,
            explain=asks.explain,
            tags=asks.tags,
            drop_unsupported=drop,
            lines=_passed_on(manner, headers) if manner.passed_on else b"",
            invalid=invalid,
        )

    def render_error(self, error: PenstockError, head: Head) -> Reply:
        """An error that came before there was a call."""
        request_id = read_request_id(head.headers) or self._new_id()
        lines = b"%bx-request-id: %b\r\n%b" % (_JSON, request_id.encode(), error_lines(error))
        manner = self._manner
        return Reply(error.status, lines + _id_line(manner, request_id), manner.error_body(error, request_id))

    def render_broken_stream(self, error: PenstockError) -> bytes:
        """An event that the SDKs raise as an error; no ``tail`` follows it."""
        return self._manner.error_event(error)

    def _refuse(self, call: Call, error: PenstockError) -> Reply:
        manner = self._manner
        lines = _JSON + error_lines(error, call) + _id_line(manner, call.request_id)
        return Reply(error.status, lines, manner.error_body(error, call.request_id))

    def _dress(self, call: Call, answer: Answer) -> Reply | StreamReply:
        body, manner = answer.body, self._manner
        lines = answer_lines(call, answer) + _id_line(manner, call.request_id)
        if body is None:
            closing = partial(closing_lines, call, answer) if call.explain else None
            return StreamReply(200, _STREAM + lines, answer, tail=manner.tail, closing=closing)
        return Reply(200, _JSON + lines, body)


def _id_line(manner: Manner, request_id: str) -> bytes:
    return b"%b: %b\r\n" % (manner.id_header, request_id.encode()) if manner.id_header else b""


def _drops(fields: dict[str, Raw]) -> bool:
    """Take ``drop_unsupported`` out: it is the gateway's own, and no provider's."""
    asked = fields.pop("drop_unsupported", None)
    if asked is None:
        return False
    if bytes(asked) not in {b"true", b"false"}:
        raise InvalidParameter("`drop_unsupported` must be true or false.", param="drop_unsupported")
    return bytes(asked) == b"true"


def _with_whole_lists(head: Head, names: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """The headers, with all that was sent of each in ``names``, and not the first alone."""
    headers, fields = head.headers, head.fields
    if not names or len(headers) == len(fields):
        return headers
    return headers | {
        name: b",".join([value for sent, value in fields if sent == name]) for name in names if name in headers
    }


def _passed_on(manner: Manner, headers: dict[bytes, bytes]) -> bytes:
    return b"".join([b"%b: %b\r\n" % (name, headers[name]) for name in manner.passed_on if name in headers])
