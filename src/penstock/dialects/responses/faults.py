"""What is said of a parameter of a Responses call that is missing or wrong."""

from __future__ import annotations

from penstock.core.errors import InvalidParameter

# What a parameter must be, for the message of its error; of others only the path is told. ``[]`` stands for any index.
_MUST_BE = {
    "model": "a non-empty string: the name of a model or route",
    "input": "a string or an array of items",
    "input[]": "an item: an object with a type, or a message with role and content",
    "input[].role": "one of: system, developer, user, assistant",
    "input[].content": "a string or an array of content parts",
    "input[].content[]": "a content part: an object with a type",
    "input[].content[].type": "one of: input_text, input_image, input_file, input_audio, output_text, refusal",
    "input[].content[].text": "a string",
    "input[].content[].refusal": "a string",
    "input[].content[].input_audio": "an object with data in base64 and its format",
    "input[].call_id": "a string: the id that call and result have in common",
    "input[].name": "a string: the name of the tool",
    "input[].arguments": "a string: JSON as the model wrote it",
    "input[].input": "a string: what the model wrote",
    "input[].output": "a string or an array of content parts",
    "input[].output[].type": "one of: input_text, input_image, input_file",
    "input[].output[].text": "a string",
    "instructions": "a string",
    "stream": "true or false",
    "store": "true or false",
    "background": "true or false",
    "temperature": "a number from 0 to 2",
    "top_p": "a number from 0 to 1",
    "top_logprobs": "an integer from 0 to 20",
    "frequency_penalty": "a number from -2 to 2",
    "presence_penalty": "a number from -2 to 2",
    "max_output_tokens": "an integer of at least 0",
    "max_tool_calls": "an integer of at least 0",
    "parallel_tool_calls": "true or false",
    "previous_response_id": "a string: the id of an answer that was kept",
    "include": "an array of strings",
    "metadata": "an object whose values are strings",
    "reasoning": "an object",
    "reasoning.effort": "one of: none, minimal, low, medium, high, xhigh, max",
    "stream_options": "an object",
    "text": "an object",
    "text.format": "an object with a type",
    "text.format.type": "one of: text, json_object, json_schema",
    "text.format.name": "a non-empty string",
    "text.format.schema": "an object: a JSON Schema",
    "tool_choice.name": "a non-empty string: the name of the tool",
    "tool_choice.tools": "an array of tools",
    "tool_choice.tools[]": "an object that names a tool",
    "tool_choice.tools[].name": "a string: the name of a tool",
    "tool_choice": "`none`, `auto`, `required` or an object that names a tool",
    "tools": "an array of tool objects",
    "tools[]": "an object with a type, usually `function`",
    "tools[].type": "a string, usually `function`",
    "tools[].name": "a non-empty string",
    "tools[].parameters": "an object: a JSON Schema",
    "truncation": "`auto` or `disabled`",
    "user": "a string",
    "safety_identifier": "a string",
}


def wrong(param: str, *, missing: bool = False) -> InvalidParameter:
    """The error for the parameter at the path ``param``."""
    words = _MUST_BE.get(_without_indices(param), "of another type")
    fault = "is missing: it must be" if missing else "must be"
    return InvalidParameter(f"`{param}` {fault} {words}.", param=param)


def explain(problem: str, root: str = "") -> InvalidParameter:
    """Our words for msgspec's ``problem - at `$.path``` (msgspec 0.22); ``root`` is what ``$`` stands for."""
    what, _, where = problem.partition(" - at `$")
    param = (root + where.removesuffix("`")).removeprefix(".").replace("[...]", "")
    if what.startswith("Object missing required field `"):
        name = what.removeprefix("Object missing required field `").removesuffix("`")
        return wrong(f"{param}.{name}" if param else name, missing=True)
    return wrong(param)


def _without_indices(param: str) -> str:
    first, *rest = param.split("[")
    return first + "".join("[]" + part.partition("]")[2] for part in rest)
