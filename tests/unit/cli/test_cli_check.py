from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from support.configs import DEMO, GOOD

RUN = CliRunner()


def test_the_demo_passes() -> None:
    result = RUN.invoke(app, ["check", str(DEMO)])
    assert (result.exit_code, result.output) == (0, "OK, 0 warnings.\n")


def test_mistakes_are_lines_with_place_and_cure(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  prot: 1\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert f"{path}:6:3: error: server.prot: `prot` is no setting here (did you mean `port`?)" in result.output
    assert "1 error, 0 warnings: not usable." in result.output


def test_mistakes_are_a_table_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  '[red]prot': 1\n")
    result = RUN.invoke(app, ["check", str(path)], env={"FORCE_COLOR": "1", "COLUMNS": "240"})
    assert result.exit_code == 1
    assert "what to do" in result.output
    assert "`[red]prot` is no setting here" in result.output


def test_mistakes_are_json_for_scripts(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "server:\n  prot: 1\n")
    result = RUN.invoke(app, ["check", str(path), "--json"])
    found = json.loads(result.output)
    assert (result.exit_code, found["ok"]) == (1, False)
    assert found["problems"][0] | {"message": ""} == {
        "file": str(path),
        "line": 6,
        "column": 3,
        "path": "server.prot",
        "message": "",
        "suggestion": "did you mean `port`?",
        "severity": "error",
    }


def test_prompts_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    (tmp_path / "prompts" / "p").mkdir(parents=True)
    prompt = tmp_path / "prompts" / "p" / "v1.yaml"
    head = "prompt_id: p\nversion: v1\nowner: o\ntask: t\nmessages: [{role: user, content: Hi}]\n"
    prompt.write_text(head + "compatible_models: [slow]\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    assert "no model here is called slow" in result.output
    prompt.write_text(head + "rollout: live\n")
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert f"{prompt}: error" in result.output


def test_models_are_listed_by_tier() -> None:
    everything = RUN.invoke(app, ["models", "--config", str(DEMO)]).output
    assert (
        "strong_reasoner\tmock-strong\tstrong-reason-v1\t0.003\t0.003\tenterprise\treasoning, code, agent" in everything
    )
    free = RUN.invoke(app, ["models", "--config", str(DEMO), "--tier", "free"]).output
    assert "fast_extractor" in free
    assert "strong_reasoner" not in free
    assert RUN.invoke(app, ["models", "--config", str(DEMO), "--tier", "gold"]).exit_code == 1


def test_serve_refuses_a_bad_config_before_it_starts_anything(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("models: 3\n")
    result = RUN.invoke(app, ["serve", "--config", str(path)])
    assert result.exit_code == 2
    assert "this must be a mapping" in result.output


def test_serve_judges_the_config_with_its_options() -> None:
    result = RUN.invoke(app, ["serve", "--config", str(DEMO), "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "demo keys are public" in result.output


@pytest.mark.parametrize("command", ["serve", "check", "models", "reload", "version", "audit tail", "audit verify"])
def test_every_command_shows_an_example(command: str) -> None:
    result = RUN.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"penstock {command}" in result.output.split("Example:")[1]


def test_importing_the_command_line_imports_no_server() -> None:
    code = "import sys, penstock.cli; print([m for m in ('fastapi', 'sqlalchemy', 'uvicorn', 'pydantic', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
