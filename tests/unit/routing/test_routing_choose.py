"""Among equals: who is tried first, who after it, who is left out, and why."""

from __future__ import annotations

from collections import Counter
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.health import Figures, Gate, Health, Quantiles
from penstock.core.plan import Exclusion, Ranked
from penstock.routing import By, Candidate, choose
from penstock.routing.choose import EXPLORED

CLOSED = Gate()
OPEN = Gate("open", 0.0, "breaker open")
BYS: tuple[By, ...] = ("lowest_latency", "cheapest", "weighted", "quality")
# Late enough that nothing is explored.
USUAL = 0.5


def seen(p95_s: float, gate: Gate = CLOSED) -> Health:
    return Health(gate, Figures(calls=20, first_content=Quantiles(p95_s / 2, p95_s)))


def order(by: By, candidates: list[Candidate], chance: float = USUAL) -> list[str]:
    return [each.target for each in choose(by, candidates, chance).tries]


# --- each way to choose ---


def test_the_lowest_p95_is_first_and_the_others_follow_it() -> None:
    ranking = choose("lowest_latency", [Candidate("a", seen(0.3)), Candidate("b", seen(0.24))], USUAL)
    assert ranking.tries == (Ranked("b", "p95 240 ms"), Ranked("a", "p95 300 ms"))


def test_what_nobody_has_asked_is_tried_before_what_is_known() -> None:
    ranking = choose("lowest_latency", [Candidate("a", seen(0.001)), Candidate("new")], USUAL)
    assert ranking.tries[0] == Ranked("new", "nobody has asked it yet")


def test_what_was_asked_and_has_not_answered_draws_no_more_calls() -> None:
    hung = Candidate("hung", Health(figures=Figures(calls=1)))
    ranking = choose("lowest_latency", [hung, Candidate("slow", seen(30.0))], USUAL)
    assert ranking.tries[1] == Ranked("hung", "asked, and has not answered yet")


def test_the_lowest_latency_tries_every_other_target_now_and_then() -> None:
    candidates = [Candidate(alias, seen(p95_s)) for alias, p95_s in (("a", 0.3), ("b", 0.2), ("c", 0.4))]
    rankings = [choose("lowest_latency", candidates, number / 1000) for number in range(1000)]
    assert Counter(ranking.tries[0].target for ranking in rankings) == {"b": 950, "a": 25, "c": 25}
    assert rankings[0].tries == (
        Ranked("a", "p95 300 ms, tried now and then"),
        Ranked("b", "p95 200 ms"),
        Ranked("c", "p95 400 ms"),
    )


@given(st.integers(1, 30))
def test_the_last_chance_to_explore_is_one(count: int) -> None:
    candidates = [Candidate(f"{number}", seen(number)) for number in range(count)]
    assert order("lowest_latency", candidates, nextafter(EXPLORED, 0.0))[0] == f"{count - 1}"


def test_the_cheapest_is_first_with_its_price() -> None:
    candidates = [Candidate("a", nano_usd_per_1k=600_000), Candidate("b", nano_usd_per_1k=150_000)]
    assert choose("cheapest", candidates, 0.0).tries == (
        Ranked("b", "0.15 USD per 1M tokens"),
        Ranked("a", "0.6 USD per 1M tokens"),
    )


def test_what_nobody_knows_the_price_of_is_the_dearest() -> None:
    candidates = [Candidate("a", nano_usd_per_1k=None), Candidate("b", nano_usd_per_1k=150_000)]
    ranked = choose("cheapest", candidates, 0.5).tries
    assert [(each.target, each.reason) for each in ranked] == [("b", "0.15 USD per 1M tokens"), ("a", "no known price")]


def test_the_best_quality_is_first() -> None:
    candidates = [Candidate("a", quality=0.7), Candidate("b", quality=0.9)]
    assert choose("quality", candidates, 0.0).tries == (Ranked("b", "quality 0.9"), Ranked("a", "quality 0.7"))


