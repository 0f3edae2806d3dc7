from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.core.plan import Price, Sold
from penstock.prices import FREE_KINDS, look_up

GPT = {"fast": Sold("openai", "https://api.openai.com/v1", "gpt-4o")}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "penstock.db"


def kept(database: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(database.with_name("penstock.db.prices").read_text())
    return found


def change(database: Path, **changes: Any) -> None:
    """Make the file say that the model costs 1, and what else it is to say."""
    found = kept(database) | changes
    found["quotes"][0]["price"]["input"] = 1
    database.with_name("penstock.db.prices").write_text(json.dumps(found))


@pytest.mark.parametrize("kind", sorted(FREE_KINDS))
def test_what_runs_on_the_operators_own_machines_is_free_and_needs_no_list(database: Path, kind: str) -> None:
    prices = look_up({"local": Sold(kind, "http://127.0.0.1:1/v1", "llama")}, database)
    assert prices == {"local": Price(0, 0, source="free")}
    assert list(database.parent.iterdir()) == []


def test_what_was_found_is_kept_and_read_again(database: Path) -> None:
    assert look_up(GPT, database)["fast"].input == 2_500_000
    assert len(list(database.parent.iterdir())) == 1
    change(database)
    assert look_up(GPT, database)["fast"].input == 1


@pytest.mark.parametrize("changes", [{"edition": "genai-prices 0.0.1"}, {"until": 5.0}, {"form": 0}])
def test_what_another_version_said_or_has_run_out_is_asked_again(database: Path, changes: dict[str, Any]) -> None:
    look_up(GPT, database)
    change(database, **changes)
    assert look_up(GPT, database)["fast"].input == 2_500_000


def test_prices_that_change_hold_until_then(database: Path) -> None:
    look_up(GPT, database)
    change(database, until=1000.0)
    assert look_up(GPT, database, clock=lambda: 999.0)["fast"].input == 1
    assert look_up(GPT, database, clock=lambda: 1000.0)["fast"].input == 2_500_000


def test_what_is_not_known_is_kept_too_and_more_models_are_asked_for_together(database: Path) -> None:
    strange = {"odd": Sold("openai", "", "no-such-model")}
    assert look_up(strange, database) == {}
    assert look_up(GPT | strange, database).keys() == {"fast"}
    assert {each["sold"]["model_id"]: each["price"] is None for each in kept(database)["quotes"]} == {
        "gpt-4o": False,
        "no-such-model": True,
    }


def test_a_damaged_file_is_written_anew_and_a_missing_folder_does_not_matter(database: Path) -> None:
    database.with_name("penstock.db.prices").write_text('{"quotes": [')
    assert look_up(GPT, database)["fast"].input == 2_500_000
    assert kept(database)["quotes"]
    assert look_up(GPT, database.parent / "nowhere" / "penstock.db")["fast"].input == 2_500_000


def test_no_secret_of_an_address_is_kept(database: Path) -> None:
    look_up({"a": Sold("openai_compatible", "https://user:hunter2@api.groq.com/v1?key=hunter3", "x")}, database)
    assert "hunter" not in database.with_name("penstock.db.prices").read_text()
