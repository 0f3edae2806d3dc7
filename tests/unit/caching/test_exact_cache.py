from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.caching import CacheBounds, ExactCache
from support.clocks import HandClock


def cache(clock: HandClock | None = None, **bounds: Any) -> ExactCache:
    return ExactCache(clock or HandClock(), CacheBounds(**bounds))


def test_a_value_is_found_under_its_tenant_alone() -> None:
    kept = cache()
    assert kept.put("acme", b"key", b"value")
    assert kept.get("acme", b"key") == b"value"
    assert kept.get("other", b"key") is None
    assert kept.get("acme", b"other") is None


def test_a_value_grows_too_old() -> None:
    clock = HandClock()
    kept = cache(clock, ttl_s=10)
    kept.put("acme", b"key", b"value")
    clock.pass_s(9.9)
    assert kept.get("acme", b"key") == b"value"
    clock.pass_s(0.1)
    assert kept.get("acme", b"key") is None
    assert (len(kept), kept.size_bytes) == (0, 0)


def test_a_value_replaces_an_older_one() -> None:
    kept = cache()
    kept.put("acme", b"key", b"old" * 100)
    kept.put("acme", b"key", b"new")
    assert kept.get("acme", b"key") == b"new"
    assert len(kept) == 1
    assert kept.size_bytes < 600


def test_what_is_larger_than_an_entry_may_be_is_not_kept() -> None:
    kept = cache(max_entry_bytes=10)
    assert not kept.put("acme", b"key", b"x" * 11)
    assert kept.put("acme", b"key", b"x" * 10)


def test_the_least_recently_used_goes_first() -> None:
    kept = cache(max_entries=3, tenant_share=1.0)
    for key in (b"a", b"b", b"c"):
        kept.put("acme", key, key)
    kept.get("acme", b"a")
    kept.put("acme", b"d", b"d")
    assert [kept.get("acme", key) for key in (b"a", b"b", b"c", b"d")] == [b"a", None, b"c", b"d"]


def test_a_full_cache_loses_what_no_tenant_has_used_for_longest() -> None:
    kept = cache(max_entries=3, tenant_share=1.0)
    for tenant in ("a", "b", "c"):
        kept.put(tenant, b"key", b"value")
    kept.get("a", b"key")
    kept.put("d", b"key", b"value")
    assert [kept.get(tenant, b"key") is not None for tenant in "abcd"] == [True, False, True, True]


def test_a_tenant_that_fills_its_share_evicts_only_itself() -> None:
    kept = cache(max_entries=10, tenant_share=0.5)
    for index in range(5):
        kept.put("quiet", bytes([index]), b"value")
    for index in range(200):
        kept.put("loud", bytes([index]), b"value")
    assert all(kept.get("quiet", bytes([index])) for index in range(5))
    assert len(kept) == 10


operations = st.lists(
    st.tuples(st.sampled_from("ab"), st.binary(min_size=1, max_size=1), st.integers(0, 3000), st.booleans()),
    max_size=80,
)


@given(operations)
def test_the_bounds_hold_whatever_comes(steps: list[tuple[str, bytes, int, bool]]) -> None:
    kept = cache(max_entries=8, max_bytes=8000, max_entry_bytes=2000, tenant_share=0.75)
    for tenant, key, size, is_put in steps:
        if is_put:
            assert kept.put(tenant, key, b"x" * size) is (size <= 2000)
        else:
            kept.get(tenant, key)
        assert len(kept) <= 8
        assert 0 <= kept.size_bytes <= 8000
        assert (len(kept) == 0) is (kept.size_bytes == 0)
