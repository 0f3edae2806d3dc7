from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.config import RunFile, run_file_path, write_run_file

RUN = CliRunner()

Start = Callable[[Path, str], None]

# Stands for a gateway: answers SIGHUP by rewriting the run file.
GATEWAY = """
import os, signal, sys
from pathlib import Path
from penstock.config import RunFile, write_run_file

path, config, error = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None

def report(generation, error):
    write_run_file(path, RunFile(pid=os.getpid(), url="", config=config, generation=generation, digest="d" * 64, loaded_at=0, error=error,
                                waiting=("server.log_format",) if generation > 1 else ()))

signal.signal(signal.SIGHUP, lambda *_: report(2, error))
report(1, None)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def start(stand_in: Callable[..., None]) -> Start:
    return lambda config, error: stand_in(GATEWAY, str(config), error)


def test_a_good_config_is_taken_into_use(config: Path, start: Start) -> None:
    start(config, "")
    result = RUN.invoke(app, ["reload", "--config", str(config)])
    assert (result.exit_code, result.output) == (
        0,
        "Reloaded: generation 2, config dddddddddddd.\nIn force after a restart only: server.log_format.\n",
    )


def test_a_gateway_that_keeps_its_config_says_why(config: Path, start: Start) -> None:
    start(config, "store.url cannot change")
    result = RUN.invoke(app, ["reload", "--config", str(config)])
    assert result.exit_code == 1
    assert "store.url cannot change" in result.output


def test_a_bad_config_signals_nobody(config: Path, start: Start) -> None:
    start(config, "")
    config.write_text(config.read_text() + "server: {port: many}\n")
    result = RUN.invoke(app, ["reload", "--config", str(config)])
    assert result.exit_code == 1
    assert "Nothing was changed." in result.output
    assert "server.port" in result.output


def test_another_file_is_not_what_runs(config: Path, start: Start) -> None:
    start(config.with_name("other.yaml"), "")
    result = RUN.invoke(app, ["reload", "--config", str(config)])
    assert result.exit_code == 1
    assert "other.yaml" in result.output


def test_a_run_file_left_behind_harms_no_later_process(config: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for pid in (stranger.pid, 2**22 + 1):
            run = RunFile(pid=pid, url="", config=str(config), generation=1, digest="d", loaded_at=0)
            write_run_file(run_file_path(config.with_name("p.db")), run)
            result = RUN.invoke(app, ["reload", "--config", str(config)])
            assert result.exit_code == 1
            assert "No gateway runs" in result.output
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
