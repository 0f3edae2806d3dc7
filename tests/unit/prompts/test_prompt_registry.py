from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.core.errors import PromptNotFound
from penstock.prompts import PromptsInvalid, Registry, unknown_models
from support.configs import ROOT


def write(folder: Path, *, at: str | None = None, **changes: Any) -> Path:
    prompt: dict[str, Any] = {
        "prompt_id": "greet",
        "version": "v1",
        "owner": "team",
        "task": "chat",
        "messages": [{"role": "user", "content": "Hello {{ name }}"}],
        "variables": [{"name": "name"}],
        "rollout": "stable",
    } | changes
    path = folder / (at or f"{prompt['prompt_id']}/{prompt['version']}.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(prompt))
    return path


def test_the_demo_prompts_load() -> None:
    prompts = {(each.prompt_id, each.version): each for each in Registry.load(ROOT / "prompts").prompts}
    assert prompts["support_triage", "v1"].schema_version == "ticket_triage.v1"
    assert set(prompts) == {("support_triage", "v1"), ("assistant", "v1")}


def test_a_folder_that_is_not_there_holds_no_prompts(tmp_path: Path) -> None:
    registry = Registry.load(tmp_path / "none")
    with pytest.raises(PromptNotFound, match="No prompt is registered"):
        registry.find("greet", "v1")


def test_the_one_stable_version_is_found_without_naming_it(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, version="v2.0.1", rollout="canary")
    registry = Registry.load(tmp_path)
    assert registry.find("greet", "").prompt.version == "v1"
    assert registry.find("greet", "v2.0.1").prompt.rollout == "canary"


@pytest.mark.parametrize("second", ["stable", "draft"])
def test_without_exactly_one_stable_version_the_caller_must_choose(tmp_path: Path, second: str) -> None:
    write(tmp_path, rollout=second)
    write(tmp_path, version="v2", rollout=second)
    with pytest.raises(PromptNotFound) as caught:
        Registry.load(tmp_path).find("greet", "")
    assert f"v1 ({second}), v2 ({second})" in caught.value.message


def test_what_is_not_found_names_what_there_is(tmp_path: Path) -> None:
    write(tmp_path)
    registry = Registry.load(tmp_path)
    with pytest.raises(PromptNotFound, match=r"no version 'v9'.*v1 \(stable\)"):
        registry.find("greet", "v9")
    with pytest.raises(PromptNotFound, match="Registered: greet"):
        registry.find("gret", "v1")


def test_a_served_version_cannot_change(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = Registry.load(tmp_path)
    write(tmp_path, messages=[{"role": "user", "content": "Bye {{ name }}"}])
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path, first)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert "other content" in problem.message


def test_a_version_that_comes_back_must_be_what_it_was(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = Registry.load(tmp_path)
    path.unlink()
    without = Registry.load(tmp_path, first)
    write(tmp_path, schema_version="s.v2")
    with pytest.raises(PromptsInvalid, match="other content"):
        Registry.load(tmp_path, without)
    write(tmp_path)
    assert Registry.load(tmp_path, without).find("greet", "v1").prompt.schema_version == ""


def test_what_is_known_about_a_version_may_change(tmp_path: Path) -> None:
    write(tmp_path, rollout="canary")
    first = Registry.load(tmp_path)
    write(tmp_path, rollout="deprecated", eval={"golden_set": "g", "scores": {"f1": 0.9}}, changelog="Found wanting.")
    assert Registry.load(tmp_path, first).find("greet", "v1").prompt.rollout == "deprecated"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at": "greet/v2.yaml"}, "its path says otherwise"),
        ({"at": "other/v1.yaml"}, "its path says otherwise"),
        ({"version": 1.0, "at": "greet/v1.yaml"}, "version: this must be text, not a number"),
        ({"rollout": "live"}, "rollout: `live` is not known"),
        ({"ownr": "x"}, "`ownr` is no field here"),
        ({"owner": None}, "owner: this must be text, not empty"),
        ({"messages": "Hi"}, "messages: this must be a list, not text"),
        ({"variables": [{}]}, "variables.0: `name` is missing"),
        ({"eval": {"golden_set": "g", "scores": {"f1": "high"}}}, "eval.scores: this must be a number, not text"),
        ({"messages": []}, "needs a message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: `tool` is not known"),
        ({"variables": []}, "used and not declared"),
        ({"variables": [{"name": "name"}, {"name": "more"}]}, "declared and not used"),
        ({"variables": [{"name": "name"}, {"name": "name"}]}, "declared twice"),
        ({"messages": [{"role": "user", "content": "{{ name }} {{ 1 }}"}]}, "opens no variable"),
        ({"rollback_version": "v0"}, "`v0` does not exist"),
        ({"changelog": "x" * 300_000}, "over 262144 bytes"),
    ],
)
def test_a_wrong_file_says_why(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path)
    assert message in caught.value.problems[0].message


def cures(folder: Path, previous: Registry | None = None) -> dict[str, str]:
    """What to do about each file."""
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(folder, previous)
    return {f"{Path(each.file).parent.name}/{Path(each.file).name}": each.suggestion for each in caught.value.problems}


