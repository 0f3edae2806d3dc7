"""docs/python.md names every option, method and error of the Python API, and none that does not exist."""

from __future__ import annotations

import inspect
import re

import penstock.llm
from penstock import Client
from penstock.client import Asks
from penstock.llm import LLM, Generation, LLMError, LLMFactory
from support.documents import codes, read, rows

PAGE = read("docs/python.md")


def table(head: str) -> list[list[str]]:
    return rows(PAGE.partition(f"\n## {head}\n")[2].partition("\n## ")[0])


def test_every_argument_of_a_client_is_documented() -> None:
    section = PAGE.partition("\n### What may be asked\n")[2].partition("\n### ")[0]
    assert sorted(name for row in rows(section) for name in codes(row[0])) == sorted(Asks.__annotations__)


def test_every_method_of_a_client_is_documented() -> None:
    section = PAGE.partition("\n## A gateway from Python\n")[2].partition("\n### ")[0]
    stated = {code.removeprefix("await ").partition("(")[0] for row in rows(section) for code in codes(row[0])}
    members = {name for name, member in inspect.getmembers(Client, inspect.isroutine) if not name.startswith("_")}
    assert stated == members


def test_every_option_is_documented_in_its_place() -> None:
    parameters = inspect.signature(LLMFactory.create_llm).parameters
    assert [row[0].strip("`") for row in table("Options of `create_llm`")] == list(parameters)


def test_every_method_is_documented() -> None:
    stated = {name.partition("(")[0] for row in table("Methods") for name in codes(row[0])}
    methods = {name for name, member in inspect.getmembers(LLM, inspect.isfunction) if not name.startswith("_")}
    assert stated == methods - {"answer"}  # asked by other LLMs


def test_every_fact_of_an_answer_is_documented() -> None:
    facts = {*Generation.__struct_fields__, "raw", "message", "tool_calls"}
    assert set(codes(table("Methods")[0][1])) == facts | {"Generation"}


def test_every_error_is_documented_as_what_it_is() -> None:
    stated = {row[0].strip("`"): row[1].strip("`") for row in table("Errors")}
    names = [name for name in penstock.llm.__all__ if re.fullmatch(r"LLM\w*Error", name)]
    errors = {name: getattr(penstock.llm, name) for name in names}
    assert stated == {name: error.__name__ for name, error in errors.items()}
    assert all(issubclass(error, LLMError) for error in errors.values())
