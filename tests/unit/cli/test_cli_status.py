"""``penstock status`` against a stand-in that answers ``/health``, and once against a gateway."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.config import RunFile, read_run_file, run_file_path, write_run_file
from support.configs import DEMO, GOOD
from support.server import environment, penstock, running

RUN = CliRunner()

# Stands for a gateway: answers everything with one status and body, to the admin key of WHOLE.
GATEWAY = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from penstock.config import RunFile, write_run_file

path, status, body = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()

class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        assert (self.path, self.headers["authorization"]) == ("/health", "Bearer sk-demo-admin")
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = HTTPServer(("127.0.0.1", 0), Health)
url = f"http://127.0.0.1:{server.server_port}"
write_run_file(path, RunFile(pid=os.getpid(), url=url, config="c.yaml", generation=1, digest="d", loaded_at=0))
print("ready", flush=True)
server.serve_forever()
"""

FAST = {"provider": "mock-fast", "model": "fast-1"}
WELL = {"state": "closed", "since_s": 7250.0, "p50_ms": 4.25, "p95_ms": 240.4, "error_rate": 0.0125, "calls": 80}
UNASKED = {"state": "closed", "since_s": 30.0, "p50_ms": None, "p95_ms": None, "error_rate": None, "calls": 0}

Serve = Callable[[Any], None]


@pytest.fixture
def serve(stand_in: Callable[..., None]) -> Serve:
    def run(health: Any, status: int = 200) -> None:
        stand_in(GATEWAY, str(status), health if isinstance(health, str) else json.dumps(health))

    return run


def told(config: Path, *words: str) -> tuple[int, str]:
    result = RUN.invoke(app, ["status", "--config", str(config), *words])
    return result.exit_code, result.output


def test_each_target_is_a_line_with_all_that_is_known(config: Path, serve: Serve) -> None:
    serve({"status": "ok", "targets": {"fast": FAST | WELL, "spare": FAST | UNASKED}})
    status, output = told(config)
    assert status == 0
    assert [line.split("\t") for line in output.splitlines()] == [
        ["target", "state", "breaker", "since", "p50 ms", "p95 ms", "errors", "calls"],
        ["fast", "up", "closed", "2 h", "4.2", "240", "1.2%", "80"],
        ["spare", "idle", "closed", "30 s", "-", "-", "-", "0"],
    ]


def test_an_open_breaker_is_a_failure_of_the_command_too(config: Path, serve: Serve) -> None:
    serve({"targets": {"fast": FAST | WELL | {"state": "open", "since_s": 12.9}, "spare": FAST | UNASKED}})
    status, output = told(config)
    assert status == 1
    assert "fast\tdown\topen\t12 s\t" in output


def test_a_breaker_that_tries_again_is_none(config: Path, serve: Serve) -> None:
    serve({"targets": {"fast": FAST | WELL | {"state": "half_open", "since_s": 0.2}}})
    status, output = told(config)
    assert status == 0
    assert "fast\ttrying\thalf open\t0 s\t" in output


def test_what_is_so_in_some_workers_alone_is_counted(config: Path, serve: Serve) -> None:
    serve(
        {
            "targets": {
                "well": FAST | WELL | {"workers": {"closed": 4}, "resting": 0},
                "part": FAST | WELL | {"state": "open", "workers": {"closed": 2, "half_open": 1, "open": 1}},
                "dead": FAST | WELL | {"state": "open", "workers": {"open": 4}},
                "back": FAST | WELL | {"state": "half_open", "workers": {"closed": 3, "half_open": 1}},
            }
        }
    )
    status, output = told(config)
    assert status == 1
    assert [line.split("\t")[:3] for line in output.splitlines()[1:]] == [
        ["well", "up", "closed"],
        ["part", "down in 1 of 4", "open"],
        ["dead", "down", "open"],
        ["back", "trying in 1 of 4", "half open"],
    ]


def test_a_provider_that_wants_a_rest_is_told(config: Path, serve: Serve) -> None:
    serve(
        {
            "targets": {
                "one": FAST | WELL | {"workers": {"closed": 1}, "resting": 1},
                "some": FAST | UNASKED | {"workers": {"closed": 4}, "resting": 3},
                "half": FAST | WELL | {"state": "half_open", "workers": {"half_open": 2}, "resting": 2},
                "open": FAST | WELL | {"state": "open", "workers": {"closed": 1, "open": 1}, "resting": 1},
            }
        }
    )
    _, output = told(config)
    assert [line.split("\t")[1:3] for line in output.splitlines()[1:]] == [
        ["resting", "closed"],
        ["resting in 3 of 4", "closed"],
        ["resting", "half open"],
        ["down in 1 of 2", "open"],
    ]


