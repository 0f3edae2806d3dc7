"""What the gateway reads of completions and stream chunks; everything else of them passes through as bytes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from penstock.core.call import Usage
from penstock.core.errors import UpstreamMalformed
from penstock.core.tokens import estimate_tokens

_NOTHING = (b"", b"null", b"[]", b"{}")
_MODEL, _USAGE = b'"model"', b'"usage"'
_MODEL_KEYS = (b'"model":', b'"model": ')
_NULL_USAGE = b',"usage":null'
MAX_TOKENS = 2**40
# What every chunk of one stream has in common, beside the model.
_ENVELOPE = ("id", "object", "created", "service_tier", "system_fingerprint")


class _Details(Struct, gc=False):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None
    reasoning_tokens: int | float | None = None


class WireUsage(Struct, gc=False):
    """Tokens as a provider counts them; ``details`` are read when somebody wants to know."""

    # Some count in floats, as JSON's numbers are.
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    total_tokens: Any = None
    # DeepSeek's own word for what its details may leave out (api-docs.deepseek.com/guides/kv_cache, 2026-11-21).
    prompt_cache_hit_tokens: Any = None
    prompt_tokens_details: Raw = Raw()
    completion_tokens_details: Raw = Raw()


class _Function(Struct, gc=False):
    name: str | None = None


class _ToolCall(Struct, gc=False):
    function: _Function | None = None


class _Message(Struct, gc=False):
    # Mistral's reasoning models answer with an array of parts here (docs.mistral.ai, 2026-11-21).
    content: Any = None
    refusal: Any = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, gc=False):
    message: _Message
    finish_reason: str | None = None


class Completion(Struct, gc=False):
    """A whole answer, which holds at least one choice; what it says is what its first choice says."""

    choices: list[_Choice] = []
    model: Any = None
    wire_usage: WireUsage | None = msgspec.field(default=None, name="usage")
    error: Raw = Raw()

    @property
    def text(self) -> str:
        """The text, or the refusal in its place."""
        message = self.choices[0].message
        return _text(message.content) or _text(message.refusal)

    @property
    def finish_reason(self) -> str | None:
        """Why it ended."""
        return self.choices[0].finish_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens over all choices, where the provider says."""
        return read_usage(self.wire_usage)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The tools that it calls."""
        calls = self.choices[0].message.tool_calls or ()
        return tuple(call.function.name for call in calls if call.function and call.function.name)


class Delta(Struct, gc=False):
    """What one chunk adds to one choice. ``reasoning`` and ``reasoning_content`` are two spellings in use."""

    content: Any = None
    refusal: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    tool_calls: Raw = Raw()
    function_call: Raw = Raw()
    audio: Raw = Raw()

    def __bool__(self) -> bool:
        """Whether a client sees something new by it: a role alone is nothing."""
        return bool(
            self.content
            or self.reasoning_content
            or self.reasoning
            or self.refusal
            or _holds(self.tool_calls)
            or _holds(self.function_call)
            or _holds(self.audio)
        )

    @property
    def estimated_tokens(self) -> int:
        """For streams that never say; of a tool call's bytes about half is framing."""
        content = self.content
        if type(content) is str and content:
            return estimate_tokens(content)
        tokens = len(self.tool_calls) // 8
        for text in (content, self.reasoning_content or self.reasoning, self.refusal):
            if text:
                tokens += estimate_tokens(text if isinstance(text, str) else _text(text))
        return tokens


class _Said(Struct, gc=False):
    message: Delta


class _AllSaid(Struct, gc=False):
    choices: list[_Said]


class ChunkChoice(Struct, gc=False):
    """One choice's part of a chunk."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(Struct, gc=False):
    """One stream chunk. ``choices`` is empty in the chunk that carries usage alone."""

    model: str | None = None
    choices: list[ChunkChoice] | None = None
    wire_usage: WireUsage | None = msgspec.field(default=None, name="usage")
    error: Raw = Raw()

    @property
    def text(self) -> str:
        """What it adds to the first choice's text, or to the refusal in its place."""
        delta = next((choice.delta for choice in self.choices or () if choice.index == 0), None)
        return "" if delta is None else _text(delta.content) or _text(delta.refusal)

    @property
    def usage(self) -> Usage | None:
        """Tokens so far, where the provider says."""
        return read_usage(self.wire_usage)


_decode_completion = msgspec.json.Decoder(Completion).decode
_decode_all_said = msgspec.json.Decoder(_AllSaid).decode
_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_details = msgspec.json.Decoder(_Details | None).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode
_NO_DETAILS = _Details()


def read_completion(body: bytes) -> Completion:
    """A completion's body. Raises ``UpstreamMalformed`` for anything else, an error in a 200 too."""
    try:
        completion = _decode_completion(body)
        if not body.isascii():
            body.decode()  # what no field of ours holds was not looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = "The provider's answer is not a chat completion."
        raise UpstreamMalformed(msg) from None
    refuse_error(completion.error)
    if not completion.choices:
        msg = "The provider's answer holds no choices."
        raise UpstreamMalformed(msg)
    return completion


def estimate_output_tokens(body: bytes) -> int:
    """Tokens of all that the choices of a completion say, read as if each were one chunk of a stream."""
    try:
        choices = _decode_all_said(body).choices
    except msgspec.DecodeError:  # told apart from a chat completion before; a part of it may be odd all the same
        return len(body) // 4
    return sum(choice.message.estimated_tokens for choice in choices)


