from __future__ import annotations

import stat
from pathlib import Path

import pytest

from penstock.config import (
    ConfigError,
    RunFile,
    Settings,
    load_pepper,
    read_run_file,
    run_file_path,
    write_run_file,
)
from support.configs import GOOD, load_text


def settings_in(folder: Path) -> Settings:
    return load_text(folder, f"{GOOD}store: {{url: 'sqlite:///{folder}/p.db'}}\n")


def test_a_pepper_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    pepper = load_pepper(settings)
    path = tmp_path / "p.db.pepper"
    assert len(pepper) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_pepper(settings) == pepper == path.read_bytes()


def test_a_pepper_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    load_pepper(settings)
    (tmp_path / "p.db.pepper").chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        load_pepper(settings)
    assert "chmod 600" in caught.value.problems[0].suggestion


def test_half_a_pepper_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db.pepper"
    path.write_bytes(b"half")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="cut short"):
        load_pepper(settings_in(tmp_path))


def test_a_reader_makes_no_pepper(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_pepper(settings_in(tmp_path), create=False)
    assert not (tmp_path / "p.db.pepper").exists()


def test_a_pepper_of_the_config_needs_no_file(tmp_path: Path) -> None:
    settings = load_text(tmp_path, GOOD, {"PENSTOCK_PEPPER": "p" * 32})
    assert load_pepper(settings) == b"p" * 32


def test_a_run_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = run_file_path(tmp_path / "p.db")
    run = RunFile(
        pid=7, url="http://127.0.0.1:1", config="/c.yaml", generation=3, digest="d", loaded_at=1.5, error="no"
    )
    write_run_file(path, run)
    assert read_run_file(path) == run
    assert [each.name for each in tmp_path.iterdir()] == ["p.db.run.json"]


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"pid": "x"}'])
def test_a_run_file_that_makes_no_sense_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    assert read_run_file(path) is None
