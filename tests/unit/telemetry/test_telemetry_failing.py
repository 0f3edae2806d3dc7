"""Failing targets: the first failure at once, then one line each so often, whatever came of the calls."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from penstock.core.errors import (
    ContentBlocked,
    DeadlineExceeded,
    InputTooLong,
    PenstockError,
    UpstreamMisconfigured,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from penstock.core.plan import Target
from penstock.telemetry import FailingTargets, build_logger

FAST, STRONG = Target("fast", "main", "fast-v1"), Target("strong", "spare", "strong-v1")
DOWN = UpstreamUnavailable("The provider failed (HTTP 500). Try again.")


class Told:
    """The log's lines, and the timers that wait."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._waiting: list[Callable[[], None]] = []
        self.delays_s: list[float] = []
        self.failing = FailingTargets(build_logger(self._stream, style="json"), later=self._later)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self.delays_s.append(delay_s)
        self._waiting.append(act)

    def pass_time(self) -> None:
        """Every timer that waits fires."""
        due, self._waiting = self._waiting, []
        for act in due:
            act()

    def lines(self) -> list[dict[str, Any]]:
        """What was written since the last look."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return [{key: value for key, value in json.loads(line).items() if key != "time"} for line in text.splitlines()]


def test_the_first_failure_is_told_at_once_with_provider_and_cause() -> None:
    told = Told()
    told.failing(FAST, DOWN)
    assert told.lines() == [
        {
            "event": "target failed",
            "level": "warning",
            "target": "fast",
            "provider": "main",
            "model": "fast-v1",
            "error": "upstream_unavailable",
            "reason": "The provider failed (HTTP 500). Try again.",
        }
    ]


def test_an_outage_is_one_line_each_so_often_with_its_sum() -> None:
    told = Told()
    for _ in range(1000):
        told.failing(FAST, DOWN)
    told.failing(FAST, UpstreamTimeout("late"))
    assert len(told.lines()) == 1
    told.pass_time()
    (line,) = told.lines()
    assert (line["event"], line["target"], line["provider"]) == ("target goes on failing", "fast", "main")
    assert (line["failures"], line["in_s"]) == (1000, told.delays_s[0])
    assert line["errors"] == {"upstream_unavailable": 999, "upstream_timeout": 1}
    told.failing(FAST, DOWN)
    assert told.lines() == []
    told.pass_time()
    assert [line["failures"] for line in told.lines()] == [1]


def test_after_a_quiet_while_a_failure_is_a_first_one_again_and_no_timer_is_left() -> None:
    told = Told()
    told.failing(FAST, DOWN)
    told.pass_time()
    told.pass_time()
    assert len(told.lines()) == len(told.delays_s) == 1
    told.failing(FAST, DOWN)
    assert [line["event"] for line in told.lines()] == ["target failed"]


def test_each_target_has_lines_of_its_own() -> None:
    told = Told()
    for target in (FAST, STRONG, FAST, STRONG):
        told.failing(target, UpstreamMisconfigured("401"))
    assert [line["target"] for line in told.lines()] == ["fast", "strong"]
    told.pass_time()
    assert [(line["target"], line["failures"]) for line in told.lines()] == [("fast", 1), ("strong", 1)]


def test_a_target_that_lets_a_call_run_into_its_deadline_fails() -> None:
    told = Told()
    told.failing(FAST, DeadlineExceeded("No answer within the deadline of 10 s for this route."))
    assert [line["error"] for line in told.lines()] == ["deadline_exceeded"]


@pytest.mark.parametrize("error", [UpstreamRejected("400"), ContentBlocked("no"), InputTooLong("long")])
def test_what_is_wrong_with_the_call_is_no_failure_of_the_target(error: PenstockError) -> None:
    told = Told()
    told.failing(FAST, error)
    assert told.lines() == []
