"""Logs: one object per line, no secrets, no floods."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from penstock.core.errors import RateLimited, UpstreamRejected, UpstreamTimeout
from penstock.telemetry import FailedCalls, build_logger
from support.calls import make_call
from support.clocks import HandClock


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_level_time_and_fields() -> None:
    stream = io.StringIO()
    logger = build_logger(stream, style="json")
    logger.info("started", port=8000)
    logger.warning("slow")
    first, second = _lines(stream)
    assert (first["event"], first["level"], first["port"]) == ("started", "info", 8000)
    assert first["time"].endswith("Z")
    assert second["level"] == "warning"


def test_a_level_leaves_out_what_is_below_it() -> None:
    stream = io.StringIO()
    logger = build_logger(stream, style="json", level="error")
    logger.warning("left out")
    logger.error("told")
    assert [line["event"] for line in _lines(stream)] == ["told"]


def test_secrets_are_redacted_by_name_at_any_depth() -> None:
    stream = io.StringIO()
    headers = {"Authorization": "Bearer sk-1", "x-api-key": "sk-1", "accept": "*/*"}
    build_logger(stream, style="json").info("request", api_key="sk-1", headers=headers)
    (line,) = _lines(stream)
    assert "sk-1" not in stream.getvalue()
    assert line["headers"] == {"Authorization": "[redacted]", "x-api-key": "[redacted]", "accept": "*/*"}
    assert headers["Authorization"] == "Bearer sk-1"


def test_the_console_gets_plain_lines_where_it_has_no_colours() -> None:
    stream = io.StringIO()
    build_logger(stream, style="console").warning("slow", target="fast", api_key="sk-1")
    assert "slow" in stream.getvalue()
    assert "target=fast" in stream.getvalue()
    assert "sk-1" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_no_value_looks_like_another_field_or_another_line_of_the_console() -> None:
    stream = io.StringIO()
    logger = build_logger(stream, style="console")
    logger.error("told", name="a status=200", other="one\ntwo\x1b[0m", plain="a/b:c", count=3)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("[error    ] told  ")
    assert r"count=3 name='a status=200' other='one\ntwo\x1b[0m' plain=a/b:c time=" in line


def test_a_stack_stands_below_its_line_of_the_console() -> None:
    stream = io.StringIO()
    build_logger(stream, style="console").error("broken", stack="File a\n  line\n")
    assert stream.getvalue().splitlines()[1:] == ["File a", "  line", ""]


def test_what_json_does_not_know_is_told_all_the_same() -> None:
    stream = io.StringIO()
    build_logger(stream, style="json").info("odd", path=Path("a"), text="\ud800")
    (line,) = _lines(stream)
    assert (line["path"], line["text"]) == ("PosixPath('a')", "\ud800")


def test_a_failed_call_is_one_line_with_its_ids_and_a_providers_cause() -> None:
    stream = io.StringIO()
    failed = FailedCalls(build_logger(stream, style="json"))
    call = make_call(request_id="mine-1")
    call.trail.target, call.trail.provider = "fast", "sim"
    failed(call, UpstreamTimeout("'sim' did not answer"), 1234.56)
    (line,) = _lines(stream)
    del line["time"]
    assert line == {
        "event": "call failed",
        "level": "warning",
        "call_id": "call-1",
        "tenant": "acme",
        "request_id": "mine-1",
        "error": "upstream_timeout",
        "reason": "'sim' did not answer",
        "status": 504,
        "endpoint": "/v1/chat/completions",
        "task": "",
        "target": "fast",
        "provider": "sim",
        "attempts": 0,
        "latency_ms": 1234.6,
    }


def test_what_a_message_says_of_the_request_is_not_logged() -> None:
    stream = io.StringIO()
    failed = FailedCalls(build_logger(stream, style="json"))
    failed(make_call(), UpstreamRejected("The provider refused the request: 'my secret prompt' is too short"), 1.0)
    assert "secret" not in stream.getvalue()


def test_a_flood_of_failures_is_cut_and_counted() -> None:
    clock, stream = HandClock(100.0), io.StringIO()
    failed = FailedCalls(build_logger(stream, style="json"), per_second=3, clock=clock)
    for _ in range(10):
        failed(make_call(), UpstreamTimeout("late"), 1.0)
    assert len(_lines(stream)) == 3
    clock.pass_s(1)
    failed(make_call(), UpstreamTimeout("late"), 1.0)
    assert [fields.get("left_out") for fields in _lines(stream)] == [None, None, None, 7]


def test_what_the_caller_did_wrong_is_no_warning() -> None:
    stream = io.StringIO()
    FailedCalls(build_logger(stream, style="json"))(make_call(), RateLimited("slow down"), 1.0)
    assert [line["level"] for line in _lines(stream)] == ["info"]
