from __future__ import annotations

import pytest

from bench.figures import Figures, Key, Measured, added, percentile, ratio, three_digits


def measured(**columns: list[float]) -> Measured:
    result = Measured()
    for through, values in columns.items():
        for value in values:
            result.add(Key("closed", 32, through), {"requests_per_s": value})
    return result


def test_a_ratio_is_the_median_of_the_ratios_of_rounds_that_were_taken_together() -> None:
    # The second round was disturbed: both fell to a half, and the ratio stands.
    rounds = measured(penstock=[10, 5, 12], nginx=[40, 20, 40])
    assert ratio(rounds.pair("closed", 32, "requests_per_s", ("penstock", "nginx"))) == pytest.approx(0.25)


def test_what_was_added_is_the_median_of_the_differences() -> None:
    assert added([(10, 1), (30, 2), (12, 2)]) == 10


def test_what_was_not_measured_has_no_figure() -> None:
    nothing = measured(nginx=[40])
    assert nothing.median(Key("closed", 32, "penstock"), "requests_per_s") is None
    assert nothing.median(Key("closed", 32, "nginx"), "p50_us") is None
    assert ratio(nothing.pair("closed", 32, "requests_per_s", ("penstock", "nginx"))) is None
    assert added([]) is None


def test_nothing_is_divided_by_nothing() -> None:
    assert ratio([(1, 0)]) is None


def test_the_spread_is_of_the_whole_range_and_needs_two_rounds() -> None:
    key = Key("closed", 32, "nginx")
    assert measured(nginx=[90, 100, 130]).spread(key, "requests_per_s") == pytest.approx(0.4)
    assert measured(nginx=[90]).spread(key, "requests_per_s") is None


def test_rows_give_back_what_was_measured() -> None:
    rounds = measured(penstock=[10, 5], nginx=[40])
    again = Measured.from_rows(rounds.rows())
    assert again.rows() == rounds.rows()
    assert again.keys("closed") == [Key("closed", 32, "penstock"), Key("closed", 32, "nginx")]


@pytest.mark.parametrize(
    ("value", "said"), [(4378.6, "4,380"), (0.2349, "0.235"), (66_666, "66,700"), (20, "20"), (0, "0")]
)
def test_figures_are_said_in_three_digits(value: float, said: str) -> None:
    assert three_digits(value) == said


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value


def test_figures_of_one_round_may_lack_what_others_have() -> None:
    rounds = Measured()
    key = Key("streams", 100, "portkey")
    rows: list[Figures] = [{"broken": 100}, {"broken": 0, "gap_p99_ms": 21}]
    for row in rows:
        rounds.add(key, row)
    assert rounds.values(key, "gap_p99_ms") == [21]
