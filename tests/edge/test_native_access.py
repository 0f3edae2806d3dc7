from __future__ import annotations

import pytest

from support.native_gateway import ADMIN, FREE, PRO, WRONG, Client, FakeGateway, make_app

CHAT = {"tenant_id": "tenant_pro", "message": "Hello"}
CALLERS = ("no key", "wrong key", "own key", "other tenant's key", "admin key")
KEYS = {"no key": None, "wrong key": WRONG, "own key": PRO, "other tenant's key": FREE, "admin key": ADMIN}
PATHS = {
    # what tenant_pro's paths answer to each of CALLERS where no caller is trusted without a key
    "POST /chat": (401, 401, 200, 403, 200),
    "POST /llm/chat": (401, 401, 200, 403, 200),
    "GET /health": (200, 200, 200, 200, 200),
    "GET /health/liveness": (200, 200, 200, 200, 200),
    "GET /health/readiness": (200, 200, 200, 200, 200),
    "GET /metrics": (401, 401, 403, 403, 200),
    "GET /audit?tenant_id=tenant_pro": (401, 401, 200, 403, 200),
    "POST /debug/provider/mock-fast/fail": (401, 401, 403, 403, 200),
    "GET /v1/models": (401, 401, 200, 200, 200),
    "GET /v1/models/fast": (401, 401, 200, 200, 404),  # an admin key has no tenant, so it may call no model
}
KEYED = {"GET /v1/models", "GET /v1/models/fast"}


async def status(client: Client, route: str, key: str | None, **headers: str) -> int:
    method, _, path = route.partition(" ")
    if method == "GET":
        return (await client.get(path, key=key, **headers)).status
    body = {"fail": True} if path.startswith("/debug") else CHAT
    return (await client.post(path, body, key=key, **headers)).status


async def statuses(client: Client, key: str | None, **headers: str) -> dict[str, int]:
    return {route: await status(client, route, key, **headers) for route in PATHS}


def expected(caller: str) -> dict[str, int]:
    return {route: row[CALLERS.index(caller)] for route, row in PATHS.items()}


@pytest.mark.parametrize("caller", CALLERS)
async def test_every_path_answers_each_key_as_it_should(caller: str) -> None:
    assert await statuses(Client(make_app(FakeGateway())), KEYS[caller]) == expected(caller)


async def test_without_a_key_nothing_is_told_of_what_was_asked() -> None:
    client = Client(make_app(FakeGateway()))
    assert (await client.get("/audit?limit=0&nonsense=1")).status == 401
    assert (await client.post("/chat", b"{")).status == 401


async def test_keyless_loopback_needs_no_key_except_on_the_openai_face() -> None:
    client = Client(make_app(FakeGateway(keyless=True)))
    assert await statuses(client, None) == {route: 401 if route in KEYED else 200 for route in PATHS}


@pytest.mark.parametrize("caller", CALLERS[1:])
async def test_a_key_counts_for_what_it_is_even_where_none_is_needed(caller: str) -> None:
    assert await statuses(Client(make_app(FakeGateway(keyless=True))), KEYS[caller]) == expected(caller)


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        ("192.0.2.7", "127.0.0.1:8000", {}),
        ("127.0.0.1", "evil.example", {}),
        ("127.0.0.1", "evil.example:8000", {}),
        ("127.0.0.1", "127.0.0.1.evil.example", {}),
        ("127.0.0.1", "", {}),
        ("127.0.0.1", "[::1", {"origin": "https://evil.example"}),
        ("127.0.0.1", "127.0.0.1:8000", {"origin": "https://evil.example"}),
        ("127.0.0.1", "127.0.0.1:8000", {"origin": "null"}),
        ("127.0.0.1", "127.0.0.1:8000", {"x_forwarded_for": "192.0.2.7"}),
        ("127.0.0.1", "127.0.0.1:8000", {"forwarded": "for=192.0.2.7"}),
    ],
)
async def test_keyless_is_for_this_machine_alone(peer: str, host: str, headers: dict[str, str]) -> None:
    client = Client(make_app(FakeGateway(keyless=True)), peer=peer, host=host)
    assert await statuses(client, None, **headers) == expected("no key")


