"""What a config file may say: one class per section, one field per setting, with its unit, default and meaning."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from penstock.config.section import Seconds, Section

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$")]
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(gt=0, le=86_400_000)]
Share = Annotated[float, Field(gt=0, le=1)]
PerMinute = Annotated[int, Field(ge=1)]

By: TypeAlias = Literal["lowest_latency", "cheapest", "weighted", "quality"]


def _weights(value: Any) -> Any:
    return (
        dict.fromkeys(value, 1.0) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value
    )


# A list of aliases is a map of equal weights.
Weights = Annotated[
    dict[str, Annotated[float, Field(gt=0, le=1_000_000)]], Field(min_length=1), BeforeValidator(_weights)
]

# Row A2 of the requirements: when both sides of a race fail there is an answer all the same.
DEGRADE_TEXT = "No model could answer just now. Please try again in a moment."
# Row A3 of the requirements.
ENDPOINT_REQUESTS_PER_MINUTE = {"/v1/conversations/end": 100, "/v1/activities/suggest": 60, "/health": 300}


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


class Provider(Section):
    """One account at one place that answers model calls."""

    kind: str = Field(description="`simulated`, `openai_compatible`, or a service that is known by name.")
    base_url: str | None = Field(
        default=None,
        description="Address of the API up to and with its version, such as `https://api.openai.com/v1`.",
    )
    api_key: SecretStr | None = Field(default=None, min_length=1, description="The provider's key, as `$ENV_NAME`.")
    api_version: str | None = Field(
        default=None,
        pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$",
        description="Azure's older addresses, with `base_url` that of the resource: `2024-10-21`. `model_id` is the "
        "deployment.",
    )
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


class Breaker(Section):
    """When a model is not asked for a while, because it fails, or is slow, too often."""

    failures: int = Field(default=5, ge=1, description="Failures in a row that open it.")
    open_s: Seconds = Field(default=60, description="How long nobody is asked then, in seconds.")
    probes: int = Field(
        default=1, ge=1, le=1000, description="Calls that are let in after that, to see; all must succeed."
    )
    error_rate: Share | None = Field(default=None, description="Share of failed calls that opens it too.")
    slow_rate: Share | None = Field(default=None, description="Share of slow calls that opens it too.")
    slow_ms: Milliseconds | None = Field(default=None, description="A first content later than this is slow.")
    window_s: Seconds = Field(default=30, description="The time that the shares are counted over, in seconds.")
    min_calls: int = Field(default=20, ge=1, description="Calls within it before a share says anything.")


class Bulkhead(Section):
    """How many calls are in one place at once; a few more wait, the rest are told at once."""

    most: int = Field(ge=1, description="Calls at once.")
    waiting: int = Field(default=0, ge=0, le=100_000, description="How many more may wait for one to end.")
    wait_ms: Milliseconds = Field(default=1000, description="How long they wait.")


class Resilience(Section):
    """What holds for every model that does not say otherwise."""

    breaker: Breaker = Field(default=Breaker(), description="When a failing model is not asked for a while.")
    retry_share: Share = Field(default=0.2, description="Retries of a model, as a share of its calls, at most.")
    retry_floor: int = Field(default=3, ge=0, le=1000, description="Retries in 10 s that are allowed in any case.")


class Model(Section):
    """An alias: one model at one provider, its limits and its price."""

    provider: str = Field(description="Name of a provider of this file.")
    model_id: str = Field(min_length=1, description="What the provider calls the model.")
    max_output_tokens: Tokens | None = Field(default=None, description="Most tokens an answer may have.")
    max_input_tokens: Tokens | None = Field(default=None, description="Most tokens a request may have.")
    cost_per_1k_tokens_usd: Usd | None = Field(
        default=None, description="Price of 1,000 tokens, in and out alike; without a price here it is looked up."
    )
    cost_per_1k_input_tokens_usd: Usd | None = Field(default=None, description="Price of 1,000 input tokens.")
    cost_per_1k_output_tokens_usd: Usd | None = Field(default=None, description="Price of 1,000 output tokens.")
    cost_per_1k_cached_tokens_usd: Usd | None = Field(
        default=None,
        description="Price of 1,000 input tokens that the provider has in its cache; none is as other input.",
    )
    cost_per_1k_cache_write_tokens_usd: Usd | None = Field(
        default=None, description="Price of 1,000 input tokens that the provider puts there; none is as other input."
    )
    resumable: bool = Field(
        default=False,
        description="Its streams that are cut go on at the next model of the route, with the text so far.",
    )
    quality: float = Field(default=0, description="How good it is, on your own scale; for `select: quality`.")
    breaker: Breaker | None = Field(default=None, description="Its own, in place of that of `resilience`.")
    bulkhead: Bulkhead | None = Field(default=None, description="How many calls it gets at once; none is no limit.")


def _step(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


class RaceOf(Section):
    """Two models at one call: the fallback starts when the main one is late or has failed; the first good answer wins.

    A stream wins with its first content. The main model is not retried, and may go on as long as the fallback may.
    """

    main: str = Field(description="The model alias that is asked first.")
    fallback: str = Field(description="The model alias that starts beside it.")
    after_ms: Milliseconds = Field(default=1500, description="When the fallback starts.")
    hedge: bool = Field(
        default=False, description="Start it already when the main model is later than 95 % of its own calls."
    )
    fallback_timeout_ms: Milliseconds | None = Field(
        default=4000, description="Both may take so long from then on; `null` is what is left of the deadline."
    )


class MirrorOf(Section):
    """A model that answers, and another one that is sent the same calls unseen."""

    main: str = Field(description="The model alias that answers.")
    copy_: str = Field(alias="copy", description="The model alias that gets the copies.")
    share: Share = Field(default=1, description="Share of the calls that are copied; each copy costs what it costs.")


class Step(Section):
    """One place of `first`: an alias, `{race: {main, fallback}}`, `{select, among}` or `{degrade: "text"}`."""

    use: str | None = Field(default=None, description="A model alias; written bare.")
    select: By | None = Field(default=None, description="One of `among`, and the others when it fails.")
    among: Weights | None = Field(default=None, description="The equals that `select` chooses from.")
    race: RaceOf | None = Field(default=None, description="Two models at one call.")
    degrade: str | None = Field(default=None, min_length=1, description="A fixed answer; the last resort.")

    @property
    def aliases(self) -> dict[tuple[str, ...], str]:
        """The model aliases that it names, by where in it."""
        if self.race is not None:
            return {("race", "main"): self.race.main, ("race", "fallback"): self.race.fallback}
        if self.among is not None:
            return {("among", alias): alias for alias in self.among}
        return {} if self.use is None else {(): self.use}


class Route(Section):
    """A task or route name: which models answer it, in which order, and how long each may take.

    Written as an alias, as `{primary, fallback}`, as `{first: [a, b, {degrade: "text"}]}` or as
    `{race: {main, fallback}}`. A time that is not given here is the endpoint's.
    """

    primary: str | None = Field(default=None, description="The model alias that is asked first.")
    fallback: str | None = Field(default=None, description="The model alias that is asked when the primary fails.")
    first: list[Annotated[Step, BeforeValidator(_step)]] | None = Field(
        default=None, min_length=1, description="Aliases in order, each asked when the one before failed."
    )
    race: RaceOf | None = Field(
        default=None, description="Two models at one call, the second one later; where both fail, `degrade` answers."
    )
    degrade: str | None = Field(
        default=None,
        min_length=1,
        description="A fixed answer where no model gives one. A race without it has a text of its own.",
    )
    split: Weights | None = Field(default=None, description="Aliases by weight, one for each call: canary, A/B.")
    sticky: Literal["user", "tenant"] | None = Field(
        default=None, description="The same user, or tenant, always gets the same side of `split`."
    )
    mirror: MirrorOf | None = Field(default=None, description="One model answers, another gets the same calls: shadow.")
    select: By | None = Field(
        default=None,
        description="One of `among`: `lowest_latency`, `cheapest`, `weighted` or `quality`; the others when it fails.",
    )
    among: Weights | None = Field(
        default=None, description="The equals that `select` chooses from: a list, or a map to weights for `weighted`."
    )
    deadline_ms: Milliseconds | None = Field(default=None, description="The whole call may take this long.")
    attempt_timeout_ms: Milliseconds | None = Field(default=None, description="One attempt that is not streamed.")
    first_content_ms: Milliseconds | None = Field(
        default=None, description="One streamed attempt, up to its first content."
    )
    idle_gap_ms: Milliseconds | None = Field(default=None, description="Silence between two chunks after that.")
    min_tokens_per_s: float | None = Field(
        default=None, gt=0, le=100_000, description="A stream that is slower, over 10 s, is given up."
    )
    retry: Literal["fast", "patient"] = Field(
        default="fast", description="`fast`: 2 retries within a second. `patient`: 5 retries, 1 to 16 s apart."
    )
    isolate: Bulkhead | None = Field(
        default=None, description="How many calls of this route one tenant has at once; none is no limit of its own."
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
            steps = list(self.first)
        elif self.race is not None:
            steps = [Step(race=self.race)]
        elif self.select is not None:
            steps = [Step(select=self.select, among=self.among)]
        else:
            steps = [Step(use=alias) for alias in (self.primary, self.fallback) if alias is not None]
        last_resort = self.degrade or (DEGRADE_TEXT if self.race is not None else None)
        return steps if last_resort is None or not steps else [*steps, Step(degrade=last_resort)]


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
    when_unpriced: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="A model whose price nobody knows, where there is a budget. `refuse`: 403. `allow`: it counts as free.",
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
