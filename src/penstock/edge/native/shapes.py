"""What goes over the wire on the native paths: pydantic models, which are also the OpenAPI schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

# Longer names and larger limits than these are mistakes, and would only fill keys, logs and columns.
NAME_CHARS = 256
MOST_OUTPUT_TOKENS = 1_000_000

# Names end in logs, terminals and headers: no control characters, no line or paragraph separators.
Name = Annotated[str, Field(max_length=NAME_CHARS, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]

# The kind of mistake of two fields that are right each for itself.
CONTRADICTION = "contradiction"


def whole(value: Any) -> Any:
    """JSON knows one kind of number: 256.0 is the integer 256."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


OutputTokens = Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS), BeforeValidator(whole)]

# The year 9999, either way from 1970, and SQLite's largest integer: nothing beyond them can match.
LATEST_S = 253_402_300_799
LARGEST_CURSOR = 2**63 - 1

Time = Annotated[
    str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": -LATEST_S, "maximum": LATEST_S},
            ]
        }
    ),
]


class Request(BaseModel):
    """What every request body has in common: exact types, no unknown fields, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class ChatRequest(Request):
    """One question to a model, by task or by model, as plain text or through a registered prompt."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["prompt_id"], "properties": {"prompt_id": {"type": "string"}}},
                {
                    "required": ["message"],
                    "properties": {"message": {"type": "string"}, "prompt_version": {"type": "null"}},
                },
            ]
        }
    )

    tenant_id: Name = Field("", description="Whose call this is. A tenant's key says it already.")
    user_id: Name = Field("", description="Your user, for limits and audit; stored as a keyed hash.")
    task: Name = Field("chat", min_length=1, description="What the call is for; routing chooses the model by it.")
    message: str | None = Field(None, description="The user's text; with `prompt_id`, the prompt's variable `message`.")
    prompt_id: Name | None = Field(None, min_length=1, description="A registered prompt.")
    prompt_version: Name | None = Field(None, min_length=1, description="Its version, such as `v1`.")
    variables: dict[str, str] = Field(default_factory=dict, description="Values of the prompt's other variables.")
    max_output_tokens: OutputTokens | None = Field(
        None, description="The least of this and the task's, tier's and model's limit holds."
    )
    temperature: float = Field(0.0, ge=0, le=2, description="0, the default here, is cached.")
    model: Name = Field("", description="A model alias or route, instead of the one that `task` names.")
    cache: Literal["auto", "on", "off"] = Field("auto", description="Whether an answer may come from the cache.")
    explain: bool = Field(False, description="Add the routing decision to the answer.")

    @model_validator(mode="after")
    def _one_source_of_text(self) -> ChatRequest:
        """A message or a prompt, and every variable once."""
        if self.prompt_id is None and self.prompt_version is not None:
            raise _contradiction(
                "prompt_id", "`prompt_id` is missing: `prompt_version` is the version of the prompt that it names."
            )
        if self.prompt_id is None and self.message is None:
            raise _contradiction("message", "Give a `message`, or a `prompt_id`.")
        if self.message is not None and "message" in self.variables:
            raise _contradiction("message", "`message` is given twice: as a field and in `variables`.")
        return self


