"""Twenty seconds of the soak, and its verdict on rows whose answer is known."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.load import judge
from soak.samples import total
from soak.verdict import Tolerance, growth
from support.server import ROOT, environment

TIMES_S = [float(second) for second in range(0, 300, 5)]
FOUR_MB = Tolerance(4.0, 0.04)


@pytest.mark.slow
def test_twenty_seconds_under_load_leave_the_gateway_as_it_was() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "soak", "--seconds", "20", "--streams", "100"],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "verdict: flat, nothing broke" in ran.stdout


@given(st.integers(0, 1000), st.floats(50, 500))
def test_noise_without_a_trend_is_flat(seed: int, level: float) -> None:
    chance = random.Random(seed)
    assert growth(TIMES_S, [level + chance.uniform(-1, 1) for _ in TIMES_S], FOUR_MB).flat


@given(st.integers(0, 1000), st.floats(50, 150))
def test_a_leak_is_seen_through_noise(seed: int, level: float) -> None:
    chance = random.Random(seed)
    values = [level + 10 * at_s / TIMES_S[-1] + chance.uniform(-1, 1) for at_s in TIMES_S]
    assert not growth(TIMES_S, values, FOUR_MB).flat


def test_one_jump_of_the_last_sample_is_no_leak() -> None:
    assert growth(TIMES_S, [100.0] * (len(TIMES_S) - 1) + [150.0], FOUR_MB).flat


def test_a_saw_tooth_is_flat_and_falling_is_too() -> None:
    assert growth(TIMES_S, [100 + at_s % 30 for at_s in TIMES_S], FOUR_MB).flat
    assert growth(TIMES_S, [100 - at_s for at_s in TIMES_S], FOUR_MB).flat


def test_the_tolerance_is_the_larger_of_its_two() -> None:
    assert [FOUR_MB.of(level) for level in (50.0, 500.0)] == [4.0, 20.0]


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="run for longer"):
        growth([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], FOUR_MB)


def test_series_of_a_metric_are_summed() -> None:
    page = '# HELP a x\na{b="1"} 2.0\na{b="2"} 3.0\nab{b="1"} 7.0\nc 4.5\n'
    assert [total(page, "a"), total(page, "a", 'b="2"'), total(page, "c"), total(page, "d")] == [5.0, 3.0, 4.5, 0.0]


OK = b"HTTP/1.1 200 OK\r\n\r\n"
TWO_WORDS = b'"content":"w0 " "content":"w1 "'
DONE = b"data: [DONE]\n\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "head", "body", "end"),
    [
        ("stream", OK, TWO_WORDS + DONE, "ok"),
        ("stream", OK, TWO_WORDS, "BROKEN 2 of 2 words"),
        ("stream", OK, b'"content":"w1 " "content":"w0 "' + DONE, "BROKEN order of words"),
        ("stream", b"HTTP/1.1 502 x\r\n\r\n", b"", "BROKEN status 502"),
        ("bad", b"HTTP/1.1 502 x\r\n\r\n", b"", "error 502"),
        ("bad", OK, b'"content":"w0 "', "told"),
        ("bad", OK, b'"content":"w0 "' + DONE, "BROKEN a clean end"),
    ],
)
def test_what_a_caller_takes_for_broken(kind: str, head: bytes, body: bytes, end: str) -> None:
    assert judge(kind, head, body, 2) == end
