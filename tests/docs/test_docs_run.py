"""Blocks marked ``run`` are run against the demo, in order, and what they print is what the page says.

After a ``bash run`` or ``python run`` block, a ``json output`` block states a part of the JSON that comes out (``"..."``
stands for any value; lists are compared item by item), a ``text output`` block states lines of it (``...`` stands for
any text).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.documents import PAGES, ROOT, Block, blocks
from support.server import environment, penstock, serving

RUN = {"bash run": ["bash", "-euo", "pipefail", "-c"], "python run": [sys.executable, "-W", "error", "-c"]}
OUTPUT = ("json output", "text output")
RUNNABLE = [page for page in PAGES if any(block.info in RUN for block in blocks(page))]
CONFIGS = [block for page in PAGES for block in blocks(page) if block.info == "yaml config"]
LIMIT_S = 60


def place(block: Block) -> str:
    return f"{block.page}:{block.line}"


def assert_part(stated: Any, given: Any, where: str) -> None:
    if stated == "...":
        return
    if isinstance(stated, dict) and isinstance(given, dict):
        for name, value in stated.items():
            assert name in given, f"{where}: no {name} in {given}"
            assert_part(value, given[name], f"{where} {name}")
    elif isinstance(stated, list) and isinstance(given, list):
        assert len(stated) <= len(given), where
        for index, value in enumerate(stated):
            assert_part(value, given[index], f"{where} [{index}]")
    else:
        assert stated == given, where


def assert_lines(stated: str, given: str, where: str) -> None:
    for line in stated.splitlines():
        pattern = ".*".join(re.escape(piece) for piece in line.split("..."))
        assert re.search(pattern, given), f"{where}: no line like {line!r} in:\n{given}"


def run(block: Block, address: str, folder: Path) -> str:
    ran = subprocess.run(
        [*RUN[block.info], block.text.replace("127.0.0.1:8000", address)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ran.returncode == 0, f"{place(block)}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    printed = ""
    with serving(ROOT / "config" / "demo.yaml", tmp_path) as address:
        for block in blocks(page):
            if block.info in RUN:
                printed = run(block, address, tmp_path)
            elif block.info == "json output":
                assert_part(json.loads(block.text), json.loads(printed), place(block))
            elif block.info == "text output":
                assert_lines(block.text, printed, place(block))


@pytest.mark.parametrize("block", CONFIGS, ids=place)
def test_a_config_on_a_page_is_valid(block: Block, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(block.text)
    command = penstock("check", str(config))
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ran.returncode == 0, f"{place(block)}: {ran.stdout}{ran.stderr}"


@pytest.mark.slow
def test_the_example_is_served_from_any_folder_with_nothing_but_its_keys(tmp_path: Path) -> None:
    config = tmp_path / "penstock.yaml"
    shutil.copy(ROOT / "config" / "example.yaml", config)
    keys = {name: f"{name}-{32 * 'x'}" for name in re.findall(r"\$([A-Z_]+_KEY)", config.read_text())}
    command, env = penstock("check"), environment(**keys)
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (ran.returncode, ran.stdout) == (0, "OK, 0 warnings.\n"), ran.stdout
    with serving(config, tmp_path, **keys):
        assert (tmp_path / "penstock.db").exists()


def test_an_output_block_follows_a_run_block() -> None:
    for page in PAGES:
        infos = [block.info for block in blocks(page) if block.info in RUN or block.info in OUTPUT]
        lonely = [
            index for index, info in enumerate(infos) if info in OUTPUT and (index == 0 or infos[index - 1] in OUTPUT)
        ]
        assert not lonely, page


def test_every_block_has_a_language_that_is_known() -> None:
    known = {*RUN, *OUTPUT, "bash", "text", "json", "yaml", "yaml config", "python"}
    for page in PAGES:
        strange = [place(block) for block in blocks(page) if block.info not in known]
        assert not strange, f"blocks of no known kind: {strange}"


def test_part_and_lines_find_what_is_wrong() -> None:
    assert_part({"a": "...", "b": [{"c": 1}]}, {"a": 5, "b": [{"c": 1, "d": 2}]}, "here")
    with pytest.raises(AssertionError, match="here b"):
        assert_part({"b": [{"c": 1}]}, {"b": [{"c": 2}]}, "here")
    assert_lines("llm_{...} 1", "x\nllm_{a} 1", "here")
    with pytest.raises(AssertionError, match="no line like"):
        assert_lines("429", "200", "here")
