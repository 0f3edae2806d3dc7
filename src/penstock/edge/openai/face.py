"""``OpenAIFace``: ``POST /v1/chat/completions`` on the data plane."""

from __future__ import annotations

from collections.abc import Callable
from random import getrandbits
from time import monotonic

from penstock.core.answer import CANCEL, END, Answer
from penstock.core.call import Call, Identity, Trail
from penstock.core.errors import InvalidRequest, PenstockError, UnsupportedMediaType
from penstock.core.policy import TimeLimits
from penstock.core.ports import Clock, Gateway
from penstock.dialects.openai.errors import DONE, error_body, error_event
from penstock.dialects.openai.request import ChatRequest, read_chat
from penstock.edge.asks import read_asks, read_key, read_request_id
from penstock.edge.faults import fault, log_fault
from penstock.edge.headers import answer_lines, error_lines
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


class OpenAIFace:
    """Chat completions, streaming and not. ``clock`` is monotonic seconds."""

    endpoint = "/v1/chat/completions"

    def __init__(
        self,
        gateway: Gateway,
        *,
        limits: TimeLimits = V1_LIMITS,
        new_id: Callable[[], str] = new_call_id,
        clock: Clock = monotonic,
    ) -> None:
        self._gateway = gateway
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
        call = self._call(head.headers, ticket, body)
        try:
            answer = await self._gateway.answer(call)
        except PenstockError as error:
            return _refuse(call, error)
        except Exception as error:  # noqa: BLE001 - known by the call's id, in the log as in the audit
            log_fault(error, call.request_id)
            return _refuse(call, fault())
        try:
            if answer.body is not None:
                # Delivered as far as we can know; closing first lets the stages settle, and the headers state the cost.
                answer.close(END)
                await self._gateway.committed()
            return _dress(call, answer)
        except BaseException:
            answer.close(CANCEL)
            raise

    def render_error(self, error: PenstockError, head: Head) -> Reply:
        """An error that came before there was a call."""
        request_id = read_request_id(head.headers) or self._new_id()
        lines = b"%bx-request-id: %b\r\n%b" % (_JSON, request_id.encode(), error_lines(error))
        return Reply(error.status, lines, error_body(error))

    def render_broken_stream(self, error: PenstockError) -> bytes:
        """An event that the SDKs raise as an error; no ``[DONE]`` follows it."""
        return error_event(error)

    def _call(self, headers: dict[bytes, bytes], identity: Identity, body: bytes) -> Call:
        call_id = self._new_id()
        asks = read_asks(headers)
        # Bad requests are counted, limited and recorded like good ones: the pipeline refuses them in its turn.
        invalid: InvalidRequest | None = asks.invalid
        try:
            asked = read_chat(body)
        except InvalidRequest as error:
            asked, invalid = _NOTHING_ASKED, invalid or error
        return Call(
            call_id=call_id,
            request_id=asks.request_id or call_id,
            trace_id=asks.trace_id or getrandbits(128).to_bytes(16).hex(),
            endpoint=self.endpoint,
            dialect="openai",
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
            invalid=invalid,
        )


def _refuse(call: Call, error: PenstockError) -> Reply:
    return Reply(error.status, _JSON + error_lines(error, call), error_body(error))


def _dress(call: Call, answer: Answer) -> Reply | StreamReply:
    body = answer.body
    if body is None:
        return StreamReply(200, _STREAM + answer_lines(call, answer), answer, tail=DONE)
    return Reply(200, _JSON + answer_lines(call, answer), body)
