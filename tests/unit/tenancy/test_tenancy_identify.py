from __future__ import annotations

import tracemalloc

import pytest

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.errors import MalformedJson, UnknownTenant
from penstock.tenancy import Identify, hash_user
from support.calls import complete_answer, make_call

PEPPER = b"p" * 32


async def proceed(_call: Call) -> Answer:
    return complete_answer()


async def test_tier_and_user_hash_come_onto_the_trail() -> None:
    call = make_call(tenant="acme", user="ada")
    await Identify({"acme": "gold"}, PEPPER)(call, proceed)
    assert call.trail.tier == "gold"
    assert call.trail.user_hash == hash_user(PEPPER, "acme", "ada")


async def test_an_unknown_tenant_is_told_so() -> None:
    call = make_call(tenant="nobody")
    with pytest.raises(UnknownTenant, match="nobody"):
        await Identify({"acme": "gold"}, PEPPER)(call, proceed)
    assert call.trail.policy_decision == "deny:unknown_tenant"


async def test_an_admin_key_without_a_tenant_is_told_what_to_do() -> None:
    with pytest.raises(UnknownTenant, match="An admin key belongs to no tenant"):
        await Identify({"acme": "gold"}, PEPPER)(make_call(tenant=""), proceed)


async def test_an_invalid_request_of_nobody_is_told_what_is_wrong_with_it() -> None:
    call = make_call(tenant="", invalid=MalformedJson("No JSON."))
    with pytest.raises(MalformedJson, match="No JSON"):
        await Identify({"acme": "gold"}, PEPPER)(call, proceed)
    assert call.trail.policy_decision == "deny:invalid"


async def test_long_user_names_are_hashed_and_not_remembered() -> None:
    stage = Identify({"acme": "gold"}, PEPPER)
    tracemalloc.start()
    try:
        for number in range(100):
            user = f"{number}" * 50_000
            call = make_call(tenant="acme", user=user)
            await stage(call, proceed)
            assert call.trail.user_hash == hash_user(PEPPER, "acme", user)
        del call, user
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 1_000_000
