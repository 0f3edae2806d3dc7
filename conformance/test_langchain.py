"""LangChain's own integration suite for chat models, through ``langchain-openai`` at ``/v1``: ``make conformance``."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChatOpenAI(ChatModelIntegrationTests):
    """Every test of the suite; those for media and for recorded cassettes skip themselves."""

    url = ""

    @pytest.fixture(autouse=True, scope="class")
    def _served(self, gateway_url: str) -> None:
        type(self).url = gateway_url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """The client under test."""
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """The demo's tenant that may call everything."""
        return {
            "model": "reasoning",
            "base_url": f"{self.url}/v1",
            "api_key": "sk-demo-enterprise",
            "stream_usage": True,
        }

    @property
    def supports_json_mode(self) -> bool:
        """``response_format: json_object`` is served."""
        return True

    @property
    def model_override_value(self) -> str:
        """Another model that a single call may name."""
        return "fast_extractor"