def test_each_is_first_as_often_as_it_is_heavy_and_the_heaviest_are_next() -> None:
    candidates = [Candidate("a", weight=1), Candidate("b", weight=3), Candidate("c", weight=6)]
    orders = Counter("".join(order("weighted", candidates, number / 1000)) for number in range(1000))
    assert orders == {"acb": 100, "bca": 300, "cba": 600}
    assert choose("weighted", candidates, 0.0).tries[0] == Ranked("a", "weight 1 of 10")


def test_a_weight_of_nothing_is_a_fallback_alone() -> None:
    candidates = [Candidate("a", weight=0), Candidate("b", weight=1)]
    assert order("weighted", candidates, 0.0) == ["b", "a"]
    assert order("weighted", [Candidate("a", weight=0), Candidate("b", weight=0)]) == ["a", "b"]


@pytest.mark.parametrize("by", ["lowest_latency", "cheapest", "quality"])
@pytest.mark.parametrize("health", [Health(), seen(1.0)])
def test_equals_keep_the_order_of_the_config(by: By, health: Health) -> None:
    candidates = [Candidate(alias, health) for alias in "cabd"]
    assert order(by, candidates) == list("cabd")


# --- health ---


@pytest.mark.parametrize("by", BYS)
def test_what_is_unhealthy_is_left_out_with_its_reason(by: By) -> None:
    ranking = choose(by, [Candidate("a", seen(0.1, OPEN)), Candidate("b", seen(0.2))], 0.0)
    assert [each.target for each in ranking.tries] == ["b"]
    assert ranking.excluded == (Exclusion("a", "health", "breaker open"),)


def test_when_all_are_unhealthy_all_are_tried() -> None:
    ranking = choose("cheapest", [Candidate("a", Health(OPEN), 2), Candidate("b", Health(OPEN), 1)], 0.0)
    assert [each.target for each in ranking.tries] == ["b", "a"]
    assert ranking.excluded == ()


def test_an_open_breaker_whose_time_is_over_leaves_nobody_out() -> None:
    assert order("cheapest", [Candidate("a", Health(Gate("open", 0.0, "")))]) == ["a"]


GATES = st.sampled_from((CLOSED, OPEN, Gate("half_open", 1.0, ""), Gate("closed", 1.0, "told to wait 3 s")))
FIGURES = st.builds(
    lambda calls, p95_s: Figures(calls=calls, first_content=None if p95_s is None else Quantiles(p95_s, p95_s)),
    st.integers(0, 3),
    st.none() | st.floats(0, 60),
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.text("abcdefgh", min_size=1, max_size=1),
        st.builds(Health, GATES, FIGURES),
        st.integers(0, 10**10),
        st.floats(0, 1e6, allow_subnormal=False),
        st.floats(-10, 10),
    ),
    min_size=1,
    unique_by=lambda candidate: candidate.alias,
)
CHANCES = st.floats(0, 1, exclude_max=True) | st.floats(0, EXPLORED)


@given(st.sampled_from(BYS), CANDIDATES, CHANCES)
def test_each_candidate_is_tried_or_left_out_and_never_a_healthy_one(
    by: By, candidates: list[Candidate], chance: float
) -> None:
    ranking = choose(by, candidates, chance)
    tried = [each.target for each in ranking.tries]
    out = [each.target for each in ranking.excluded]
    healthy = {each.alias for each in candidates if not each.health.gate.refusal}
    assert sorted(tried + out) == sorted(each.alias for each in candidates)
    assert set(tried) == healthy or (not healthy and not out)
    assert all(each.reason for each in ranking.tries)
    assert all(each.reason for each in ranking.excluded)


@given(st.sampled_from(BYS), CANDIDATES, CHANCES)
def test_only_the_first_place_is_left_to_chance(by: By, candidates: list[Candidate], chance: float) -> None:
    chosen, *others = order(by, candidates, chance)
    best, *rest = order(by, candidates, 1 - 2**-53)
    if chosen == best:
        assert others == rest
    else:
        assert by in {"lowest_latency", "weighted"}
    healthy = [each for each in candidates if each.alias in {chosen, *others}]
    without = [each for each in healthy if each.alias != chosen]
    if by == "lowest_latency" and without:
        assert others == order(by, without)