def rename_model(body: bytes, alias: str, model: Any = None) -> bytes:
    """``body`` with ``alias`` as its model, whatever model the provider says it was: ``model``, where that is known."""
    new = _encode(alias)
    if isinstance(model, str):
        old = _encode(model)
        for key in _MODEL_KEYS:
            at = body.find(key + old)
            if at > 0 and _is_own_model(body, at):
                value = at + len(key)
                return body[:value] + new + body[value + len(old) :]
    fields = _decode_fields(body)
    fields["model"] = Raw(new)
    return _encode(fields)


def read_chunk(payload: bytes) -> Chunk:
    """One event's data. Raises ``UpstreamMalformed`` when it is no chunk, or an error in a stream that began well."""
    try:
        chunk = _decode_chunk(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = "The provider's stream holds an event that is not a chat completion chunk."
        raise UpstreamMalformed(msg) from None
    if len(chunk.error):
        refuse_error(chunk.error)
    return chunk


class ChunkRewriter:
    """Makes the chunks of one stream the caller's: its alias as the model, and no usage but in a chunk of its own.

    ``keep_usage`` when the caller has asked for that chunk, and for ``"usage": null`` in the others.
    """

    def __init__(self, alias: str, *, keep_usage: bool) -> None:
        self._keep_usage = keep_usage
        self._alias = Raw(_encode(alias))
        self._model: str | None = None
        self._old = self._new = b""

    def rewrite(self, payload: bytes, chunk: Chunk) -> bytes:
        """``payload``, of which ``chunk`` was read, as the caller is to see it."""
        if chunk.wire_usage is not None and (chunk.choices or not self._keep_usage):
            return self._encode_again(payload, usage=False)
        if chunk.model != self._model:
            self._learn(payload, chunk.model)
        old = self._old
        at = payload.find(old) if old else -1
        if at < 0 or not _is_own_model(payload, at):
            return self._encode_again(payload, usage=self._keep_usage)
        renamed = payload[:at] + self._new + payload[at + len(old) :]
        if not self._keep_usage:
            renamed = renamed.replace(_NULL_USAGE, b"", 1)
            if renamed.find(_USAGE) >= 0:
                return self._encode_again(payload, usage=False)
        return renamed

    def usage_chunk(self, payload: bytes, usage: Usage) -> bytes:
        """The chunk that says ``usage`` at the end of the stream to which ``payload`` belongs.

        Its shape is that of ``stream_options.include_usage`` (platform.openai.com/docs/api-reference, 2026-11-21).
        """
        fields = _decode_fields(payload)
        chunk: dict[str, object] = {name: fields[name] for name in _ENVELOPE if name in fields}
        chunk |= {"model": self._alias, "choices": []}
        chunk["usage"] = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
        return _encode(chunk)

    def _learn(self, payload: bytes, model: str | None) -> None:
        self._model = model
        self._old = b""
        for key in _MODEL_KEYS:
            old = key + _encode(model)
            if payload.find(old) >= 0:
                self._old, self._new = old, key + self._alias
                return

    def _encode_again(self, payload: bytes, *, usage: bool) -> bytes:
        fields = _decode_fields(payload)
        fields["model"] = self._alias
        if not usage:
            fields.pop("usage", None)
        return _encode(fields)


def _is_own_model(payload: bytes, at: int) -> bool:
    """Whether the key at ``at`` is the object's one model: a bare quote is never inside a string, one brace is open."""
    return payload.startswith(b"{") and payload.find(b"{", 1, at) < 0 and payload.count(_MODEL) == 1


def _holds(raw: Raw) -> bool:
    # A Raw never equals bytes, so it is compared as bytes.
    return bytes(raw) not in _NOTHING


def refuse_error(error: Raw) -> None:
    """Raise ``UpstreamMalformed`` for an ``error`` that says something."""
    if error and _holds(error):
        msg = "The provider reported an error inside an answer that began as a success."
        raise UpstreamMalformed(msg)


def read_usage(wire: WireUsage | None) -> Usage | None:
    """Tokens of all of it, where the provider says how many.

    xAI counts reasoning beside its completion tokens, as its total shows: all of it is output
    (docs.x.ai/docs/key-information/consumption-and-rate-limits, as quoted in github.com/vercel/ai/pull/12425,
    2026-11-21).
    """
    if wire is None or (wire.prompt_tokens is None and wire.completion_tokens is None):
        return None
    asked, said = wire.prompt_tokens or 0, wire.completion_tokens or 0
    cached = written = thought = None
    if len(wire.prompt_tokens_details):
        details = _details(wire.prompt_tokens_details)
        cached, written = details.cached_tokens, details.cache_write_tokens
    if cached is None and isinstance(wire.prompt_cache_hit_tokens, int):
        cached = wire.prompt_cache_hit_tokens
    if len(wire.completion_tokens_details):
        thought = _details(wire.completion_tokens_details).reasoning_tokens
        if thought and wire.total_tokens == asked + said + thought:
            said += thought
    if asked > MAX_TOKENS or said > MAX_TOKENS:  # no count of tokens, and nothing that money should be reckoned by
        return None
    return Usage(
        int(asked) if asked > 0 else 0,
        int(said) if said > 0 else 0,
        False,  # not estimated
        _part(cached, asked) if cached else 0,
        _part(written, asked) if written else 0,
        _part(thought, said) if thought else 0,
    )


def _details(raw: Raw) -> _Details:
    try:
        return _decode_details(raw) or _NO_DETAILS
    except msgspec.ValidationError:
        return _NO_DETAILS


def _part(tokens: float, whole: float) -> int:
    """A part is no more than the whole."""
    return int(min(tokens, whole)) if tokens > 0 and whole > 0 else 0


def _text(content: Any) -> str:
    """The text of a message's content, which is a string or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
