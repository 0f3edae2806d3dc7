"""What a caller asks in headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import InvalidParameter
from penstock.edge.asks import Asks, read_asks, read_key, read_request_id, read_tags, read_trace_id, read_user

TRACE = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"


@pytest.mark.parametrize(
    ("value", "trace_id"),
    [
        (b"00-%b-%b-01" % (TRACE, SPAN), TRACE.decode()),
        (b"cc-%b-%b-01-what-comes" % (TRACE, SPAN), TRACE.decode()),
        (b"00-%b-%b-01-more" % (TRACE, SPAN), None),
        (b"ff-%b-%b-01" % (TRACE, SPAN), None),
        (b"00-%b-%b-01" % (TRACE.upper(), SPAN), None),
        (b"00-%b-%b-01" % (b"0" * 32, SPAN), None),
        (b"00-%b-%b-01" % (TRACE, b"0" * 16), None),
        (b"00-%b-%b" % (TRACE, SPAN), None),
        (b"", None),
    ],
)
def test_a_traceparent_counts_only_when_it_is_valid(value: bytes, trace_id: str | None) -> None:
    assert read_trace_id({b"traceparent": value}) == trace_id


@given(st.binary(max_size=200))
def test_a_request_id_is_taken_only_when_it_is_a_token(value: bytes) -> None:
    call_id = read_request_id({b"x-request-id": value})
    assert call_id is None or (call_id.encode() == value and call_id.isascii() and " " not in call_id)
    assert read_request_id({b"x-request-id": b"a" * 129}) is None


@given(st.binary(max_size=300))
def test_a_user_is_printable_or_refused(value: bytes) -> None:
    try:
        user = read_user({b"x-penstock-user": value})
    except InvalidParameter:
        return
    assert user.isprintable()
    assert user.encode() == value


@pytest.mark.parametrize("value", [b"a", b"=b", b"a=", b"a=b,", b"a=b c", b",".join(b"k%d=v" % n for n in range(9))])
def test_tags_that_are_no_pairs_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidParameter):
        read_tags({b"x-penstock-tags": value})


def test_the_key_of_a_bearer_token_comes_first() -> None:
    assert read_key({b"authorization": b"BEARER  a ", b"x-api-key": b"b"}) == "a"
    assert read_key({b"x-api-key": b"b"}) == "b"
    assert read_key({}) is None


def test_what_is_asked_for_wrongly_still_has_its_ids() -> None:
    asks = read_asks({b"x-request-id": b"mine", b"x-penstock-task": b"a b", b"x-penstock-user": b"ann"})
    assert asks.request_id == "mine"
    assert asks.invalid is not None
    assert asks.invalid.param == "x-penstock-task"
    assert read_asks({b"host": b"a"}) == Asks()


def test_a_decision_is_told_when_it_is_asked_for() -> None:
    asked = {value: read_asks({b"x-penstock-explain": value}) for value in (b"1", b"0", b"", b"banana", b"true")}
    assert [asks.explain for asks in asked.values()] == [True, False, False, False, False]
    for value in (b"banana", b"true"):
        told = asked[value].invalid
        assert told is not None
        assert told.param == "x-penstock-explain"
