"""The official OpenAI SDK at what is left of ``/v1``: embeddings, legacy completions, models."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from asking import GREETING, INPUT_TOKENS, QUESTION, UNKNOWN
from place import Place
from test_openai_chat import connect
from upstream.vectors import VECTOR

pytestmark = pytest.mark.parametrize("place", ["direct", "gpt", "compatible"], indirect=True)
# Token ids as one input, and as two.
INPUTS: Any = (QUESTION, [QUESTION, "And to Bob."], [1, 2, 3], [[1, 2, 3], [4]])


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("form", ["float", "base64", None])
def test_embeddings_of_every_input_in_every_form(place: Place, given: Any, form: Any) -> None:
    """Left to itself the SDK asks for base64, and reads numbers out of it."""
    chosen: dict[str, Any] = {"encoding_format": form} if form else {}
    answer = connect(place).embeddings.create(model=place.model, input=given, **chosen)
    expected = 2 if isinstance(given, list) and not isinstance(given[0], int) else 1
    assert [each.index for each in answer.data] == list(range(expected))
    if form == "base64":
        assert isinstance(answer.data[0].embedding, str)
    else:
        assert tuple(answer.data[0].embedding) == VECTOR
    assert (answer.usage.prompt_tokens, answer.model) == (INPUT_TOKENS, place.model)


def test_embeddings_of_few_dimensions(place: Place) -> None:
    answer = connect(place).embeddings.create(model=place.model, input=QUESTION, dimensions=2)
    assert len(answer.data[0].embedding) == 2


def test_a_completion_and_its_stream(place: Place) -> None:
    client = connect(place)
    whole = client.completions.create(model=place.model, prompt=QUESTION)
    assert (whole.choices[0].text, whole.choices[0].finish_reason, whole.model) == (GREETING, "stop", place.model)
    chunks = list(client.completions.create(model=place.model, prompt=QUESTION, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == GREETING


def test_errors_are_told(place: Place) -> None:
    for ask in (
        lambda client, model: client.embeddings.create(model=model, input=QUESTION),
        lambda client, model: client.completions.create(model=model, prompt=QUESTION),
    ):
        with pytest.raises(openai.NotFoundError):
            ask(connect(place), UNKNOWN)
        with pytest.raises(openai.AuthenticationError):
            ask(connect(place, place.wrong_key), place.model)


def test_the_models_that_a_key_may_call_are_listed(place: Place) -> None:
    if place.direct:
        pytest.skip("the played provider has no list")
    client = connect(place)
    assert {model.id for model in client.models.list()} == {"chat", "claude", "compatible", "gemini", "gpt"}
    assert client.models.retrieve(place.model).id == place.model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(UNKNOWN)
