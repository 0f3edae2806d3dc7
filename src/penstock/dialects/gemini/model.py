"""``Model``: what can be asked of a Gemini model, by its generation."""

from __future__ import annotations

import math

from penstock.core.call import Call
from penstock.core.conversation import Effort, Thinking
from penstock.dialects.translation import leave_out

# What other dialects call a parameter that has OpenAI's name here.
_NAMES = {
    "responses": {"messages": "input", "response_format": "text.format", "reasoning_effort": "reasoning.effort"},
    "anthropic": {
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "reasoning_effort": "thinking",
        "response_format": "output_config.format",
        "stop": "stop_sequences",
    },
}
# The others refuse MINIMAL (docs.cloud.google.com/vertex-ai/generative-ai/docs/thinking; for 3.7 and 3.8 Flash also
# github.com/dzivkovi/video-intel/releases/tag/v2.7.1; 2026-11-21).
_MINIMAL_LEVEL = ("gemini-3-flash", "gemini-3.1-flash", "gemini-3.5-flash")
_LEVELS: dict[Effort, str] = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}
# Google's own figures for low, medium and high (ai.google.dev/gemini-api/docs/openai, 2026-11-21); 512 is the least
# that every 2.5 model takes.
_BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
_AUTOMATIC_BUDGET = -1
# Ranges by model: ai.google.dev/gemini-api/docs/thinking, 2026-11-21.
_MOST_TOKENS, _MOST_TOKENS_PRO, _LEAST_TOKENS_PRO = 24576, 32768, 128


class Model:
    """One model of ``provider``; a name that tells no generation is taken for the newest (`gemini-flash-latest`)."""

    def __init__(self, model_id: str, provider: str) -> None:
        self._name = model_id.rpartition("/")[2].lower()
        self._provider = provider
        generation = _generation(self._name)
        # Signatures are checked, JSON goes with tools, and tools come back with pictures, from Gemini 3 on
        # (ai.google.dev/gemini-api/docs/gemini-3, 2026-11-21).
        self.is_third = generation >= 3  # noqa: PLR2004 - a generation
        self._thinks = generation >= 2.5  # noqa: PLR2004 - a generation

    def refuse(self, call: Call, param: str, *, hint: bool = False) -> None:
        """Go on without ``param`` (OpenAI's name) where the caller allows it, or where it is no more than a ``hint``.

        Raises ``UnsupportedParameter``.
        """
        leave_out(call, _NAMES.get(call.dialect, {}).get(param, param), self._provider, hint=hint)

    def thinking_config(self, thinking: Thinking, call: Call) -> dict[str, object]:
        """``thinkingConfig``: a level from Gemini 3 on, a budget before, and never both, which is refused."""
        if not self._thinks:
            if thinking.effort != "none":
                self.refuse(call, "reasoning_effort")
            return {}
        config: dict[str, object] = {} if thinking.shown is None else {"includeThoughts": thinking.shown}
        if self.is_third and thinking.effort is not None:
            config["thinkingLevel"] = self._level(thinking.effort, call)
        elif thinking.budget_tokens is not None or not self.is_third:
            config["thinkingBudget"] = self._budget(thinking, call)
        return config

    def _level(self, effort: Effort, call: Call) -> str:
        if effort == "none":
            self.refuse(call, "reasoning_effort")  # it always thinks; for who puts up with that, as little as can be
        lowest = "MINIMAL" if self._name.startswith(_MINIMAL_LEVEL) else "LOW"
        return _LEVELS.get(effort, lowest)

    def _budget(self, thinking: Thinking, call: Call) -> int:
        budget = thinking.budget_tokens
        if budget is None:
            budget = _AUTOMATIC_BUDGET if thinking.effort is None else _BUDGETS[thinking.effort]
        if "-pro" not in self._name:
            return min(budget, _MOST_TOKENS)
        if budget == 0:
            self.refuse(call, "reasoning_effort")
        return budget if budget == _AUTOMATIC_BUDGET else min(max(budget, _LEAST_TOKENS_PRO), _MOST_TOKENS_PRO)


def _generation(name: str) -> float:
    try:
        return float(name.removeprefix("gemini-").partition("-")[0])
    except ValueError:
        return math.inf