def test_a_worker_that_has_not_answered_is_named(config: Path, serve: Serve) -> None:
    health = {
        "targets": {"fast": FAST | WELL | {"workers": {"closed": 1}}},
        "workers": [{"worker": 0, "answered": True}, {"worker": 1, "answered": False}],
    }
    serve(health)
    result = RUN.invoke(app, ["status", "--config", str(config)])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "Worker 1 has not answered: what it knows is missing.\n"
    assert json.loads(told(config, "--json")[1]) == health


def test_machines_get_the_whole_answer(config: Path, serve: Serve) -> None:
    health = {
        "status": "ok",
        "version": "9",
        "targets": {"fast": FAST | WELL | {"state": "open"}, "né": FAST | UNASKED},
    }
    serve(health)
    status, output = told(config, "--json")
    assert (status, json.loads(output)) == (1, health)


def test_people_get_a_table_with_what_is_down_in_red(config: Path, serve: Serve) -> None:
    serve({"targets": {"[fast]": FAST | WELL | {"state": "open"}, "spare": FAST | UNASKED}})
    env = {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}
    output = RUN.invoke(app, ["status", "--config", str(config)], env=env).output
    _, head, fast, spare = output.splitlines()
    assert "breaker" in head
    assert fast.startswith("\x1b[31m[fast]")
    assert "\x1b[3" not in spare


# --- nobody to ask ---


def test_no_gateway_is_told_with_where_it_was_looked_for(config: Path) -> None:
    status, output = told(config)
    assert status == 2
    assert f"No gateway runs with {config.with_name('p.db')}.run.json. Is this the working directory" in output


def test_the_admin_key_goes_to_no_process_that_took_a_dead_gateways_place(config: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        run = RunFile(pid=stranger.pid, url="http://127.0.0.1:1", config="", generation=1, digest="d", loaded_at=0)
        write_run_file(run_file_path(config.with_name("p.db")), run)
        status, output = told(config)
        assert status == 2
        assert "No gateway runs" in output
    finally:
        stranger.kill()
        stranger.wait()


def test_a_gateway_that_does_not_listen_is_told(config: Path, serve: Serve) -> None:
    serve({})
    path = run_file_path(config.with_name("p.db"))
    gateway = read_run_file(path)
    assert gateway is not None
    write_run_file(
        path, RunFile(pid=gateway.pid, url="http://127.0.0.1:1", config="", generation=1, digest="d", loaded_at=0)
    )
    assert told(config) == (
        2,
        "The gateway at http://127.0.0.1:1 does not answer: it is starting, ending or stuck; look at its log.\n",
    )


@pytest.mark.parametrize(
    ("health", "status", "why"),
    [
        ({"status": "ok"}, 200, "does not know the first admin key of this config: `penstock reload`"),
        ("<html>", 200, "is not understood"),
        ({"targets": {"fast": {"state": "ajar"}}}, 200, "is not understood"),
        ({"error": {}}, 429, "answers /health with status 429: try again in a minute"),
    ],
)
def test_an_answer_that_tells_nothing_is_told_with_a_cure(
    config: Path, serve: Callable[..., None], health: Any, status: int, why: str
) -> None:
    serve(health, status)
    exit_status, output = told(config)
    assert exit_status == 2
    assert why in output
    assert "sk-demo-admin" not in output


def test_a_config_without_admin_key_is_told_with_a_cure(config: Path) -> None:
    config.write_text(GOOD)
    status, output = told(config)
    assert status == 2
    assert "has no admin key" in output
    assert "add `admin_keys: [$PENSTOCK_ADMIN_KEY]`" in output


# --- a gateway ---


@pytest.mark.slow
def test_a_gateway_is_found_wherever_it_listens_and_tells_its_targets(tmp_path: Path) -> None:
    with running(DEMO, tmp_path):
        words = penstock("status", "--config", str(DEMO))
        env = environment(http_proxy="http://127.0.0.1:1")
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    head, *targets = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert head == "target"
    assert targets == ["fast_extractor", "strong_reasoner", "fallback_balanced"]
