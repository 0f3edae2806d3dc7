"""The resilience of the gateway in a program of one's own, without a server: see docs/python.md.

factory.py     "provider/model" and options become an ``LLM``: start reading here
llm.py         what is asked of it, and its fallback: the same handlers as in the gateway
site.py        one model at one place, with connections of each event loop that asks
request.py     a prompt becomes a ``Call``
generation.py  an answer, and how it came about
text_stream.py a stream as a program reads it; text_parts.py the parts of its answer (inbox.py)
loop_thread.py the event loop of callers that have none
"""

from penstock.llm.errors import (
    LLMConfigurationError,
    LLMContentBlockedError,
    LLMContextLengthError,
    LLMError,
    LLMInvalidRequestError,
    LLMRateLimitError,
    LLMServiceError,
    LLMTimeoutError,
)
from penstock.llm.factory import LLMFactory
from penstock.llm.generation import Generation
from penstock.llm.llm import LLM
from penstock.llm.text_stream import AsyncTextStream, TextStream

__all__ = [
    "LLM",
    "AsyncTextStream",
    "Generation",
    "LLMConfigurationError",
    "LLMContentBlockedError",
    "LLMContextLengthError",
    "LLMError",
    "LLMFactory",
    "LLMInvalidRequestError",
    "LLMRateLimitError",
    "LLMServiceError",
    "LLMTimeoutError",
    "TextStream",
]
