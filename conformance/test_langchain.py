"""LangChain's own integration suite for chat models, through each face that callers chat at: ``make conformance``.

The model is the simulated one: it reads neither pictures nor files, so that the tests of those skip themselves.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

KEY = "sk-demo-enterprise"  # the demo's tenant that may call everything


class Suite(ChatModelIntegrationTests):
    """Every test of the suite; those for media and for recorded cassettes skip themselves."""

    __test__ = False
    url = ""

    @pytest.fixture(autouse=True)
    def _served(self, gateway_url: str) -> None:
        type(self).url = gateway_url

    @property
    def model_override_value(self) -> str:
        """Another model that a single call may name."""
        return "fast_extractor"

    @property
    def supports_json_mode(self) -> bool:
        """JSON without a schema is served; ``ChatAnthropic`` asks for one with a schema in its place."""
        return True


class TestChatOpenAI(Suite):
    """``/v1/chat/completions``."""

    __test__ = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """The client under test."""
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """How it is made."""
        return {"model": "reasoning", "base_url": f"{self.url}/v1", "api_key": KEY, "stream_usage": True}


class TestResponses(TestChatOpenAI):
    """``/v1/responses``."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """How it is made."""
        return super().chat_model_params | {"use_responses_api": True}


class TestChatAnthropic(Suite):
    """``/v1/messages``."""

    __test__ = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """The client under test."""
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """How it is made."""
        return {"model": "reasoning", "base_url": self.url, "api_key": KEY}

    @property
    def supports_anthropic_inputs(self) -> bool:
        """Content blocks in Anthropic's own words are read."""
        return True
