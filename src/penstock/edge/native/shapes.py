"""What goes over the wire on the native paths: pydantic models, which are also the OpenAPI schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

# Longer names and larger limits than these are mistakes, and would only fill keys, logs and columns.
NAME_CHARS = 256
MOST_OUTPUT_TOKENS = 1_000_000

Name = Annotated[str, Field(max_length=NAME_CHARS)]


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 256.0 is the integer 256."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


OutputTokens = Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS), BeforeValidator(_whole)]

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
    temperature: float = Field(0.0, ge=0, le=2, description="0 is deterministic, and cached.")
    model: Name = Field("", description="A model alias or route, instead of the one that `task` names.")
    cache: Literal["auto", "on", "off"] = Field("auto", description="Whether an answer may come from the cache.")
    explain: bool = Field(False, description="Add the routing decision to the answer.")

    @model_validator(mode="after")
    def _one_source_of_text(self) -> ChatRequest:
        """A message or a prompt, and every variable once."""
        if self.prompt_id is None and self.prompt_version is not None:
            raise ValueError("`prompt_id` is missing: `prompt_version` is the version of the prompt that it names.")
        if self.prompt_id is None and self.message is None:
            raise ValueError("Give a `message`, or a `prompt_id`.")
        if self.message is not None and "message" in self.variables:
            raise ValueError("`message` is given twice: as a field and in `variables`.")
        return self


class TokenUsage(BaseModel):
    """Tokens of one answer; estimated when the provider counted none."""

    input_tokens: int
    output_tokens: int
    estimated: bool


class ChatAnswer(BaseModel):
    """The answer, and what it took to get it."""

    trace_id: str
    answer: str
    provider: str
    model: str
    cache_hit: bool
    fallback_used: bool
    retry_count: int
    latency_ms: float
    estimated_cost_usd: float
    prompt_id: str | None
    prompt_version: str | None
    degraded: bool = Field(description="True for a fixed text instead of a model's answer.")
    finish_reason: str | None
    usage: TokenUsage
    decision: dict[str, Any] | None = Field(default=None, description="Only with `explain`.")


class Health(BaseModel):
    """`ok`, and with an admin key the detail beside it."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether new calls are taken."""

    status: Literal["ready", "not_ready"]


class FaultRequest(Request):
    """What a simulated provider shall do wrong."""

    fail: bool = Field(description="True to break it, false to mend it.")
    kind: Name = Field("error_500", min_length=1, description="How it fails.")
    rate: float = Field(1.0, ge=0, le=1, description="How often, from 0 to 1.")


class FaultState(BaseModel):
    """What the simulated provider does from now on."""

    provider: str
    fail: bool
    kind: str | None
    rate: float | None


class AuditFilter(BaseModel):
    """Which audit events; times are RFC 3339 or Unix seconds."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: Name | None = Field(None, description="One tenant's events.")
    trace_id: Name | None = Field(None, description="One call's event.")
    since: Time | None = Field(None, description="Not before this time.")
    until: Time | None = Field(None, description="Before this time.")
    limit: int = Field(50, ge=1, le=500, description="How many.")
    cursor: int | None = Field(None, ge=0, le=LARGEST_CURSOR, description="The last page's `next_cursor`.")


class AuditEvents(BaseModel):
    """Audit events, newest first. `next_cursor` is null on the last page."""

    events: list[dict[str, Any]]
    next_cursor: int | None


class ErrorDetail(BaseModel):
    """What went wrong and how to cure it."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Every error of every path has this shape."""

    error: ErrorDetail


class ModelCard(BaseModel):
    """A model as OpenAI's clients know it."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelCards(BaseModel):
    """A list of models."""

    object: Literal["list"]
    data: list[ModelCard]
