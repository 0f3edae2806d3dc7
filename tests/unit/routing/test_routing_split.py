"""Arms by weight: shares are right, a key keeps its arm, and a change of weights moves no more keys than it must."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import sqrt

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.routing import pick, pick_for

SECRET = b"a secret of this gateway"
KEYS = [f"user-{number}" for number in range(1500)]
WEIGHT = st.floats(0, 1000, allow_subnormal=False) | st.integers(0, 100).map(float)
WEIGHTS = st.lists(WEIGHT, min_size=1, max_size=5)


def arms_of(keys: list[str], weights: dict[str, float], secret: bytes = SECRET) -> list[str]:
    names = list(weights)
    return [names[pick_for(key, names, list(weights.values()), secret)] for key in keys]


# --- by chance ---


def test_each_arm_has_its_share_of_chances() -> None:
    assert Counter(pick([95, 5], number / 1000) for number in range(1000)) == {0: 950, 1: 50}
    assert Counter(pick([1, 0, 3], number / 1000) for number in range(1000)) == {0: 250, 2: 750}


@given(WEIGHTS, st.floats(0, 1, exclude_max=True))
def test_an_arm_without_weight_is_never_picked_beside_one_that_has_some(weights: list[float], chance: float) -> None:
    assume(not 0 < sum(weights) < 1e-300)
    assert weights[pick(weights, chance)] > 0 or (not any(weights) and pick(weights, chance) == 0)


# --- by key ---


def test_a_key_has_the_same_arm_in_every_process_and_version() -> None:
    arms = arms_of(KEYS[:30], {"main": 90.0, "canary": 10.0})
    assert [key for key, arm in zip(KEYS, arms, strict=False) if arm == "canary"] == [
        "user-4",
        "user-12",
        "user-16",
        "user-17",
        "user-21",
        "user-23",
    ]


@given(st.lists(st.integers(0, 100).map(float), min_size=2, max_size=4).filter(any))
@settings(max_examples=25)
def test_each_arm_has_its_share_of_keys(weights: list[float]) -> None:
    counts = Counter(arms_of(KEYS, {f"arm-{number}": weight for number, weight in enumerate(weights)}))
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        deviation = sqrt(len(KEYS) * share * (1 - share))
        assert abs(counts[f"arm-{number}"] - len(KEYS) * share) <= 5 * deviation


@given(st.lists(st.integers(1, 100).map(float), min_size=2, max_size=4), st.integers(0, 200).map(float))
@settings(max_examples=25)
def test_a_change_of_weight_moves_keys_to_that_arm_or_from_it_and_no_other(
    weights: list[float], changed: float
) -> None:
    before = {f"arm-{number}": weight for number, weight in enumerate(weights)}
    after = before | {"arm-0": changed}
    moves = {pair for pair in zip(arms_of(KEYS, before), arms_of(KEYS, after), strict=True) if pair[0] != pair[1]}
    if changed >= weights[0]:
        assert {to for _, to in moves} <= {"arm-0"}
    else:
        assert {left for left, _ in moves} <= {"arm-0"}


def test_a_canary_that_grows_keeps_those_it_had() -> None:
    canaries = [
        {
            key
            for key, arm in zip(KEYS, arms_of(KEYS, {"main": 100 - share, "canary": share}), strict=True)
            if arm == "canary"
        }
        for share in (1.0, 5.0, 25.0, 50.0, 100.0)
    ]
    assert all(small < large for small, large in pairwise(canaries))


def test_an_arm_that_goes_away_leaves_the_others_theirs() -> None:
    three = arms_of(KEYS, {"a": 1.0, "b": 1.0, "c": 1.0})
    two = arms_of(KEYS, {"c": 1.0, "a": 1.0})  # in whatever order they stand
    assert all(now == then for then, now in zip(three, two, strict=True) if then != "b")


def test_another_secret_splits_otherwise() -> None:
    weights = {"a": 1.0, "b": 1.0}
    assert arms_of(KEYS, weights) != arms_of(KEYS, weights, b"another")


@given(st.text(), WEIGHTS)
def test_any_key_has_an_arm(key: str, weights: list[float]) -> None:
    chosen = pick_for(key, [f"{number}" for number in range(len(weights))], weights, SECRET)
    assert weights[chosen] > 0 or (not any(weights) and chosen == 0)
