"""OpenAI's Responses API on the wire: request, response, stream and error bodies."""

from penstock.dialects.responses.caller import ResponsesCaller, ResponsesWriter
from penstock.dialects.responses.errors import error_event
from penstock.dialects.responses.request import estimate_input_tokens, read_response_request

__all__ = [
    "ResponsesCaller",
    "ResponsesWriter",
    "error_event",
    "estimate_input_tokens",
    "read_response_request",
]
