"""What others log becomes lines of the gateway's log, without the text of exceptions."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.edge.faults import log_fault
from penstock.telemetry import Forward, build_logger

PROMPT = "a secret"


class Lines:
    """A stream of JSON lines, read as objects."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def one(self) -> dict[str, Any]:
        """The only line."""
        (line,) = self.stream.getvalue().splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    handler = Forward(build_logger(lines.stream, style="json"))
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def test_a_fault_of_an_edge_is_one_line_with_request_and_place(lines: Lines) -> None:
    try:
        dict[str, int]()[PROMPT]
    except KeyError as error:
        log_fault(error, "req_7")
    line = lines.one
    assert (line["event"], line["level"], line["logger"]) == (
        "unexpected KeyError in request req_7",
        "error",
        "penstock.edge",
    )
    assert "test_telemetry_forward.py" in line["stack"]
    assert "secret" not in lines.stream.getvalue()


def test_an_exception_is_told_by_kind_and_place(lines: Lines) -> None:
    try:
        int(PROMPT)
    except ValueError:
        logging.getLogger("library").exception("it broke")
    line = lines.one
    assert (line["event"], line["error"]) == ("it broke", "ValueError")
    assert "test_telemetry_forward.py" in line["stack"]
    assert "secret" not in lines.stream.getvalue()


def test_what_stands_behind_the_first_line_of_others_stays_out(lines: Lines) -> None:
    logging.getLogger("asyncio").warning("Task exception was never retrieved\nfuture: <exception=KeyError('secret')>")
    assert lines.one["event"] == "Task exception was never retrieved"
    assert "secret" not in lines.stream.getvalue()


def test_what_is_no_warning_is_not_passed_on(lines: Lines) -> None:
    logging.getLogger("library").info("chatter")
    assert lines.stream.getvalue() == ""
