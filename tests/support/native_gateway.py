"""A gateway without a pipeline and a client without a socket, for tests of the native edge."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI

from penstock.core.answer import Answer, Outcome
from penstock.core.call import Attempt, Call, Identity, Usage
from penstock.core.errors import NotFound, PenstockError, Unauthenticated, UnknownTenant
from penstock.core.plan import Decision, Exclusion, Target, Use
from penstock.core.policy import Policy, Route, Tier
from penstock.core.ports import AuditPage, AuditQuery, Fault
from penstock.edge.native import create_app
from penstock.stores.memory import MemoryCounters
from support.shelves import memory_shelf

ADMIN, PRO, FREE, WRONG = "sk-admin", "sk-pro", "sk-free", "sk-wrong"
KEYS = {
    ADMIN: Identity("", "admin", admin=True),
    PRO: Identity("tenant_pro", "app"),
    FREE: Identity("tenant_free", "app"),
}
POLICY = Policy(
    tiers={
        "pro": Tier(name="pro", allowed_models=frozenset({"fast", "strong"})),
        "free": Tier(name="free", allowed_models=frozenset({"fast"})),
    },
    tenants={"tenant_pro": "pro", "tenant_free": "free"},
    routes={"chat": Route(name="chat", plan=Use("fast"))},
    targets={"fast": Target("fast", "mock-fast", "fast-v1"), "strong": Target("strong", "mock-strong", "strong-v1")},
    endpoint_requests_per_minute={"/health": 300},
)
EVENTS = [{"trace_id": "t1", "tenant_id": "tenant_pro"}, {"trace_id": "t2", "tenant_id": "tenant_free"}]


class FakeGateway:
    """Answers every call with ``text``, or with ``trouble``; ``hold`` keeps answers back until it is set.

    A cancelled call is a ``None`` among ``outcomes``; a ``stubborn`` gateway answers all the same.
    """

    def __init__(self, *, keyless: bool = False, debug: bool = True) -> None:
        self.policy = POLICY
        self.ready = True
        self.keyless = keyless
        self.debug = debug
        self.text = "It is a refund case."
        self.trouble: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.stubborn = False
        self.asked = asyncio.Event()
        self.calls: list[Call] = []
        self.invalid: list[Call] = []
        self.outcomes: list[Outcome | None] = []
        self.queries: list[AuditQuery] = []
        self.faults: dict[str, Fault | None] = {}
        self.shelf = memory_shelf()

    def authenticate(self, key: str | None) -> Identity:
        """Prove a key."""
        if key not in KEYS:
            raise Unauthenticated("This key is not known.")
        return KEYS[key]

    async def answer(self, call: Call) -> Answer:
        """What ``text``, ``trouble`` and ``hold`` say; an invalid call is refused, as by the pipeline."""
        if call.invalid is not None:
            self.invalid.append(call)
            raise call.invalid
        self.calls.append(call)
        self.asked.set()
        if self.hold is not None:
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    self.outcomes.append(None)
                    raise
        if call.identity.tenant not in self.policy.tenants:
            raise UnknownTenant("No such tenant.")
        if self.trouble is not None:
            raise self.trouble
        trail = call.trail
        trail.provider, trail.model, trail.cache, trail.fallback_used = "mock-strong", "strong-v1", "miss", True
        failed = Attempt("fast", "mock-fast", "fast-v1", 1.0, "upstream_unavailable")
        trail.attempts += [failed, failed, Attempt("strong", "mock-strong", "strong-v1", 2.0)]
        trail.decision = Decision("chat", "task", ("strong",), (Exclusion("fast", "tier", "not allowed"),))
        if call.prompt is not None:
            trail.prompt_id, trail.prompt_version = call.prompt.prompt_id, call.prompt.version
        message = {"role": "assistant", "content": self.text}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        answer = Answer("openai", body=msgspec.json.encode(body), usage=Usage(12, 7))
        answer.on_close(lambda outcome: self._settle(call, outcome))
        return answer

    def _settle(self, call: Call, outcome: Outcome) -> None:
        call.trail.cost_nano_usd = 8_000
        self.outcomes.append(outcome)

    async def committed(self) -> None:
        """Nothing is kept here."""

    async def audit(self, query: AuditQuery) -> AuditPage:
        """The two events, by tenant."""
        self.queries.append(query)
        return AuditPage([event for event in EVENTS if query.tenant in (None, event["tenant_id"])], None)

    async def metrics(self) -> bytes:
        """One counter."""
        return b"# TYPE llm_requests_total counter\nllm_requests_total 1\n"

    async def set_fault(self, provider: str, fault: Fault | None) -> None:
        """Keep the fault of ``mock-fast``."""
        if provider != "mock-fast":
            raise NotFound("No simulated provider of that name; there is mock-fast.")
        self.faults[provider] = fault

    async def health(self) -> dict[str, Any]:
        """Some detail."""
        return {"version": "0", "uptime_s": 1.0}


def make_app(gateway: FakeGateway, clock: Callable[[], float] | None = None) -> FastAPI:
    """The application around a fake gateway; ids count up, and so does the clock unless one is given."""
    ids, ticks = itertools.count(1), itertools.count()
    return create_app(
        gateway,
        MemoryCounters(lambda: 0.0),
        version="0.0.1",
        clock=clock or (lambda: next(ticks) / 1000),
        new_id=lambda: f"{next(ids):032x}",
    )


class Reply:
    """What came back."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        self.body = body

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, after a look at the error's shape."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert self.headers["content-type"] == "application/json"
        return str(error["code"])


class Client:
    """Speaks ASGI to an application from one peer address; ``gone`` is set when this client hangs up."""

    def __init__(self, app: FastAPI, *, peer: str = "127.0.0.1", host: str = "127.0.0.1:8000") -> None:
        self._app = app
        self._peer = peer
        self._host = host
        self.gone = asyncio.Event()

    async def get(self, path: str, *, key: str | None = None, **headers: str) -> Reply:
        """Send a GET."""
        return await self.send("GET", path, key=key, headers=headers)

    async def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> Reply:
        """Send a POST; anything but bytes is encoded as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send("POST", path, key=key, body=raw, headers={"content-type": "application/json"} | headers)

    async def send(
        self, method: str, path: str, *, key: str | None = None, body: bytes = b"", headers: dict[str, str]
    ) -> Reply:
        """Send anything."""
        fields = {"host": self._host} | {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            fields["authorization"] = f"Bearer {key}"
        location, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": location,
            "raw_path": location.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            "client": (self._peer, 50_000),
            "server": ("127.0.0.1", 8000),
        }
        incoming = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop()
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def take(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, take)
        if not sent:
            raise ConnectionError("the application sent no response")
        return Reply(sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:]))


def failure(code: str) -> PenstockError:
    """An error of the tree by its code."""
    classes = [PenstockError]
    for known in classes:
        classes.extend(known.__subclasses__())
    return next(known for known in classes if known.code == code)("Told to the caller.")
