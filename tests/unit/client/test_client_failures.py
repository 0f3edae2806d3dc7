"""An error over HTTP is of the class that it was in the gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.client.failures import read_error, read_failure
from penstock.core import errors
from penstock.core.errors import GatewayUnreachable, PenstockError, RateLimited
from penstock.dialects.openai import error_body
from penstock.edge.headers import error_lines, header_fields


def tree(base: type[PenstockError]) -> Iterator[type[PenstockError]]:
    if "code" in vars(base):  # the others are bases, and never told
        yield base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from tree(each)


@pytest.mark.parametrize("kind", [*tree(PenstockError)], ids=lambda kind: kind.__name__)
def test_every_class_comes_back_as_itself(kind: type[PenstockError]) -> None:
    told = kind("What is wrong.", param="model", retry_after_s=1.5)
    read = read_failure(kind.status, dict(header_fields(error_lines(told))), error_body(told))
    assert type(read) is kind
    assert (read.message, read.param, read.retry_after_s) == ("What is wrong.", "model", 1.5)


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (403, errors.PermissionDenied), (418, PenstockError)])
def test_a_code_of_a_later_gateway_is_told_by_its_status(status: int, kind: type[PenstockError]) -> None:
    read = read_failure(status, {b"retry-after": b"3"}, b'{"error": {"code": "new_one", "message": "New."}}')
    assert (type(read), read.retry_after_s) == (kind, 3.0)


def test_what_is_no_gateway_is_told_so() -> None:
    read = read_failure(502, {}, b"<html>Bad Gateway</html>")
    assert isinstance(read, GatewayUnreachable)
    assert "502" in read.message


@given(st.binary(max_size=60))
def test_any_body_is_an_error_or_none(body: bytes) -> None:
    error = read_error(body)
    assert error is None or isinstance(error, PenstockError)
