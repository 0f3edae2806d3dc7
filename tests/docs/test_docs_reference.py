"""Nothing exists that is not documented, and nothing is documented that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from pydantic import BaseModel

from penstock.core.errors import PenstockError
from penstock.prompts import Prompt
from penstock.providers import KINDS
from support.documents import PAGES, ROOT, codes, read, rows

SNAKE = re.compile(r"[a-z]\w*")


def errors_of(base: type[PenstockError]) -> Iterator[type[PenstockError]]:
    yield base
    for inner in base.__subclasses__():
        yield from errors_of(inner)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def settings_of(model: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(field.alias or name)
        for inner in models_in(field.annotation):
            names |= settings_of(inner)
        for extra in field.metadata:
            for inner in models_in(getattr(extra, "annotation", None)):
                names |= settings_of(inner)
    return names


def test_every_error_is_documented_as_it_is() -> None:
    yes = {True: "yes", False: "no"}
    stated = {tuple(cell.strip("`") for cell in row[:5]) for row in rows(read("docs/errors.md"))}
    real = {
        (error.code, str(error.status), error.type, yes[error.retryable], yes[error.curable_elsewhere])
        for error in errors_of(PenstockError)
        if error.__module__ == "penstock.core.errors"
    }
    assert stated == real


def test_every_setting_is_documented() -> None:
    config = pytest.importorskip("penstock.config", reason="the config is not there yet")
    page = read("docs/configuration.md")
    stated = {name for cell in codes(page) for name in SNAKE.findall(cell)}
    assert sorted(settings_of(config.Settings) - stated) == []


def test_no_table_of_settings_names_one_that_does_not_exist() -> None:
    config = pytest.importorskip("penstock.config", reason="the config is not there yet")
    stated = {row[0].strip("`") for row in rows(read("docs/configuration.md"))}
    assert sorted(stated - settings_of(config.Settings)) == []


def test_every_field_of_a_prompt_is_documented_and_whether_it_is_required() -> None:
    stated = {name: row[1] == "required" for row in rows(read("docs/prompts.md")) for name in codes(row[0])}
    assert stated == {field.name: field.required for field in msgspec.structs.fields(Prompt)}


def test_every_provider_is_documented_with_its_address() -> None:
    stated = {row[0].strip("`"): row[1].strip("`") for row in rows(read("docs/providers.md"))}
    assert stated == {name: "none" if address == "" else address or "yours" for name, address in KINDS.items()}


def test_every_stage_is_in_the_tour_in_order() -> None:
    page = rows(read("docs/architecture.md"))
    stated = [(row[0], row[2].strip("`")) for row in page if row[2].endswith(".py`")]
    listed = re.findall(r"^    (\w+) .* (\w+/\w+\.py)$", read("src/penstock/pipeline.py"), re.MULTILINE)
    assert stated == listed
    assert [path for _, path in listed if not (ROOT / "src" / "penstock" / path).is_file()] == []


def test_every_stage_is_in_the_pictures_in_order() -> None:
    listed = re.findall(r"^    (\w+) .* \w+/\w+\.py$", read("src/penstock/pipeline.py"), re.MULTILINE)
    (drawn,) = re.findall(r"^  (trace -> .*)$", read("README.md"), re.MULTILINE)
    assert drawn.split(" -> ") == listed
    boxes = re.findall(r'class="name"[^>]*>(\w+)<', read("docs/pipeline.svg"))
    assert [name for name in boxes if name not in {"transport", "model"}] == listed


def test_every_decision_is_listed_and_short() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("0*.md"))
    listed = re.findall(r"\((0[^)]*\.md)\)", (folder / "README.md").read_text())
    assert listed == [page.name for page in pages]
    assert [page.name for page in pages if len(page.read_text().splitlines()) > 20] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page: Any) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    dead = []
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            dead.append(link)
        elif anchor and target.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            dead += [] if anchor in slugs else [link]
    assert not dead
