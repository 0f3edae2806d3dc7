"""What may be created, and what is told at once of what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.llm import LLMFactory, LLMInvalidRequestError


def test_a_model_says_its_provider() -> None:
    for wrong in ("gpt-4o", "local/qwen", "openai/"):
        with pytest.raises(ValueError, match=r"must look like 'openai/gpt-4o'.*ollama.*simulated"):
            LLMFactory.create_llm(wrong)
    assert LLMFactory.create_llm("ollama/library/qwen:4b").name == "ollama/library/qwen:4b"


def test_a_hosted_provider_wants_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with pytest.raises(ValueError, match="export GROQ_API_KEY, or give `api_key`"):
        LLMFactory.create_llm("groq/llama")
    assert LLMFactory.create_llm("groq/llama", api_key="sk-test-1").name == "groq/llama"
    monkeypatch.setenv("GROQ_API_KEY", "sk-test-1")
    assert LLMFactory.create_llm("groq/llama").name == "groq/llama"


def test_a_provider_without_an_address_is_told_one() -> None:
    with pytest.raises(ValueError, match="'azure' is a server of your own: give its `base_url`"):
        LLMFactory.create_llm("azure/deployment")


def test_a_server_of_ones_own_needs_no_key_and_is_part_of_the_name() -> None:
    llm = LLMFactory.create_llm("vllm/qwen", base_url="http://10.0.0.5:8000/v1")
    assert llm.name == "vllm/qwen at http://10.0.0.5:8000/v1"


def test_what_cannot_be_used_is_told_when_it_is_created(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must look like https://"):
        LLMFactory.create_llm("vllm/qwen", base_url="10.0.0.5:8000")
    with pytest.raises(ValueError, match="api_key holds a character"):
        LLMFactory.create_llm("openai/gpt-4o", api_key="sk-test-\n1")
    with pytest.raises(FileNotFoundError):
        LLMFactory.create_llm("ollama/qwen", ca_file=str(tmp_path / "missing.pem"))
    with pytest.raises(ValueError, match="fast, patient, none"):
        LLMFactory.create_llm("simulated/any", retry="never")  # type: ignore[arg-type]


@pytest.mark.parametrize("param", ["model", "messages", "stream", "stream_options", "prompt_id"])
def test_a_parameter_that_is_none_is_refused(param: str) -> None:
    with LLMFactory.create_llm("simulated/any") as llm, pytest.raises(LLMInvalidRequestError, match=param):
        llm.generate("Hello", **{param: "x"})


def test_a_wrong_parameter_is_told_in_the_gateways_words() -> None:
    with LLMFactory.create_llm("simulated/any") as llm, pytest.raises(LLMInvalidRequestError, match="from 0 to 2"):
        llm.generate("Hello", temperature=3)
