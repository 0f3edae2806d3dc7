"""What the gateway must reach, and whether it did: computed from what was measured, never typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.figures import Key, Measured, added, ratio, three_digits

TIMES = "\N{MULTIPLICATION SIGN}"


class Goal(NamedTuple):
    """One line of the list: its bound (an upper one when ``most``), and how it is computed."""

    measure: str
    unit: str
    must: float
    stretch: float | None
    most: bool
    compute: Callable[[Measured], float | None]


class Verdict(NamedTuple):
    """A goal beside what was measured; ``reached`` is "stretch", "yes", "no", each perhaps in doubt, or "not measured"."""

    measure: str
    measured: str
    must: str
    stretch: str
    reached: str


def throughput_against(other: str) -> Callable[[Measured], float | None]:
    return lambda measured: ratio(measured.pair("closed", 32, "requests_per_s", ("penstock", other)))


def added_latency(measured: Measured) -> float | None:
    """What the gateway adds to no proxy at all, by what nginx adds."""
    rounds = measured.pair("closed", 1, "p50_us", ("penstock", "nginx", "direct"))
    return ratio([(own - direct, nginx - direct) for own, nginx, direct in rounds])


def added_ms(load: str, size: int, name: str) -> Callable[[Measured], float | None]:
    def compute(measured: Measured) -> float | None:
        more_us = added(measured.pair(load, size, name, ("penstock", "direct")))
        return None if more_us is None else more_us / 1e3

    return compute


def chunk_cost(measured: Measured) -> float | None:
    """Against nginx at 300 streams, or at 100 where those were not measured: neither fills a core."""
    at = 300 if Key("streams", 300, "penstock") in measured.keys("streams") else 100
    return ratio(measured.pair("streams", at, "cpu_us_per_chunk", ("penstock", "nginx")))


def figure(load: str, size: int, name: str) -> Callable[[Measured], float | None]:
    return lambda measured: measured.median(Key(load, size, "penstock"), name)


def at_1000(name: str) -> Callable[[Measured], float | None]:
    """Infinite when a stream was refused or cut: the figures of the others are then no answer."""

    def compute(measured: Measured) -> float | None:
        key = Key("streams", 1000, "penstock")
        return float("inf") if sum(measured.values(key, "broken")) else measured.median(key, name)

    return compute


GOALS = (
    Goal("requests/s against nginx, 32 connections", TIMES, 0.22, 0.33, False, throughput_against("nginx")),
    Goal("requests/s against LiteLLM, 32 connections", TIMES, 100, 160, False, throughput_against("litellm")),
    Goal("requests/s against Portkey, 32 connections", TIMES, 10, 17, False, throughput_against("portkey")),
    Goal("added p50 at one connection, by what nginx adds", TIMES, 2.5, 2, True, added_latency),
    Goal("CPU per relayed chunk against nginx", TIMES, 1.7, 1.4, True, chunk_cost),
    Goal("added p99, 32 connections, half the saturation rate", "ms", 2, 1, True, added_ms("steady", 32, "p99_us")),
    Goal("gap p99, 1,000 streams opened together", "ms", 40, None, True, at_1000("gap_p99_ms")),
    Goal("first byte p99, 1,000 streams opened together", "ms", 500, 250, True, at_1000("first_p99_ms")),
    Goal("added p50 of a 1 MB prompt", "ms", 5, 3.5, True, added_ms("prompt", 1_000_000, "p50_us")),
    Goal("start to first answer, new store", "s", 1.5, 0.8, True, figure("start", 0, "start_s")),
    Goal("resident memory, idle", "MB", 75, 60, True, figure("start", 0, "rss_mb")),
    Goal("resident memory, 1,000 streams", "MB", 130, 100, True, at_1000("rss_mb")),
)


def judge(goal: Goal, measured: Measured) -> Verdict:
    value = goal.compute(measured)
    sign = "≤" if goal.most else "≥"

    def bound(limit: float | None) -> str:
        return "" if limit is None else f"{sign} {limit:g} {goal.unit}"

    def holds(limit: float | None) -> bool:
        return limit is not None and value is not None and (value <= limit if goal.most else value >= limit)

    if value is None:
        said, reached = "", "not measured"
    elif value == float("inf"):
        said, reached = "streams broke", "no"
    else:
        said = f"{three_digits(value)} {goal.unit}"
        reached = "stretch" if holds(goal.stretch) else "yes" if holds(goal.must) else "no"
    return Verdict(goal.measure, said, bound(goal.must), bound(goal.stretch), reached)


def verdicts(measured: Measured, *, shared: bool) -> list[Verdict]:
    """Every goal, in the order of the list; in doubt where others used the cores meanwhile."""
    judged = [judge(goal, measured) for goal in GOALS]
    if not shared:
        return judged
    return [
        verdict._replace(reached=f"{verdict.reached}, in doubt") if verdict.measured else verdict for verdict in judged
    ]
