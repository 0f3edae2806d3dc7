"""What is read of a ``GenerateContentResponse``: a whole answer, or one piece of a stream."""

from __future__ import annotations

from hashlib import blake2s
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from penstock.core.call import Usage
from penstock.core.conversation import Finish, Reply, Text, Thought, ToolUse
from penstock.core.errors import ContentBlocked, UpstreamMalformed
from penstock.dialects.gemini.contents import SIGNER

_FINISHES: dict[str, Finish] = {"STOP": "stop", "MAX_TOKENS": "length"}
# The model tried, and what it wrote was of no use: asked again, it mostly is.
_FAILURES = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    )
)
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
# More is no count of tokens, and nothing that money should be reckoned by.
_MAX_TOKENS = 2**40

_Count: TypeAlias = int | float | None
_Said: TypeAlias = Text | Thought | ToolUse


class _FunctionCall(Struct):
    name: str
    args: Raw = Raw(b"null")
    id: str | None = None


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None
    inline_data: Raw = Raw()


class _Content(Struct):
    parts: list[_Part] | None = None


class Candidate(Struct, rename="camel"):
    """One answer, or more of it."""

    content: _Content | None = None
    finish_reason: str | None = None
    index: int | None = None

    @property
    def is_finished(self) -> bool:
        """Vertex AI says the reason that is none in every piece (github.com/googleapis/google-cloud-dotnet/pull/15173)."""
        return self.finish_reason not in {None, "", _UNSPECIFIED}

    def finish(self, *, calls_tools: bool) -> Finish:
        """Why it ended: what is none of the others, known today or not, is a filter's doing; no reason is none of them.

        Raises ``UpstreamMalformed``.
        """
        reason = self.finish_reason if self.is_finished else "STOP"
        if reason in _FAILURES:
            msg = f"The model's answer was of no use, says its provider ({reason}). Try again."
            raise UpstreamMalformed(msg)
        if reason == "STOP" and calls_tools:
            return "tools"
        return _FINISHES.get(reason or "", "filtered")


class _PromptFeedback(Struct, rename="camel"):
    block_reason: str | None = None


class _UsageMetadata(Struct, rename="camel"):
    prompt_token_count: _Count = None
    tool_use_prompt_token_count: _Count = None
    cached_content_token_count: _Count = None
    candidates_token_count: _Count = None
    thoughts_token_count: _Count = None


class Response(Struct, rename="camel"):
    """One ``GenerateContentResponse``."""

    candidates: list[Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = Raw(b"null")

    @property
    def candidate(self) -> Candidate | None:
        """The one that was asked for."""
        return next((candidate for candidate in self.candidates or () if not candidate.index), None)

    @property
    def usage(self) -> Usage | None:
        """Tokens so far, where it says: thoughts and what built-in tools have read are counted beside the rest."""
        said = self.usage_metadata
        if said is None or said.prompt_token_count is None:
            return None
        thoughts = _count(said.thoughts_token_count)
        return Usage(
            input_tokens=_count(said.prompt_token_count) + _count(said.tool_use_prompt_token_count),
            output_tokens=_count(said.candidates_token_count) + thoughts,
            cached_tokens=_count(said.cached_content_token_count),
            reasoning_tokens=thoughts,
        )


_decode = msgspec.json.Decoder(Response).decode


def read_response(payload: bytes) -> Response:
    """Raises ``UpstreamMalformed`` when it is none or an error, and ``ContentBlocked`` when the prompt was blocked.

    A blocked prompt is a 200 without candidates; as with providers that refuse it by a 400, nothing was answered.
    """
    try:
        response = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = "The provider's answer is not one of generateContent."
        raise UpstreamMalformed(msg) from None
    if bytes(response.error) != b"null":
        msg = "The provider reported an error inside an answer that began as a success."
        raise UpstreamMalformed(msg)
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason and not response.candidates:
        msg = "The provider's content policy refused this request. Change its content."
        raise ContentBlocked(msg)
    return response


class PartReader:
    """Reads the parts of one answer, out of one response or many; ``tools`` is how many it has called so far."""

    def __init__(self) -> None:
        self.tools = 0
        self._answer_id: str | None = None
        self._tool_ids: set[str] = set()

    def read(self, response: Response) -> list[_Said]:
        """What ``response`` adds. Raises ``UpstreamMalformed``."""
        if self._answer_id is None:
            self._answer_id = response.response_id or ""
        candidate = response.candidate
        said: list[_Said] = []
        for part in (candidate and candidate.content and candidate.content.parts) or ():
            signature = part.thought_signature or ""
            if part.function_call is not None:
                said.append(self._tool_use(part.function_call, signature))
            elif part.thought:
                if part.text or signature:
                    signer = SIGNER if signature else ""
                    said.append(Thought(text=part.text or "", signature=signature, signer=signer))
            else:
                if len(part.inline_data):
                    msg = "The provider's answer holds media, which this gateway cannot pass on from it."
                    raise UpstreamMalformed(msg)
                if part.text:
                    said.append(Text(text=part.text))
                if signature:
                    # What it thought before these words, which have no place for it themselves.
                    said.append(Thought(sealed=signature, signer=SIGNER))
        return said

    def _tool_use(self, call: _FunctionCall, signature: str) -> ToolUse:
        try:
            # Whole answers are printed with indents, which would be part of the arguments.
            arguments = msgspec.json.format(bytes(call.args), indent=-1).decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            arguments = ""
        if arguments == "null":
            arguments = "{}"
        if not arguments.startswith("{"):
            msg = "The provider's answer calls a tool with arguments that are no object."
            raise UpstreamMalformed(msg)
        tool_id = call.id
        if not tool_id or tool_id in self._tool_ids:
            # Of its place and content, so that it is the same whenever it is read, and another in another answer.
            seed = f"{self._answer_id}\n{self.tools}\n{call.name}\n{arguments}"
            tool_id = "call_" + blake2s(seed.encode(), digest_size=12).hexdigest()
        self._tool_ids.add(tool_id)
        self.tools += 1
        signer = SIGNER if signature else ""
        return ToolUse(id=tool_id, name=call.name, arguments=arguments, signature=signature, signer=signer)


def read_reply(body: bytes) -> Reply:
    """A whole answer. Raises ``UpstreamMalformed``, ``ContentBlocked``."""
    response = read_response(body)
    candidate = response.candidate
    if candidate is None:
        msg = "The provider's answer holds no candidates."
        raise UpstreamMalformed(msg)
    reader = PartReader()
    parts: list[_Said] = []
    for part in reader.read(response):
        joined = _join(parts[-1], part) if parts else None
        if joined is None:
            parts.append(part)
        else:
            parts[-1] = joined
    if not parts and not candidate.is_finished:
        msg = "The provider's answer is empty."
        raise UpstreamMalformed(msg)
    return Reply(
        parts=tuple(parts),
        finish=candidate.finish(calls_tools=reader.tools > 0),
        id=response.response_id or "",
        model=response.model_version or "",
        usage=response.usage,
    )


def _join(before: _Said, after: _Said) -> _Said | None:
    """The two as one, where a part goes on in the next."""
    if isinstance(before, Text) and isinstance(after, Text):
        return Text(text=before.text + after.text)
    if isinstance(before, Thought) and isinstance(after, Thought):
        if before.signature or before.sealed or after.sealed:
            return None
        return replace(after, text=before.text + after.text)
    return None


def _count(count: _Count) -> int:
    return int(count) if count is not None and 0 < count <= _MAX_TOKENS else 0
