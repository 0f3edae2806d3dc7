"""What response headers say."""

from __future__ import annotations

from time import monotonic, perf_counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.answer import END, Answer
from penstock.core.call import Attempt, Call, RateState, Trail, Usage
from penstock.core.errors import InvalidRequest, PenstockError, RateLimited, Unauthenticated
from penstock.core.plan import Decision, Exclusion
from penstock.edge.headers import answer_lines, closing_lines, duration, error_lines, header_fields
from support.calls import complete_answer, make_call


def answer_headers(call: Call, answer: Answer) -> list[tuple[bytes, bytes]]:
    return header_fields(answer_lines(call, answer))


def error_headers(error: PenstockError, call: Call | None = None) -> list[tuple[bytes, bytes]]:
    return header_fields(error_lines(error, call))


def trail(**facts: object) -> Trail:
    return msgspec.structs.replace(Trail(received_at_s=monotonic()), **facts)


def test_an_answer_says_who_made_it_and_at_what_price() -> None:
    call = make_call(
        trail=trail(
            model="gpt-4o-mini",
            provider="openai",
            cache="miss",
            fallback_used=True,
            degraded=True,
            cost_nano_usd=1_234_500_000,
            attempts=[Attempt("a", "x", "m", 1.0, "upstream_error"), Attempt("b", "openai", "gpt-4o-mini", 2.0)],
            rate=RateState(100, 99, 0.6),
        )
    )
    headers = dict(answer_headers(call, complete_answer()))
    assert headers.pop(b"traceparent").split(b"-")[:2] == [b"00", call.trace_id.encode()]
    assert float(headers.pop(b"x-penstock-overhead-ms")) >= 0
    assert headers == {
        b"x-request-id": b"call-1",
        b"x-ratelimit-limit-requests": b"100",
        b"x-ratelimit-remaining-requests": b"99",
        b"x-ratelimit-reset-requests": b"600ms",
        b"x-penstock-model": b"gpt-4o-mini",
        b"x-penstock-provider": b"openai",
        b"x-penstock-attempts": b"2",
        b"x-penstock-fallback": b"true",
        b"x-penstock-cache": b"miss",
        b"x-penstock-cost-usd": b"1.234500000",
        b"x-penstock-degraded": b"true",
    }


def test_a_stream_does_not_claim_a_cost() -> None:
    assert b"x-penstock-cost-usd" not in dict(answer_headers(make_call(), Answer("openai")))


def test_a_stream_that_has_ended_tells_again_what_its_head_could_not_know() -> None:
    facts = trail(decision=Decision("chat", "route", ("a",)), cost_nano_usd=12_000, usage=Usage(3, 5))
    call, answer = make_call(trail=facts, explain=True), Answer("openai")
    answer.close(END)
    *lines, blank, rest = closing_lines(call, answer).split(b"\n")
    assert (blank, rest) == (b"", b"")
    assert all(line.startswith(b": ") for line in lines)  # a comment, to whoever reads events
    told = dict(header_fields(b"".join(line[2:] + b"\r\n" for line in lines)))
    assert told[b"x-penstock-cost-usd"] == b"0.000012000"
    assert msgspec.json.decode(told[b"x-penstock-decision"])["usage"]["output_tokens"] == 5


def test_the_decision_and_the_stage_times_are_told_on_request_only() -> None:
    now_s = perf_counter()
    decision = Decision("khẩn", "tier", ("a",), (Exclusion("b", "tier", "not for \U0001f600"),))
    facts = trail(
        decision=decision,
        stages=("trace", "spend", "dispatch"),
        marks=[now_s, now_s + 0.002],
        first_content_at_s=now_s + 0.005,
    )
    assert b"x-penstock-decision" not in dict(answer_headers(make_call(trail=facts), complete_answer()))
    headers = dict(answer_headers(make_call(trail=facts, explain=True), complete_answer()))
    assert headers[b"x-penstock-decision"].isascii()
    assert msgspec.json.decode(headers[b"x-penstock-decision"], type=Decision) == decision
    assert headers[b"server-timing"] == b"trace;dur=2.000, spend;dur=3.000"


@given(st.text())
def test_no_name_can_break_out_of_its_header(name: str) -> None:
    decision = Decision(name, name, (name,))
    call = make_call(trail=trail(model=name, provider=name, decision=decision), explain=True)
    for _, value in answer_headers(call, complete_answer()):
        assert value.decode("ascii").isprintable()


def test_an_error_says_when_and_whether_to_come_back() -> None:
    assert error_headers(RateLimited("Wait.", retry_after_s=0.25)) == [
        (b"retry-after", b"1"),
        (b"retry-after-ms", b"250"),
    ]
    assert error_headers(InvalidRequest("Mend it.")) == []
    assert (b"www-authenticate", b"Bearer") in error_headers(Unauthenticated("Who?"))


def test_an_error_of_a_call_names_it() -> None:
    headers = dict(error_headers(RateLimited("Wait."), make_call(trail=trail(rate=RateState(5, 0, 59.2)))))
    assert headers[b"x-request-id"] == b"call-1"
    assert headers[b"x-ratelimit-reset-requests"] == b"1m0s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, b"0ms"), (0, b"0ms"), (0.0121, b"13ms"), (1, b"1s"), (59.2, b"1m0s"), (360, b"6m0s"), (3630, b"1h0m30s")],
)
def test_durations_read_like_openais(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text
