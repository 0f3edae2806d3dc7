"""What a config file may say: one class per section, one field per setting, with its unit, default and meaning."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$")]
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(gt=0, le=86_400_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
PerMinute = Annotated[int, Field(ge=1)]

SQLITE = "sqlite:///"
# Row A3 of the requirements.
ENDPOINT_REQUESTS_PER_MINUTE = {"/v1/conversations/end": 100, "/v1/activities/suggest": 60, "/health": 300}


class Section(BaseModel):
    """A part of the file: frozen, and every key in it is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(Section):
    """Where the gateway listens, and what it takes from a client. Each is also `PENSTOCK_SERVER_<NAME>`."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; any but loopback needs keys."
    )
    port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on; 0 lets the system choose one.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that serve; with more than 1 another one owns the store."
    )
    environment: Literal["production", "development"] = Field(
        default="production", description="`development` permits what no production may: `tls_verify: false`."
    )
    debug: bool = Field(default=False, description="Whether `/debug` exists: faults of simulated providers.")
    keyless_loopback: bool = Field(
        default=False,
        description="Native and admin paths need no key. Only with `debug` and demo keys, only on loopback.",
    )
    max_body_bytes: int = Field(default=16_777_216, ge=1024, description="Largest request body; above it is a 413.")
    max_head_bytes: int = Field(
        default=32_768, ge=1024, description="Largest request line with headers; above it is a 431."
    )
    head_timeout_s: Seconds = Field(default=10, description="A request's head must arrive within this, in seconds.")
    body_timeout_s: Seconds = Field(default=60, description="A request's body must arrive within this, in seconds.")
    drain_timeout_s: Seconds = Field(
        default=30, description="Calls in flight may end within this after SIGTERM, in seconds."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Log lines for people (`console`) or for machines (`json`)."
    )


class Cache(Section):
    """The exact cache of answers, in memory."""

    max_entries: int = Field(default=10_000, ge=0, description="Answers kept; 0 turns the cache off.")
    max_bytes: int = Field(default=33_554_432, ge=0, description="Memory that kept answers may take.")
    ttl_s: Seconds = Field(default=3600, description="How long an answer is served again, in seconds.")
    max_entry_bytes: int = Field(default=1_048_576, ge=0, description="A larger answer is not kept.")


class Store(Section):
    """Where records, ledger and audit are kept. Each is also `PENSTOCK_STORE_<NAME>`, the pepper `PENSTOCK_PEPPER`."""

    url: str = Field(
        default="sqlite:///penstock.db",
        pattern=r"^sqlite:///[^?#]+$",
        description="`sqlite:///file` (relative to the working directory) or `sqlite:////absolute/file`.",
    )
    durability: Literal["group", "strict"] = Field(
        default="group", description="`group`: on disk within 20 ms. `strict`: calls wait for the disk."
    )
    pepper: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret that keys are hashed with, 32 characters or more. Default: a file beside the database.",
    )
    cache: Cache = Field(default=Cache(), description="Bounds of the answer cache.")

    @property
    def database(self) -> Path:
        """The SQLite file, absolute."""
        return Path(self.url.removeprefix(SQLITE)).absolute()

    @property
    def log_directory(self) -> Path:
        """The folder of the audit log's segments, beside the database."""
        return self.database.with_name(f"{self.database.name}.log")


class Provider(Section):
    """One account at one place that answers model calls."""

    kind: str = Field(description="`simulated`, `openai_compatible`, or a service that is known by name.")
    base_url: str | None = Field(
        default=None,
        description="Address of the API up to and with its version, such as `https://api.openai.com/v1`.",
    )
    api_key: SecretStr | None = Field(default=None, min_length=1, description="The provider's key, as `$ENV_NAME`.")
    ca_file: Path | None = Field(default=None, description="Certificates (PEM) to trust beside the system's.")
    tls_verify: bool = Field(
        default=True, description="Whether it must prove who it is; false only with `server.environment: development`."
    )
    latency_ms: float = Field(default=0, ge=0, le=600_000, description="Simulated: time to first content.")
    tokens_per_s: float | None = Field(
        default=None, gt=0, le=1_000_000, description="Simulated: speed of a streamed answer; none is at once."
    )
    fail_rate: float = Field(default=0, ge=0, le=1, description="Simulated: share of calls that fail.")
    fail_kind: str = Field(
        default="error_500",
        min_length=1,
        description="Simulated: how they fail: `error_500`, `error_429`, `hang`, `hang_mid_stream`, `cut`, `malformed`, "
        "`no_usage` or `html`.",
    )


class Model(Section):
    """An alias: one model at one provider, its limits and its price."""

    provider: str = Field(description="Name of a provider of this file.")
    model_id: str = Field(min_length=1, description="What the provider calls the model.")
    max_output_tokens: Tokens | None = Field(default=None, description="Most tokens an answer may have.")
    max_input_tokens: Tokens | None = Field(default=None, description="Most tokens a request may have.")
    cost_per_1k_tokens_usd: Usd | None = Field(default=None, description="Price of 1,000 tokens, in and out alike.")
    cost_per_1k_input_tokens_usd: Usd | None = Field(default=None, description="Price of 1,000 input tokens.")
    cost_per_1k_output_tokens_usd: Usd | None = Field(default=None, description="Price of 1,000 output tokens.")


