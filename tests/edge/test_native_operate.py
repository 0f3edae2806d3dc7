from __future__ import annotations

import pytest

from penstock.core.ports import AuditQuery, Fault
from support.native_gateway import ADMIN, FREE, PRO, Client, FakeGateway, make_app


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(gateway: FakeGateway) -> Client:
    return Client(make_app(gateway))


async def test_health_is_exactly_ok(client: Client) -> None:
    for key in (None, PRO, "sk-wrong"):
        assert (await client.get("/health", key=key)).body == b'{"status":"ok"}'


async def test_an_admin_sees_the_detail_of_health(client: Client) -> None:
    assert (await client.get("/health", key=ADMIN)).json == {"status": "ok", "version": "0", "uptime_s": 1.0}


async def test_health_is_limited_by_source_address(gateway: FakeGateway) -> None:
    app = make_app(gateway)
    near, far = Client(app), Client(app, peer="192.0.2.7")
    for _ in range(300):
        await near.get("/health")
    reply = await near.get("/health")
    assert (reply.status, reply.code) == (429, "rate_limit_exceeded")
    assert int(reply.headers["retry-after"]) > 0
    assert (await far.get("/health")).status == 200
    assert (await near.get("/health/liveness")).status == 200


async def test_readiness_follows_the_gateway(client: Client, gateway: FakeGateway) -> None:
    assert (await client.get("/health/readiness")).json == {"status": "ready"}
    gateway.ready = False
    reply = await client.get("/health/readiness")
    assert (reply.status, reply.json) == (503, {"status": "not_ready"})
    assert (await client.get("/health/liveness")).status == 200


async def test_metrics_are_prometheus_text(client: Client) -> None:
    reply = await client.get("/metrics", key=ADMIN)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"llm_requests_total 1\n" in reply.body


async def test_audit_shows_an_admin_everything_and_a_tenant_its_own(client: Client) -> None:
    both = (await client.get("/audit", key=ADMIN)).json
    assert [event["trace_id"] for event in both["events"]] == ["t1", "t2"]
    assert both["next_cursor"] is None
    own = (await client.get("/audit", key=FREE)).json
    assert [event["trace_id"] for event in own["events"]] == ["t2"]


async def test_audit_filters_are_passed_on(client: Client, gateway: FakeGateway) -> None:
    query = "tenant_id=a&trace_id=t&request_id=r&since=1970-01-01T01:00:00%2B01:00&until=12.5&limit=500&cursor=9"
    assert (await client.get(f"/audit?{query}", key=ADMIN)).status == 200
    expected = AuditQuery(tenant="a", trace_id="t", request_id="r", since_s=0.0, until_s=12.5, limit=500, cursor=9)
    assert gateway.queries == [expected]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=99999999999999999999", "cursor"),
        ("since=yesterday", "since"),
        ("since=2026-11-21T09:00:00", "since"),
        ("since=2026-11-21T09:00:00+07:00", "since"),
        ("until=nan", "until"),
        ("until=1e300", "until"),
        ("tenant=tenant_pro", "tenant"),
    ],
)
async def test_a_wrong_audit_filter_is_named(client: Client, query: str, param: str) -> None:
    reply = await client.get(f"/audit?{query}", key=ADMIN)
    assert (reply.status, reply.code, reply.json["error"]["param"]) == (400, "invalid_parameter", param)


async def test_a_provider_is_broken_and_mended(client: Client, gateway: FakeGateway) -> None:
    path = "/debug/provider/mock-fast/fail"
    reply = await client.post(path, {"fail": True, "kind": "hang", "rate": 0.5}, key=ADMIN)
    assert reply.json == {"provider": "mock-fast", "fail": True, "kind": "hang", "rate": 0.5}
    assert gateway.faults == {"mock-fast": Fault(kind="hang", rate=0.5)}
    reply = await client.post(path, {"fail": False}, key=ADMIN)
    assert reply.json == {"provider": "mock-fast", "fail": False, "kind": None, "rate": None}
    assert gateway.faults == {"mock-fast": None}


async def test_debug_knows_its_providers_and_its_switch(client: Client, gateway: FakeGateway) -> None:
    assert (await client.post("/debug/provider/openai/fail", {"fail": True}, key=ADMIN)).code == "not_found"
    assert (await client.post("/debug/provider/mock-fast/fail", {}, key=ADMIN)).json["error"]["param"] == "fail"
    gateway.debug = False
    assert (await client.post("/debug/provider/mock-fast/fail", {"fail": True}, key=ADMIN)).status == 404


async def test_models_are_those_of_the_key(client: Client) -> None:
    listed = (await client.get("/v1/models", key=FREE)).json
    names = {model["id"] for model in listed["data"]}
    assert listed["object"] == "list"
    assert "fast" in names
    assert "strong" not in names
    assert (await client.get("/v1/models/fast", key=FREE)).json["object"] == "model"
    missing = await client.get("/v1/models/strong", key=FREE)
    assert (missing.code, missing.json["error"]["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("path", ["/nope", "/chat/", "/v1", "/debug/provider//fail"])
async def test_an_unknown_path_is_a_plain_404(client: Client, path: str) -> None:
    reply = await client.get(path)
    assert (reply.status, reply.code) == (404, "not_found")
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/chat", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/openapi.json", "GET, HEAD"),
        ("GET", "/v1/chat/completions", "POST"),
    ],
)
async def test_another_method_is_told_the_right_one(client: Client, method: str, path: str, allowed: str) -> None:
    reply = await client.send(method, path, headers={})
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "method_not_allowed", allowed)


async def test_a_path_that_only_looks_like_the_data_planes_does_not_exist(client: Client) -> None:
    assert (await client.post("/v1/chat/completions", {})).code == "not_found"


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_fetch_nothing_and_survive_any_host(gateway: FakeGateway, path: str) -> None:
    for host in ("127.0.0.1:8000", "[::", '"><script>alert(1)</script>'):
        reply = await Client(make_app(gateway), host=host).get(path)
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert b"<script" not in reply.body
        assert b"src=" not in reply.body


@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
async def test_a_client_without_v1_is_shown_the_way(client: Client, path: str) -> None:
    reply = await client.get(path)
    assert (reply.status, reply.code) == (404, "not_found")
    assert reply.json["error"]["message"].startswith(f"There is no such path. Did you mean /v1{path}?")


async def test_the_welcome_page_promises_what_there_is(client: Client) -> None:
    assert b"rollout" not in (await client.get("/")).body