def _contradiction(param: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(CONTRADICTION, message, {"param": param})


class TokenUsage(BaseModel):
    """Tokens of one answer; estimated when the provider counted none."""

    input_tokens: int = Field(description="Tokens of the question, the prompt among them.")
    output_tokens: int = Field(description="Tokens of the answer, thoughts among them.")
    cached_tokens: int = Field(description="Of the question, those that the provider had in its cache.")
    cache_write_tokens: int = Field(description="Of the question, those that the provider has put there.")
    reasoning_tokens: int = Field(description="Of the answer, thoughts.")
    estimated: bool = Field(description="True when the provider counted none.")


class ChatAnswer(BaseModel):
    """The answer, and what it took to get it."""

    trace_id: str = Field(description="Finds this call in `GET /audit` and in your traces.")
    answer: str = Field(description="The model's text.")
    provider: str = Field(description="The provider that answered.")
    model: str = Field(description="What the provider calls the model that answered.")
    cache_hit: bool = Field(description="Whether the answer came from the cache.")
    fallback_used: bool = Field(description="Whether another target than the first answered.")
    retry_count: int = Field(description="Attempts beyond the first on each target.")
    latency_ms: float = Field(description="From the request's head to the answer.")
    estimated_cost_usd: float | None = Field(
        description="By the model's price (`penstock models --prices`); 0 from the cache, null without a known price."
    )
    prompt_id: str | None = Field(description="The registered prompt that was used, or null.")
    prompt_version: str | None = Field(description="Its version, or null.")
    degraded: bool = Field(description="True for a smaller model or a fixed text in place of what was asked for.")
    finish_reason: str | None = Field(description="Why the text ends: `stop`, `length` or another word of OpenAI's.")
    usage: TokenUsage = Field(description="Tokens that were used.")
    decision: dict[str, Any] | None = Field(
        default=None, description="With `explain`: which rule chose, what it excluded and what was left."
    )


class Health(BaseModel):
    """`ok`, and with an admin key the detail beside it."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok"] = Field(description="Always this.")


class Readiness(BaseModel):
    """Whether new calls are taken."""

    status: Literal["ready", "not_ready"] = Field(description="`not_ready` comes with a 503.")


FaultKind = Literal["error_429", "error_500", "hang", "hang_mid_stream", "cut", "malformed", "no_usage", "html"]


class FaultRequest(Request):
    """What a simulated provider shall do wrong."""

    fail: bool = Field(description="True to break it, false to mend it.")
    kind: FaultKind = Field("error_500", description="How it fails.")
    rate: float = Field(1.0, ge=0, le=1, description="How often, from 0 to 1.")


class FaultState(BaseModel):
    """What the simulated provider does from now on."""

    provider: str = Field(description="The provider's name.")
    fail: bool = Field(description="Whether it is broken.")
    kind: str | None = Field(description="How it fails, or null.")
    rate: float | None = Field(description="How often, or null.")


class AuditFilter(BaseModel):
    """Which audit events; times are RFC 3339 or Unix seconds."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: Name | None = Field(None, description="One tenant's events.")
    trace_id: Name | None = Field(None, description="Events of one trace.")
    request_id: Name | None = Field(None, description="Events of the call that was answered with this `x-request-id`.")
    since: Time | None = Field(None, description="Not before this time.")
    until: Time | None = Field(None, description="Before this time.")
    limit: int = Field(50, ge=1, le=500, description="How many.")
    cursor: int | None = Field(None, ge=0, le=LARGEST_CURSOR, description="The last page's `next_cursor`.")


class AuditEvents(BaseModel):
    """Audit events, newest first. `next_cursor` is null on the last page."""

    events: list[dict[str, Any]] = Field(description="One object for each call, newest first.")
    next_cursor: int | None = Field(description="Give it back as `cursor`; null on the last page.")


class ErrorDetail(BaseModel):
    """What went wrong and how to cure it."""

    message: str = Field(description="What to do about it, for people.")
    type: str = Field(description="OpenAI's word for the family of errors.")
    param: str | None = Field(description="The field or header that is wrong, where one is.")
    code: str = Field(description="Which error it is, for programs.")


class ErrorBody(BaseModel):
    """Every error of every path has this shape."""

    error: ErrorDetail = Field(description="The one error.")


class ModelCard(BaseModel):
    """A model as OpenAI's clients know it."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="What to write in `model`.")
    object: Literal["model"] = Field(description="Always this.")
    created: int = Field(description="Always 0: an alias has no age.")
    owned_by: str = Field(description="The provider behind it; `penstock` for a route.")


class ModelCards(BaseModel):
    """A list of models."""

    object: Literal["list"] = Field(description="Always this.")
    data: list[ModelCard] = Field(description="By name.")


class KeptAnswer(BaseModel):
    """An answer of the Responses API, as it was given."""

    model_config = ConfigDict(extra="allow")
    id: str = Field(description="By which it is read, removed and gone on from.")
    object: Literal["response"] = Field(description="Always this.")
    status: str = Field(description="`completed` or `incomplete`.")
    output: list[dict[str, Any]] = Field(description="What the model said.")


class KeptItems(BaseModel):
    """What a model read before an answer."""

    object: Literal["list"] = Field(description="Always this.")
    data: list[dict[str, Any]] = Field(description="Input items, and those of earlier answers.")
    first_id: str | None = Field(description="The first one's id, where it has one.")
    last_id: str | None = Field(description="The last one's.")
    has_more: bool = Field(description="Whether more follow.")


class Removed(BaseModel):
    """A kept answer that is gone."""

    id: str = Field(description="Its id.")
    object: Literal["response"] = Field(description="Always this.")
    deleted: Literal[True] = Field(description="Always this.")
