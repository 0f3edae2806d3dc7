"""Which models a key sees."""

from __future__ import annotations

from penstock.core.call import Identity
from penstock.core.plan import Degrade, First, Mirror, Target, Use
from penstock.core.policy import Policy, Route, Tier
from penstock.edge.faces import visible_models


def route(name: str, plan: object) -> Route:
    return Route(name=name, plan=plan)  # type: ignore[arg-type] # any plan


POLICY = Policy(
    tiers={"free": Tier(name="free", allowed_models=frozenset({"small"}))},
    tenants={"acme": "free"},
    routes={
        route_.name: route_
        for route_ in (
            route("chat", First((Use("large"), Use("small")))),
            route("deep", First((Use("large"), Degrade("Later.")))),
            route("shadowed", Mirror(Use("large"), Use("small"))),
        )
    },
    targets={alias: Target(alias, "mock", alias) for alias in ("small", "large")},
    endpoint_requests_per_minute={},
)


def test_a_key_sees_the_aliases_and_routes_that_its_tier_may_call() -> None:
    assert visible_models(POLICY, Identity("acme", "app")) == [
        {"id": "chat", "object": "model", "created": 0, "owned_by": "penstock"},
        {"id": "small", "object": "model", "created": 0, "owned_by": "mock"},
    ]


def test_an_unknown_tenant_sees_nothing() -> None:
    assert visible_models(POLICY, Identity("nobody", "app")) == []