def _step(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


class Step(Section):
    """One place of `first`: an alias, or `{degrade: "text"}`."""

    use: str | None = Field(default=None, description="A model alias; written bare.")
    degrade: str | None = Field(default=None, min_length=1, description="A fixed answer; the last resort.")


class Route(Section):
    """A task or route name: which models answer it, in which order, and how long each may take.

    Written as an alias, as `{primary, fallback}` or as `{first: [a, b, {degrade: "text"}]}`. A time
    that is not given here is the endpoint's.
    """

    primary: str | None = Field(default=None, description="The model alias that is asked first.")
    fallback: str | None = Field(default=None, description="The model alias that is asked when the primary fails.")
    first: list[Annotated[Step, BeforeValidator(_step)]] | None = Field(
        default=None, min_length=1, description="Aliases in order, each asked when the one before failed."
    )
    race: Any = Field(default=None, description="Hedged calls; comes with a later version.")
    split: Any = Field(default=None, description="Canary and A/B by weight; comes with a later version.")
    mirror: Any = Field(default=None, description="Shadow calls; comes with a later version.")
    select: Any = Field(default=None, description="Choice by latency or price; comes with a later version.")
    deadline_ms: Milliseconds | None = Field(default=None, description="The whole call may take this long.")
    attempt_timeout_ms: Milliseconds | None = Field(default=None, description="One attempt that is not streamed.")
    first_content_ms: Milliseconds | None = Field(
        default=None, description="One streamed attempt, up to its first content."
    )
    idle_gap_ms: Milliseconds | None = Field(default=None, description="Silence between two chunks after that.")
    retry: Literal["fast", "patient"] = Field(
        default="fast", description="`fast`: 2 retries within a second. `patient`: 5 retries, 1 to 16 s apart."
    )
    max_input_tokens: Tokens | None = Field(default=None, description="Most tokens a request of this route may have.")
    max_output_tokens: Tokens | None = Field(default=None, description="Most tokens an answer of this route may have.")

    @model_validator(mode="before")
    @classmethod
    def _bare_alias(cls, value: Any) -> Any:
        return {"primary": value} if isinstance(value, str) else value

    @property
    def steps(self) -> list[Step]:
        """The plan in its one long form."""
        if self.first is not None:
            return self.first
        return [Step(use=alias) for alias in (self.primary, self.fallback) if alias is not None]


class Tier(Section):
    """What a class of tenants may use, and how much. Left out means no limit of its own, unless a default is named."""

    allowed_models: list[str] = Field(min_length=1, description="Model aliases that this tier may use.")
    daily_budget_usd: Usd | None = Field(default=None, description="Money per tenant and UTC day.")
    max_input_tokens: Tokens | None = Field(default=None, description="Most tokens a request may have.")
    max_output_tokens: Tokens | None = Field(default=None, description="Most tokens an answer may have.")
    requests_per_minute: PerMinute = Field(default=100, description="Requests of one tenant in a minute.")
    user_requests_per_minute: PerMinute | None = Field(default=None, description="Requests of one user of a tenant.")
    concurrent_requests: int | None = Field(default=None, ge=1, description="Calls of one tenant in flight at once.")
    when_over_budget: Literal["refuse", "degrade"] = Field(
        default="refuse", description="`refuse`: 429. `degrade`: `degrade_to`, or `degrade_text` without one."
    )
    when_not_allowed: Literal["refuse", "degrade"] = Field(
        default="refuse",
        description="A model outside `allowed_models`. `refuse`: 403. `degrade`: `degrade_to` answers.",
    )
    degrade_to: str | None = Field(default=None, description="The model alias that answers instead.")
    degrade_text: str | None = Field(default=None, min_length=1, description="The answer where no model may give one.")


class Key(Section):
    """One key of a tenant."""

    name: Name = Field(description="What audit and logs call the key.")
    key: SecretStr = Field(min_length=8, max_length=512, description="The key, as `$ENV_NAME`; 256 random bits.")


class Tenant(Section):
    """A customer, team or product: its tier and its keys."""

    tier: str = Field(description="Name of a tier of this file.")
    keys: list[Key] = Field(default=[], description="Keys that prove this tenant.")


class Limits(Section):
    """Requests per minute of single endpoints, whatever the tier."""

    endpoints: dict[str, PerMinute] = Field(
        default={},
        validate_default=True,
        description="Path to requests per minute; what is not named keeps its default.",
    )

    @field_validator("endpoints", mode="after")
    @classmethod
    def _keep_defaults(cls, value: dict[str, int]) -> dict[str, int]:
        return {**ENDPOINT_REQUESTS_PER_MINUTE, **value}


class Prompts(Section):
    """Where registered prompts lie."""

    directory: Path = Field(
        default=Path("prompts"), description="Folder of `<prompt_id>/<version>.yaml`, beside this file."
    )