def test_a_copied_version_is_cured_without_overwriting_the_first(tmp_path: Path) -> None:
    write(tmp_path)
    first = Registry.load(tmp_path)
    write(tmp_path, at="greet/v2.yaml", messages=[{"role": "user", "content": "Bye {{ name }}"}])
    write(tmp_path, at="part/v3.yaml")
    assert cures(tmp_path, first) == {
        "greet/v2.yaml": "write `version: v2`",
        "part/v3.yaml": "write `prompt_id: part` and `version: v3`",
    }


def test_a_changed_version_is_cured_by_a_new_one(tmp_path: Path) -> None:
    write(tmp_path)
    first = Registry.load(tmp_path)
    write(tmp_path, schema_version="s.v2")
    assert cures(tmp_path, first) == {"greet/v1.yaml": "put it back, and copy the change to a new version"}


def test_a_missing_or_misspelt_field_is_named_with_its_cure(tmp_path: Path) -> None:
    write(tmp_path, ownr="x")
    path = write(tmp_path, version="v2")
    path.write_text(path.read_text().replace("owner: team\n", ""))
    assert cures(tmp_path) == {"greet/v1.yaml": "did you mean `owner`?", "greet/v2.yaml": "add `owner:`"}


@pytest.mark.parametrize("levels", [3, 17, 40])
@pytest.mark.parametrize("nested", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}", "{{x: *a{0}, y: *a{0}}}"])
def test_aliases_of_aliases_cannot_exhaust_memory(tmp_path: Path, levels: int, nested: str) -> None:
    path = write(tmp_path)
    lines = [f"  - &a{level + 1} {nested.format(level)}\n" for level in range(levels)]
    path.write_text(f"{path.read_text()}bomb:\n  - &a0 {{x: y}}\n{''.join(lines)}")
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path)
    expected = "`bomb` is no field here" if levels < 10 else "its aliases repeat"
    assert expected in caught.value.problems[0].message


def test_an_anchor_may_be_used_again_and_not_within_itself(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("owner: team", "owner: &o team") + "changelog: *o\n")
    assert Registry.load(tmp_path).find("greet", "v1").prompt.changelog == "team"
    path.write_text(path.read_text() + "eval: &e {golden_set: g, scores: *e}\n")
    with pytest.raises(PromptsInvalid, match="its aliases repeat"):
        Registry.load(tmp_path)


def test_every_wrong_file_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, owner=3)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "v1.yaml").write_text("prompt_id: bad\nversion: [\n")
    (tmp_path / "bad" / "v2.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path)
    assert [(Path(each.file).name, each.line) for each in caught.value.problems] == [
        ("v1.yaml", 3),
        ("v2.yaml", 0),
        ("v1.yaml", 4),
    ]


HEAD = "prompt_id: greet\nversion: v1\nowner: o\ntask: t\n"
MANY = """\
prompt_id: greet
version: v9
task: chat
messages:
  - role: robot
    content: Hello {{ name }}
  - {role: user, content: "Bye {{ nobody }}"}
variables:
  - name: name
compatible_models: [fats]
rollback_version: v0
rolout: stable
"""


def test_one_file_tells_every_mistake_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "greet" / "v1.yaml"
    path.parent.mkdir()
    path.write_text(MANY)
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path)
    assert [(each.line, each.message) for each in caught.value.problems] == [
        (1, "`owner` is missing"),
        (2, "the file says greet v9, its path says otherwise"),
        (5, "messages.0.role: `robot` is not known"),
        (7, "`{{ nobody }}` is used and not declared"),
        (11, "rollback_version `v0` does not exist"),
        (12, "`rolout` is no field here"),
    ]
    assert caught.value.problems[-1].suggestion == "did you mean `rollout`?"
    (unknown,) = unknown_models(tmp_path, ["fast"])
    assert (unknown.line, unknown.suggestion) == (10, "did you mean `fast`?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", [(1, "this must be a mapping, not empty")]),
        ("- 1\n", [(1, "this must be a mapping, not a list")]),
        (
            HEAD + "messages: [{role: user, content: '{{ name }} {{ 1 }}'}]\nvariables: [{name: name}]\n",
            [(5, "`{{ 1 }}` opens no variable: write {{ name }}")],
        ),
        (
            HEAD + "messages:\n  - Hello\n  - {contnt: '{{ name }}'}\nvariables: [{name: name}]\neval: now\n",
            [
                (6, "messages.0: this must be a mapping, not text"),
                (7, "messages.1: `contnt` is no field here"),
                (7, "messages.1: `role` is missing"),
                (7, "messages.1: `content` is missing"),
                (9, "eval: this must be a mapping, not text"),
            ],
        ),
    ],
)
def test_one_mistake_is_told_once(tmp_path: Path, text: str, told: list[tuple[int, str]]) -> None:
    path = tmp_path / "greet" / "v1.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(PromptsInvalid) as caught:
        Registry.load(tmp_path)
    assert [(each.line, each.message) for each in caught.value.problems] == told
