"""``Conversation`` and ``Reply``: what is asked and answered in a chat, in no provider's words.

The middle of every translation: a dialect reads its own shape into these values and writes them in its own shape, so
that N dialects need N readers and N writers. A call whose provider speaks the caller's dialect never comes here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from penstock.core.call import Usage

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

# --- where data lies -------------------------------------------------------------------------------------------------


class Url(Struct, frozen=True):
    """The provider fetches it."""

    url: str


class Inline(Struct, frozen=True):
    """It comes along, in base64. ``media_type`` as in `image/png`; ``""`` where nobody said."""

    media_type: str
    data: str


class Stored(Struct, frozen=True):
    """It was uploaded to the provider before."""

    file_id: str


Place: TypeAlias = Url | Inline | Stored

# --- what a message is made of ---------------------------------------------------------------------------------------


class Text(Struct, frozen=True, kw_only=True):
    """Words. ``cached_for`` is the life of a cache point after this part (`5m`, `1h`), ``""`` without one."""

    text: str
    cached_for: str = ""


class Image(Struct, frozen=True, kw_only=True):
    """A picture. ``detail`` is OpenAI's word for how closely it is looked at."""

    place: Place
    detail: str = ""
    cached_for: str = ""


class Sound(Struct, frozen=True, kw_only=True):
    """Speech or other sound; ``format`` as in `wav`."""

    format: str
    data: str


class Document(Struct, frozen=True, kw_only=True):
    """A file to be read: in a ``place``, or as plain ``text``."""

    place: Place | None = None
    text: str = ""
    title: str = ""
    context: str = ""
    cached_for: str = ""


class Thought(Struct, frozen=True, kw_only=True):
    """What a model thought before it spoke. It is given back in the next turn unchanged, or not at all.

    ``signature`` proves to ``signer`` (the dialect of the provider) that it is its own. ``sealed`` is a thought that
    only the provider can read.
    """

    text: str = ""
    signature: str = ""
    signer: str = ""
    sealed: str = ""


class ToolUse(Struct, frozen=True, kw_only=True):
    """The model calls a tool. ``arguments`` is JSON text as the model wrote it, or free text where ``freeform``.

    ``signature`` as in ``Thought``: some providers sign the call in place of the thought.
    """

    id: str
    name: str
    arguments: str
    freeform: bool = False
    signature: str = ""
    signer: str = ""
    cached_for: str = ""


class ToolResult(Struct, frozen=True, kw_only=True):
    """What the tool came back with. ``id`` is that of its ``ToolUse``; ``name`` the tool's, where it was said."""

    id: str
    parts: tuple[Text | Image | Document, ...]
    name: str = ""
    failed: bool = False
    cached_for: str = ""


class Refusal(Struct, frozen=True, kw_only=True):
    """The model said that it would not answer."""

    text: str


Part: TypeAlias = Text | Image | Sound | Document | Thought | ToolUse | ToolResult | Refusal


class Message(Struct, frozen=True, kw_only=True):
    """One turn, or part of one. ``name`` tells apart speakers of one role."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


# --- what else is asked ----------------------------------------------------------------------------------------------


class Tool(Struct, frozen=True, kw_only=True):
    """A function that the model may call. ``parameters`` is a JSON Schema; ``None`` is a tool that takes free text."""

    name: str
    description: str = ""
    parameters: Raw | None = None
    strict: bool | None = None
    cached_for: str = ""


class OneTool(Struct, frozen=True):
    """This tool must be called."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | OneTool


class JsonFormat(Struct, frozen=True, kw_only=True):
    """The answer is JSON; of this ``schema`` where there is one."""

    schema: Raw | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Thinking(Struct, frozen=True, kw_only=True):
    """How much a model thinks before it speaks: an effort, a budget, or neither, which leaves it to the model.

    ``shown`` is whether the caller wants to read it; ``None`` is the provider's default.
    """

    effort: Effort | None = None
    budget_tokens: int | None = None
    shown: bool | None = None


class Conversation(Struct, frozen=True, kw_only=True):
    """A whole chat request. ``None`` leaves a choice to the provider.

    ``unread`` are parameters of the caller's dialect that have no meaning here, as they were sent: a dialect that does
    not know one cannot honour it.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: JsonFormat | None = None
    thinking: Thinking | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    choices: int = 1
    top_logprobs: int | None = None
    logprobs: bool | None = None
    user: str = ""
    unread: dict[str, Raw] = {}


# --- what comes back -------------------------------------------------------------------------------------------------

Finish: TypeAlias = Literal["stop", "length", "tools", "filtered", "refused", "paused", "context"]


class Reply(Struct, frozen=True, kw_only=True):
    """A whole answer: one choice. ``stop`` is the stop sequence that ended it, ``model`` what the provider calls itself."""

    parts: tuple[Part, ...]
    finish: Finish
    id: str = ""
    model: str = ""
    stop: str = ""
    usage: Usage | None = None


# A stream, item by item: ``Begun`` first, ``Ended`` last, and between them parts one after another. A part goes on
# until one of another kind, another ``ToolBegun`` or a ``PartEnded`` comes; arguments of parallel tools may alternate.


class Begun(Struct, frozen=True, kw_only=True):
    """The provider has begun. ``usage`` is what it says of the input already."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None


class TextGrown(Struct, frozen=True):
    """More of an answer's text."""

    text: str


class RefusalGrown(Struct, frozen=True):
    """More of a refusal."""

    text: str


class ThoughtGrown(Struct, frozen=True):
    """More of a thought."""

    text: str


class ThoughtSigned(Struct, frozen=True):
    """The thought is complete, and this proves it (see ``Thought``)."""

    signature: str
    signer: str


class ThoughtSealed(Struct, frozen=True):
    """A whole thought that only the provider can read."""

    sealed: str
    signer: str


class ToolBegun(Struct, frozen=True, kw_only=True):
    """A tool is called; ``slot`` counts the answer's tools from 0, and names this one until the end."""

    slot: int
    id: str
    name: str
    freeform: bool = False
    signature: str = ""
    signer: str = ""


class ToolGrown(Struct, frozen=True):
    """More of the arguments of the tool in ``slot``."""

    slot: int
    text: str


class PartEnded(Struct, frozen=True):
    """What comes next is a part of its own."""


class Ended(Struct, frozen=True, kw_only=True):
    """The answer is complete."""

    finish: Finish
    stop: str = ""


class Used(Struct, frozen=True):
    """Tokens of all of it, as the provider counts them; the last one said holds."""

    usage: Usage


Item: TypeAlias = (
    Begun
    | TextGrown
    | RefusalGrown
    | ThoughtGrown
    | ThoughtSigned
    | ThoughtSealed
    | ToolBegun
    | ToolGrown
    | PartEnded
    | Ended
    | Used
)
