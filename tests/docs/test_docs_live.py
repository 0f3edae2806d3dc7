"""What the running demo offers, against what the pages say: endpoints, metrics, commands, environment variables."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from support.documents import PAGES, ROOT, blocks, codes, read, rows
from support.server import serving

PAGES_OF_THE_DEMO = {"GET /", "GET /docs", "GET /openapi.json"}


def said() -> Iterator[tuple[str, str]]:
    """Every piece of code in the documentation, with its page."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for code in codes(
            re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        ):
            yield name, code
        for block in blocks(page):
            for line in block.text.splitlines():
                yield name, line.strip()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(ROOT / "config" / "demo.yaml", tmp_path_factory.mktemp("demo")) as address:
        yield address


def get(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


@pytest.mark.slow
def test_every_endpoint_is_documented_and_none_else(address: str) -> None:
    document = json.loads(get(address, "/openapi.json"))
    real = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    stated = {row[0].strip("`") for row in rows(read("docs/http-api.md")) if re.match(r"`(?:GET|POST|DELETE) ", row[0])}
    assert stated == real | PAGES_OF_THE_DEMO
    # `{`-names are placeholders: the demo's own provider stands for one in the lab.
    named = {code for _, code in said() if re.fullmatch(r"(?:GET|POST|DELETE) /[\w/{}.-]*", code)}
    assert sorted(named - stated) == []


def test_every_header_of_ours_is_documented_and_none_else() -> None:
    sources = [path.read_text().replace(r"\r\n", "\n") for path in (ROOT / "src" / "penstock" / "edge").rglob("*.py")]
    ours = re.compile(r"\bx-(?:penstock|ratelimit|should)-[\w-]+")
    real = {name for source in sources for name in ours.findall(source)}
    assert {name for code in codes(read("docs/http-api.md")) for name in ours.findall(code)} == real
    assert sorted({name for _, code in said() for name in ours.findall(code)} - real) == []


@pytest.mark.slow
def test_every_metric_is_documented_and_none_else(address: str) -> None:
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", get(address, "/metrics"), re.MULTILINE))
    stated = {row[0].strip("`"): row[1] for row in rows(read("docs/metrics.md"))}
    # The Prometheus client's own are not ours to name.
    assert stated == {name: kind for name, kind in types.items() if not name.startswith(("process_", "python_"))}
    named = {name for _, code in said() for name in re.findall(r"\bllm_\w+", code)}
    assert sorted(named - stated.keys()) == []


def test_every_command_and_option_is_documented_and_none_else() -> None:
    cli = pytest.importorskip("penstock.cli", reason="the command line is not there yet")

    def commands(command: Any, words: str) -> Iterator[tuple[str, set[str]]]:
        if not hasattr(command, "commands"):
            yield words, {name for option in command.params for name in option.opts if name.startswith("--")}
            return
        for name, each in command.commands.items():
            yield from commands(each, f"{words} {name}")

    real = dict(commands(get_command(cli.app), "penstock"))
    stated = {row[0].strip("`"): set(codes(row[1])) for row in rows(read("docs/cli.md"))}
    assert stated == real
    known = {command.split()[1] for command in real} | {"COMMAND", "--help", "--version"}
    named = {found[1] for _, code in said() if (found := re.match(r"penstock ([\w-]+)", code))}
    assert sorted(named - known) == []


def test_every_environment_variable_that_a_page_names_exists() -> None:
    load = pytest.importorskip("penstock.config.load", reason="the config is not there yet")
    named = {name for _, code in said() for name in re.findall(r"PENSTOCK_[A-Z_]*[A-Z](?![A-Z_<])", code)}
    # The first is the command line's own, the second stands in examples as a name of the operator's.
    own = {"PENSTOCK_CONFIG", "PENSTOCK_ADMIN_KEY"}
    assert sorted(named - own - set(load.override_names())) == []
