"""The rows of ``ROWS``."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from penstock.providers import KINDS, ROWS, Row


def test_every_service_of_the_documents_is_known() -> None:
    assert set(KINDS) >= {
        *("openai", "azure", "groq", "mistral", "together", "openrouter", "deepseek", "xai", "fireworks", "cerebras"),
        *("perplexity", "nvidia", "vllm", "ollama", "llama_cpp", "lm_studio", "gemini", "anthropic"),
        "openai_compatible",
    }


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_a_row_is_named_by_its_key_and_plain_http_stays_on_this_machine(row: Row) -> None:
    assert ROWS[row.name] is row
    if row.base_url is not None:
        url = urlsplit(row.base_url)
        assert url.scheme == "https" or url.hostname == "127.0.0.1"
        assert not row.base_url.endswith("/")