@pytest.mark.parametrize(
    ("peer", "host", "headers", "why"),
    [
        ("192.0.2.7", "127.0.0.1:8000", {}, "comes from another address"),
        ("127.0.0.1", "gateway.local", {}, "names another host in its `Host` header than localhost"),
        ("127.0.0.1", "localhost", {"origin": "https://evil.example"}, "`Origin`"),
        ("127.0.0.1", "localhost", {"via": "1.1 proxy"}, "was passed on by a proxy"),
    ],
)
async def test_a_keyless_caller_is_told_why_it_needs_a_key(
    peer: str, host: str, headers: dict[str, str], why: str
) -> None:
    reply = await Client(make_app(FakeGateway(keyless=True)), peer=peer, host=host).get("/metrics", **headers)
    assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert why in reply.json["error"]["message"]
    keyed = await Client(make_app(FakeGateway()), peer=peer, host=host).get("/metrics", **headers)
    assert why not in keyed.json["error"]["message"]


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        ("127.0.0.1", "localhost:8000", {}),
        ("127.8.8.8", "127.0.0.1", {}),
        ("::1", "[::1]:8000", {}),
        ("::ffff:127.0.0.1", "LOCALHOST", {}),
        ("127.0.0.1", "localhost:8000", {"origin": "http://localhost:3000"}),
    ],
)
async def test_loopback_has_many_names(peer: str, host: str, headers: dict[str, str]) -> None:
    client = Client(make_app(FakeGateway(keyless=True)), peer=peer, host=host)
    assert await status(client, "GET /metrics", None, **headers) == 200


@pytest.mark.parametrize("header", ["Basic c2s6", "Bearer", "Bearer ", "sk-pro"])
async def test_another_scheme_than_bearer_is_a_wrong_key(header: str) -> None:
    client = Client(make_app(FakeGateway(keyless=True)))
    reply = await client.get("/metrics", authorization=header)
    assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"


async def test_a_tenants_key_needs_no_tenant_id_and_may_not_name_another() -> None:
    gateway = FakeGateway()
    client = Client(make_app(gateway))
    assert (await client.post("/chat", {"message": "Hello"}, key=PRO)).status == 200
    assert gateway.calls[-1].identity.tenant == "tenant_pro"
    reply = await client.post("/chat", CHAT, key=FREE)
    assert (reply.status, reply.code, reply.json["error"]["param"]) == (403, "permission_denied", "tenant_id")
    assert gateway.invalid[0].identity.tenant == "tenant_free"


async def test_an_admin_key_names_the_tenant_it_asks_for() -> None:
    gateway = FakeGateway()
    client = Client(make_app(gateway))
    assert (await client.post("/chat", CHAT, key=ADMIN)).status == 200
    identity = gateway.calls[-1].identity
    assert (identity.tenant, identity.key_name, identity.admin) == ("tenant_pro", "admin", True)


@pytest.mark.parametrize("key", [None, ADMIN])
async def test_who_speaks_for_every_tenant_must_name_one(key: str | None) -> None:
    client = Client(make_app(FakeGateway(keyless=True)))
    reply = await client.post("/chat", {"message": "Hello"}, key=key)
    assert (reply.status, reply.code, reply.json["error"]["param"]) == (400, "invalid_parameter", "tenant_id")


async def test_a_keyless_caller_is_known_as_such() -> None:
    gateway = FakeGateway(keyless=True)
    await Client(make_app(gateway)).post("/chat", CHAT)
    assert gateway.calls[0].identity.key_name == "keyless"
    assert not gateway.calls[0].identity.admin
