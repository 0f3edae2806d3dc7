"""What a target's calls say of it: exact counts of the last minute, exact percentiles, and nothing where nobody asked."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.health import Figures, Gate, Health, Quantiles
from penstock.resilience.signals import FEW, KEPT, MANY, WINDOW_S, Signal, figures_of

CLOSED = Gate()


def signal() -> Signal:
    return Signal(lambda _now_s: CLOSED)


def call(told: Signal, now_s: float, first_content_s: float, whole_s: float | None = None) -> None:
    """A call that goes well, all of it noted at once."""
    told.begun(now_s)
    told.answered(now_s, first_content_s)
    told.ended(now_s, first_content_s if whole_s is None else whole_s)


def test_a_target_that_nobody_has_asked_is_not_a_quick_one() -> None:
    assert signal().health(5.0) == Health(CLOSED, Figures(calls=0, error_rate=None, first_content=None, whole=None))


def test_a_call_that_went_well_tells_its_two_times() -> None:
    told = signal()
    told.begun(1.0)
    assert told.health(1.1).figures == Figures(calls=1)
    told.answered(1.2, 0.2)
    assert told.health(1.3).figures == Figures(calls=1, first_content=Quantiles(0.2, 0.2))
    told.ended(3.0, 2.0)
    expected = Figures(calls=1, error_rate=0.0, first_content=Quantiles(0.2, 0.2), whole=Quantiles(2.0, 2.0))
    assert told.health(3.0).figures == expected


def test_a_stream_that_breaks_off_is_an_error_whose_first_content_came() -> None:
    told = signal()
    told.begun(1.0)
    told.answered(1.2, 0.2)
    told.failed(9.0)
    assert told.health(9.0).figures == Figures(calls=1, error_rate=1.0, first_content=Quantiles(0.2, 0.2))


def test_a_call_that_its_caller_gave_up_is_no_error() -> None:
    told = signal()
    call(told, 1.0, 0.2)
    told.begun(1.0)
    assert told.health(2.0).figures.error_rate == 0.0


def test_half_and_nineteen_of_twenty_are_no_slower() -> None:
    told = signal()
    for tenth in range(1, 101):
        call(told, 1.0, tenth / 10, tenth)
    figures = told.health(2.0).figures
    assert figures.first_content == Quantiles(5.0, 9.5)
    assert figures.whole == Quantiles(50.0, 95.0)


def test_what_is_older_than_a_minute_does_not_count() -> None:
    told = signal()
    told.begun(0.5)
    told.failed(0.5)
    assert told.health(WINDOW_S - 0.1).figures == Figures(calls=1, error_rate=1.0)
    assert told.health(WINDOW_S).figures == Figures()


def test_a_slow_spell_is_forgotten_within_a_minute() -> None:
    told = signal()
    for _ in range(100):
        call(told, 10.0, 30.0)
    for _ in range(FEW):
        call(told, 10.0 + WINDOW_S, 0.2)
    figures = told.health(10.0 + WINDOW_S).figures
    assert figures.first_content == figures.whole == Quantiles(0.2, 0.2)


def test_a_target_that_is_seldom_asked_is_known_by_its_last_calls() -> None:
    told = signal()
    for hour in range(20):
        call(told, 3600.0 * hour, float(hour))
    figures = told.health(3600.0 * 20).figures
    assert (figures.calls, figures.first_content) == (0, Quantiles(15.0, 19.0))


def test_a_busy_targets_figures_are_worked_out_once_a_second() -> None:
    told = signal()
    for _ in range(MANY):
        call(told, 1.0, 0.2)
    assert told.health(1.1).figures.calls == MANY
    call(told, 1.2, 9.0)
    assert told.health(1.9).figures.calls == MANY
    assert told.health(2.0).figures.calls == MANY + 1


def test_the_gate_is_asked_each_time_and_told_the_time() -> None:
    told = Signal(lambda now_s: Gate("open", 1.0, "breaker open" if now_s < 61.0 else ""))
    assert told.health(60.9).gate == Gate("open", 1.0, "breaker open")
    assert told.health(61.0).gate == Gate("open", 1.0)


DURATIONS = st.floats(0.0, 600.0)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from((0.0, 0.01, 0.3, 1.0, 7.0, 59.0, 60.0, 400.0)),
        st.sampled_from(("begun", "answered", "ended", "failed")),
        DURATIONS,
    ),
    max_size=2 * KEPT,
)


def quantile(values: Sequence[float], percent: int) -> float:
    """The least of the values that so many of them do not exceed."""
    return min(each for each in values if 100 * sum(other <= each for other in values) >= percent * len(values))


def quantiles(times_s: Sequence[tuple[float, float]], now_s: float) -> Quantiles | None:
    recent = sum(int(at_s) > int(now_s) - WINDOW_S for at_s, _ in times_s)
    newest = [duration_s for _, duration_s in times_s][-min(max(recent, FEW), KEPT) :]
    return Quantiles(quantile(newest, 50), quantile(newest, 95)) if newest else None


def recount(history: Sequence[tuple[float, str, float]], now_s: float) -> Figures:
    kinds = [kind for at_s, kind, _ in history if int(at_s) > int(now_s) - WINDOW_S]
    failed, over = kinds.count("failed"), kinds.count("failed") + kinds.count("ended")
    times = {
        each: [(at_s, duration_s) for at_s, kind, duration_s in history if kind == each]
        for each in ("answered", "ended")
    }
    return Figures(
        calls=kinds.count("begun"),
        error_rate=failed / over if over else None,
        first_content=quantiles(times["answered"], now_s),
        whole=quantiles(times["ended"], now_s),
    )


def note(told: Signal, kind: str, now_s: float, duration_s: float) -> None:
    """One event."""
    if kind in {"begun", "failed"}:
        getattr(told, kind)(now_s)
    else:
        getattr(told, kind)(now_s, duration_s)


@given(EVENTS)
def test_figures_are_those_of_a_recount_of_everything(events: list[tuple[float, str, float]]) -> None:
    told, now_s, history = signal(), 100.0, []
    for pause_s, kind, duration_s in events:
        now_s += pause_s
        history.append((now_s, kind, duration_s))
        note(told, kind, now_s, duration_s)
        if len(history) % 16 == 0:
            now_s += 1.0
            assert told.health(now_s).figures == recount(history, now_s)
    expected = recount(history, now_s)
    if expected.calls < MANY:
        assert told.health(now_s).figures == expected
    assert told.health(now_s + 1.0).figures == recount(history, now_s + 1.0)


# --- several processes ---


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0.0, 0.3, 1.0, 4.0)),
            st.sampled_from(("begun", "answered", "ended", "failed")),
            st.integers(1, 100_000),
            st.integers(0, 3),
        ),
        min_size=64,
        max_size=2 * KEPT,
    )
)
def test_several_have_seen_of_one_history_what_one_alone_would_have_seen(
    events: list[tuple[float, str, int, int]],
) -> None:
    several, now_s, history = [signal() for _ in range(4)], 100.0, list[tuple[float, str, float]]()
    for pause_s, kind, duration_s, worker in events:
        now_s += pause_s
        history.append((now_s, kind, duration_s))
        note(several[worker], kind, now_s, duration_s)
    merged, alone = figures_of([each.tally(now_s) for each in several]), recount(history, now_s)
    assert (merged.calls, merged.error_rate) == (alone.calls, alone.error_rate)
    recent = [kind for at_s, kind, _ in history if int(at_s) > int(now_s) - WINDOW_S]
    if FEW <= recent.count("answered") <= KEPT:
        assert merged.first_content == alone.first_content
    if FEW <= recent.count("ended") <= KEPT:
        assert merged.whole == alone.whole


def test_of_few_calls_each_process_newest_stand_for_those_that_are_missing() -> None:
    busy, idle = signal(), signal()
    for hour in range(FEW):
        call(idle, 3600.0 * hour, 9.0)
    now_s = 3600.0 * FEW
    call(busy, now_s, 1.0)
    both = [busy.tally(now_s), idle.tally(now_s)]
    assert figures_of(both) == Figures(
        calls=1, error_rate=0.0, first_content=Quantiles(9.0, 9.0), whole=Quantiles(9.0, 9.0)
    )
    for _ in range(FEW - 1):
        call(busy, now_s, 1.0)
    both[0] = busy.tally(now_s)
    assert figures_of(both).first_content == Quantiles(1.0, 1.0)


def test_nobody_knows_anything() -> None:
    assert figures_of([]) == figures_of([signal().tally(5.0)] * 3) == Figures()
