"""What parts need of the world outside them. A port never imports an implementation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from penstock.core.answer import Answer
from penstock.core.call import Call, Identity, RateState
from penstock.core.plan import Price, Sold
from penstock.core.policy import Policy

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
Clock: TypeAlias = Callable[[], float]


# --- outbound HTTP ---------------------------------------------------------------------------------------------------


class Origin(Struct, frozen=True):
    """Scheme (``http`` or ``https``), host and port: what a provider key is tied to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute ``http`` or ``https`` URL. Raises ``ValueError``."""
        parts = urlsplit(url)  # itself raises ValueError, and so does its `port`
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise ValueError("a URL must look like https://llm.example.com/v1, without a user or password")
        return cls(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


class Endpoint(Struct, frozen=True):
    """Where requests go and what all of them say. ``path`` starts with ``/``; host and framing are the transport's."""

    origin: Origin
    method: bytes
    path: bytes
    headers: Headers


class Receiver(Protocol):
    """Takes a response body as it arrives."""

    def body_received(self, data: bytes) -> None:
        """Take the next piece, split anywhere."""

    def body_ended(self) -> None:
        """The body is whole."""

    def body_failed(self, error: Exception) -> None:
        """The body was cut (``UpstreamCut``) or a limit was broken (``UpstreamMalformed``)."""


class HttpResponse(Protocol):
    """A response whose head has come: ``read`` it, or ``attach`` a receiver and ``close`` it in the end."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Headers:
        """Names in lower case, in the order in which they came."""

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body; closes the response, whatever happens.

        Raises ``UpstreamCut`` when cut, ``UpstreamMalformed`` when over ``limit_bytes``.
        """

    def attach(self, receiver: Receiver) -> None:
        """Push the body to ``receiver``, from what has come already on."""

    def pause(self) -> None:
        """Stop reading from the socket."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Give the connection back when the body is whole, drop it otherwise. May be called twice."""


class Send(Protocol):
    """Sends one request with this body, and with header ``lines`` beside the endpoint's own, each ended by CRLF."""

    def __call__(self, body: bytes, lines: bytes = b"", /) -> Coroutine[Any, Any, HttpResponse]:
        """Return at the response's head; cancelling it or closing the response frees the connection.

        Raises ``UpstreamUnavailable``, ``UpstreamTimeout`` and ``UpstreamMalformed``.
        """


class Transport(Protocol):
    """Sends requests; bounded, pooled."""

    def bind(self, endpoint: Endpoint) -> Send:
        """Prepare once what every request to ``endpoint`` says. Raises ``ValueError`` for what would break framing."""

    async def aclose(self) -> None:
        """Drop every connection."""


# --- state -----------------------------------------------------------------------------------------------------------


class Verdict(Struct, frozen=True, array_like=True):
    """Whether a hit was admitted, and what is left of the window.

    ``retry_s`` is when one more hit fits, if nobody else hits; 0 when this one was admitted.
    """

    admitted: bool
    state: RateState
    retry_s: float = 0.0


class Hit(Struct, frozen=True, array_like=True):
    """One hit to be counted against the window of ``key``: at most ``limit`` in ``window_s``."""

    key: str
    limit: int
    window_s: float


class Counters(Protocol):
    """Counts of hits per key and window (``memory``; later shared ones)."""

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """Count one hit if the window still has room; a refused hit is not counted."""

    async def hit_all(self, hits: Sequence[Hit]) -> list[Verdict]:
        """Count one hit in every window (of different keys), or in none if one of them has no room. In order."""


class Admission(Struct, frozen=True, array_like=True):
    """Whether one more call of a tenant was let in; ``in_flight`` are its calls then, this one among them if it was.

    ``verdicts`` answers the hits in order; it is empty when the tenant had no slot left, and then nothing was counted.
    """

    admitted: bool
    in_flight: int
    verdicts: Sequence[Verdict] = ()


class Admissions(Protocol):
    """Calls in flight per tenant, let in together with the hits that they are. Outlives a new configuration."""

    async def admit(self, tenant: str, most: int | None, hits: Sequence[Hit]) -> Admission:
        """Take a slot (of ``most``) and count every hit, or do neither. Raises ``StoreFailed`` when nobody can tell."""

    def leave(self, tenant: str) -> None:
        """Give a slot back. Once for each that was admitted."""


class Reservation(Struct, frozen=True):
    """Money held for one call on one UTC day (days since 1970). Nano-USD."""

    tenant: str
    day: int
    amount_nano_usd: int


