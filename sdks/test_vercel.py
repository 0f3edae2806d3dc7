"""The Vercel AI SDK, at each face that it knows. One run of node asks everything of one place; the tests look at it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from asking import ENDLESS, GREETING, INPUT_TOKENS, OUTPUT_TOKENS, QUESTION, TOLD, UNKNOWN
from place import at
from upstream import Upstream

HERE = "vercel"
RUN_LIMIT_S = 60.0
NODE = shutil.which("node")
FACES = {
    "chat": ("direct", "gpt", "compatible", "claude", "gemini"),
    "responses": ("direct", "gpt", "compatible", "claude", "gemini"),
    "messages": ("direct", "claude", "gpt", "gemini"),
}


@pytest.fixture(scope="module", params=[(face, name) for face, names in FACES.items() for name in names], ids="-".join)
def found(request: pytest.FixtureRequest, upstream: Upstream, gateway_url: str) -> dict[str, Any]:
    """What came of every scenario at one face of one place."""
    folder = request.path.parent / HERE
    if NODE is None or not (folder / "node_modules").exists():
        pytest.skip("the Vercel AI SDK needs node and npm, which are not here")
    face, name = request.param
    place = at(name, upstream, gateway_url)
    asked = {
        "face": face,
        "url": f"{place.anthropic_url}/v1" if face == "messages" else place.openai_url,
        "model": place.model,
        "key": place.key,
        "wrongKey": place.wrong_key,
        "limitedKey": place.limited_key,
        "question": QUESTION,
        "told": TOLD,
        "endless": ENDLESS,
        "unknown": UNKNOWN,
    }
    ran = subprocess.run(
        [NODE, "drive.mjs", json.dumps(asked)],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result | {"at": request.param, "left": upstream.was_left(), "failed as": 500 if place.direct else 502}


def test_an_answer_and_its_stream(found: dict[str, Any]) -> None:
    for kind in ("answer", "stream"):
        assert found[kind]["text"] == GREETING, found[kind]
        assert found[kind]["finish"] == "stop"
        usage = found[kind]["usage"]
        assert (usage["inputTokens"], usage["outputTokens"]) == (INPUT_TOKENS, OUTPUT_TOKENS)


def test_a_tool_is_called_and_its_result_answered(found: dict[str, Any]) -> None:
    assert found["tool"] == {"text": f"The tool said: {TOLD}", "inputs": [{"city": "Ada", "days": 36}]}
    assert found["toolStreamed"]["text"] == f"The tool said: {TOLD}", found["toolStreamed"]


def test_a_signed_thought_is_named_by_who_relies_on_the_store(found: dict[str, Any]) -> None:
    assert found["toolStored"].get("text") == f"The tool said: {TOLD}", found["toolStored"]


def test_structured_output(found: dict[str, Any]) -> None:
    assert found["structured"] == {"name": "Ada", "age": 36}
    assert found["structuredStreamed"] == {"name": "Ada", "age": 36}


def test_errors_are_told(found: dict[str, Any]) -> None:
    kinds = ("unknownModel", "wrongKey", "badParameter", "rateLimit", "failed")
    assert [found[kind]["status"] for kind in kinds] == [404, 401, 400, 429, found["failed as"]], found


def test_who_leaves_a_stream_closes_the_providers(found: dict[str, Any]) -> None:
    assert len(found["cancel"]["text"]) > 20
    assert found["left"]
