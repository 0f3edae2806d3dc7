"""What all processes know of a target, as an operator sees it."""

from __future__ import annotations

from typing import Any

from penstock.app.views import View, shown
from penstock.core.health import RESTING, BreakerState
from penstock.resilience import Tally

NOTHING = Tally(0, 0, 0, 0, [], [])


def view(
    state: BreakerState = "closed", since_s: float | None = None, refusal: str = "", tally: Tally = NOTHING
) -> View:
    return View(state, since_s, refusal, tally)


def of_all(*views: View) -> dict[str, Any]:
    return shown([{"fast": each} for each in views])["fast"]


def test_one_process_tells_what_it_knows() -> None:
    tally = Tally(begun=4, answered=2, ended=3, failed=1, first_content_s=[0.2, 0.1], whole_s=[2.0, 1.0, 3.0])
    assert of_all(view("open", 12.34567, "breaker open", tally)) == {
        "state": "open",
        "refusal": "breaker open",
        "since_s": 12.346,
        "p50_ms": 100.0,
        "p95_ms": 200.0,
        "whole_p50_ms": 2000.0,
        "whole_p95_ms": 3000.0,
        "error_rate": 0.25,
        "calls": 4,
        "workers": {"open": 1},
        "resting": 0,
    }


def test_a_target_that_nobody_has_asked_has_no_figures() -> None:
    told = of_all(view(), view())
    assert (told["state"], told["workers"], told["calls"]) == ("closed", {"closed": 2}, 0)
    assert [name for name, value in told.items() if value is None] == [
        "refusal",
        "since_s",
        "p50_ms",
        "p95_ms",
        "whole_p50_ms",
        "whole_p95_ms",
        "error_rate",
    ]


def test_the_worst_state_is_told_with_how_many_are_in_it_and_since_the_first_was() -> None:
    told = of_all(
        view(since_s=500.0), view("open", 3.0, "breaker open"), view("half_open", 90.0), view("open", 7.0), view()
    )
    assert (told["state"], told["since_s"], told["refusal"]) == ("open", 7.0, "breaker open")
    assert told["workers"] == {"closed": 2, "half_open": 1, "open": 2}


def test_a_state_that_one_has_been_in_from_its_start_on_has_no_age() -> None:
    assert of_all(view(since_s=5.0), view())["since_s"] is None


def test_a_providers_rest_is_told_with_how_many_keep_it() -> None:
    told = of_all(view(refusal=RESTING), view(), view(refusal=RESTING))
    assert (told["state"], told["refusal"], told["resting"]) == ("closed", RESTING, 2)


def test_calls_are_added_up_and_times_are_of_all() -> None:
    quick = Tally(begun=10, answered=10, ended=10, failed=0, first_content_s=[0.1] * 10, whole_s=[1.0] * 10)
    slow = Tally(begun=10, answered=9, ended=8, failed=2, first_content_s=[0.5] * 9, whole_s=[5.0] * 8)
    told = of_all(view(tally=quick), view(tally=slow))
    assert (told["calls"], told["error_rate"]) == (20, 0.1)
    assert (told["p50_ms"], told["p95_ms"]) == (100.0, 500.0)
    assert (told["whole_p50_ms"], told["whole_p95_ms"]) == (1000.0, 5000.0)


def test_a_target_that_some_do_not_know_yet_is_told_by_those_who_do() -> None:
    told = shown([{"fast": view()}, {"fast": view(), "new": view("open", 1.0)}])
    assert {alias: each["workers"] for alias, each in told.items()} == {"fast": {"closed": 2}, "new": {"open": 1}}
