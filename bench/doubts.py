"""What a reader should know before believing a run: noise, other programs, and loads that were the limit themselves."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Key, Measured

# The figure of each kind of load that a quiet machine repeats.
STEADFAST = {
    "closed": "requests_per_s",
    "steady": "p50_us",
    "prompt": "p50_us",
    "streams": "cpu_us_per_chunk",
    "start": "start_s",
    "python": "loop_ms",
}
SPREAD_AT_MOST = 0.25
FOREIGN_AT_MOST = 0.05
FULL = 0.9


def shared(foreign_share: float) -> bool:
    """Whether others used so much of the cores that no verdict stands."""
    return foreign_share > FOREIGN_AT_MOST


def doubts(measured: Measured, *, foreign_share: float) -> list[str]:
    """One sentence each; none for a quiet machine whose load had room."""
    found = []
    if shared(foreign_share):
        found.append(f"Other programs or machines took {foreign_share:.0%} of the cores while they were measured.")
    return [*found, *noise(measured), *failures(measured), *limits(measured)]


def noise(measured: Measured) -> Iterator[str]:
    noisy = []
    for load, name in STEADFAST.items():
        for key in measured.keys(load):
            spread = measured.spread(key, name)
            if spread is not None and spread > SPREAD_AT_MOST:
                noisy.append(f"{title(key)} {spread:.0%}")
    if noisy:
        yield f"The machine was noisy: rounds differ by more than {SPREAD_AT_MOST:.0%} in {', '.join(noisy)}."


def failures(measured: Measured) -> Iterator[str]:
    for load, name in (("closed", "errors"), ("steady", "errors"), ("prompt", "errors"), ("streams", "broken")):
        for key in measured.keys(load):
            count = sum(measured.values(key, name))
            if count:
                yield f"With {title(key)}: {count:,.0f} {name} in {len(measured.values(key, name))} rounds."


def limits(measured: Measured) -> Iterator[str]:
    """Where the load's core was full, the figures are a bound of the server's, not the server's own."""
    for load in ("closed", "steady", "streams"):
        for key in measured.keys(load):
            server = measured.median(key, "server_share") or 0
            full = measured.median(key, "load_share") or 0
            if key.through != "direct" and full >= FULL:
                both = "both were full" if server >= FULL else "the load was the limit"
                yield f"With {title(key)} the load's core was {full:.0%} full, the server's {server:.0%}: {both}."


TITLES = {
    "closed": "{size:,} connections through {through}",
    "steady": "a constant rate through {through}",
    "streams": "{size:,} streams through {through}",
    "prompt": "prompts of {size:,} bytes through {through}",
    "start": "the start of {through}",
    "python": "the loop of plain Python",
}


def title(key: Key) -> str:
    return TITLES[key.load].format(**key._asdict())