class Budgets(Protocol):
    """Money leased to this process, reserved per call in memory and settled with the real cost. Nano-USD."""

    def reserve(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int | None) -> Reservation | None:
        """Hold ``amount_nano_usd`` of today's limit; ``None`` when it does not fit, or not in what this process has at hand.

        Nothing always fits.
        """

    async def borrow(self, tenant: str, amount_nano_usd: int, limit_nano_usd: int) -> Reservation | None:
        """``reserve`` again, with money that this process does not have at hand. Raises ``StoreFailed``."""

    def settle(self, reservation: Reservation, cost_nano_usd: int) -> None:
        """Replace a reservation by what was really spent, on the day that it was made. Once for each."""

    def settled_nano_usd(self, tenant: str) -> int:
        """What calls of the current UTC day have really cost."""

    def spent_nano_usd(self, tenant: str) -> int:
        """Settled and reserved of the current UTC day."""


class PricesUnknown(Exception):
    """A list of prices cannot be read: why, the ``cure``, and the prices that need none."""

    def __init__(self, message: str, cure: str, rest: Mapping[str, Price] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.cure = cure
        self.rest = rest


class PriceList(Protocol):
    """Knows what models cost."""

    def __call__(self, models: Mapping[str, Sold], database: Path, /) -> Mapping[str, Price]:
        """The prices of ``models``, as far as they are known, by the same names; it may keep a file beside ``database``.

        Raises ``PricesUnknown``.
        """


class Log(Protocol):
    """An append-only, tamper-evident log with group commit."""

    def append(self, record: Struct | dict[str, Any]) -> int:
        """Queue a record, one JSON object, and return its sequence number.

        Raises ``StoreFailed`` once a write has failed.
        """

    async def flushed(self, sequence: int) -> None:
        """Wait until that record is on the disk. Raises ``StoreFailed``."""


class AuditQuery(Struct, frozen=True):
    """Filter of audit records; times are Unix seconds, ``cursor`` is the last answer's ``next_cursor``."""

    tenant: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    since_s: float | None = None
    until_s: float | None = None
    limit: int = 50
    cursor: int | None = None


class AuditPage(Struct, frozen=True):
    """Records, newest first; ``next_cursor`` is ``None`` on the last page."""

    events: list[dict[str, Any]]
    next_cursor: int | None


class Records(Protocol):
    """The queryable index over the log."""

    async def query(self, query: AuditQuery) -> AuditPage:
        """Everything appended before this call is visible to it.

        Raises ``StoreFailed`` when a record that belongs on the page was changed or cannot be read.
        """


class Shelf(Protocol):
    """What callers come back for, such as answers: values under keys, each tenant's own, until they are too old.

    Bounded: the oldest go first, the tenant's where that one has too much, otherwise of all. A key that nobody has
    given out may be asked for, whatever it is. Each method may raise ``StoreFailed``.
    """

    @property
    def most_bytes(self) -> int:
        """The largest value that is kept; 0 where nothing is."""

    async def keep(self, tenant: str, key: str, value: bytes) -> bool:
        """Put ``value`` under ``key`` (ASCII, 256 characters at most), in place of what was there.

        False, and nothing is changed, when it is empty, larger than ``most_bytes``, or the key cannot be one.
        """

    async def find(self, tenant: str, key: str) -> bytes | None:
        """What was kept under ``key`` for this tenant, unless it is too old."""

    async def forget(self, tenant: str, key: str) -> bool:
        """Remove what was kept under ``key`` for this tenant; whether it was there."""


# --- the composed gateway, as edges see it ---------------------------------------------------------------------------


class Fault(Struct, frozen=True, kw_only=True):
    """What a simulated provider does wrong, and how often (0 to 1)."""

    kind: str = "error_500"
    rate: float = 1.0


class Gateway(Protocol):
    """Everything that an edge may ask for. A reload swaps what stands behind it, never the object itself."""

    @property
    def policy(self) -> Policy:
        """Tiers, tenants, routes and targets in force."""

    @property
    def ready(self) -> bool:
        """False from the first sign of shutdown on, and while the ledger cannot be written."""

    @property
    def keyless(self) -> bool:
        """The demo on loopback: native and admin paths need no key."""

    @property
    def debug(self) -> bool:
        """Whether ``/debug`` exists."""

    @property
    def shelf(self) -> Shelf:
        """Answers that callers may go on from."""

    def authenticate(self, key: str | None) -> Identity:
        """Prove a key. Raises ``Unauthenticated``."""

    def answer(self, call: Call) -> Awaitable[Answer]:
        """The pipeline. Raises ``PenstockError``."""

    async def committed(self) -> None:
        """Wait until what a call has left is on the disk, where the operator asked for that. Raises ``StoreFailed``."""

    async def audit(self, query: AuditQuery) -> AuditPage:
        """A page of audit events, newest first."""

    async def metrics(self) -> bytes:
        """Prometheus text, of all workers."""

    async def set_fault(self, provider: str, fault: Fault | None) -> None:
        """Make a simulated provider fail in every worker, or mend it. Raises ``NotFound``."""

    async def health(self) -> dict[str, Any]:
        """What an operator wants to see: version, uptime, config, store, targets."""
