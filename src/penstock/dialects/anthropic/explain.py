"""What is wrong with a request, in our words, with the path of it as Anthropic writes paths: `messages.0.content`."""

from __future__ import annotations

from penstock.core.errors import InvalidParameter

# What a parameter must be; `*` stands for an index.
_MUST_BE = {
    "model": "a non-empty string: the name of a model or route",
    "max_tokens": "an integer of at least 0",
    "messages": "a non-empty array of message objects",
    "messages.*": "an object with a role and content",
    "messages.*.role": "one of: user, assistant, system",
    "messages.*.content": "a string or an array of content blocks",
    "messages.*.content.*": "a content block: an object with a type",
    "messages.*.content.*.type": "a string naming the kind of the content block",
    "system": "a string or an array of text blocks",
    "system.*": "a text block",
    "stream": "true or false",
    "temperature": "a number from 0 to 1",
    "top_p": "a number from 0 to 1",
    "top_k": "an integer of at least 0",
    "stop_sequences": "an array of strings",
    "stop_sequences.*": "a string",
    "tools": "an array of tool objects",
    "tools.*": "an object with a name and an input_schema",
    "tools.*.name": "a non-empty string",
    "tools.*.input_schema": "an object: a JSON Schema",
    "tool_choice": "an object with a type",
    "tool_choice.type": "one of: auto, any, tool, none",
    "tool_choice.name": "a non-empty string: the name of a tool",
    "tool_choice.disable_parallel_tool_use": "true or false",
    "thinking": "an object with a type",
    "thinking.type": "a string: enabled, adaptive or disabled",
    "thinking.budget_tokens": "an integer",
    "thinking.display": "one of: summarized, omitted",
    "output_config": "an object",
    "output_config.effort": "one of: low, medium, high, xhigh, max",
    "output_config.format.type": "`json_schema`",
    "output_config.format.schema": "an object: a JSON Schema",
    "metadata": "an object",
    "metadata.user_id": "a string",
    "prompt_id": "a non-empty string",
    "prompt_version": "a non-empty string",
    "prompt_variables": "an object whose values are strings",
}
_MISSING = "Object missing required field `"


def wrong(param: str, *, missing: bool = False) -> InvalidParameter:
    """``param`` is missing, or something else than it must be."""
    words = _MUST_BE.get(".".join("*" if step.isdigit() else step for step in param.split(".")))
    if missing:
        fault = f"is missing: it must be {words}" if words else "is missing"
    else:
        fault = f"must be {words or 'of another type'}"
    return InvalidParameter(f"`{param}` {fault}.", param=param)


def explain(problem: str, root: str = "") -> InvalidParameter:
    """The same of msgspec's ``problem - at `$.path``` (msgspec 0.22); ``root`` is what ``$`` stands for."""
    what, _, where = problem.partition(" - at `$")
    param = root + where.removesuffix("`").replace("[...]", "").replace("[", ".").replace("]", "")
    if what.startswith(_MISSING):
        return wrong(f"{param}.{what.removeprefix(_MISSING).removesuffix('`')}".removeprefix("."), missing=True)
    return wrong(param.removeprefix("."))
