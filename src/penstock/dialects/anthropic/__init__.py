"""Anthropic's Messages API on the wire: request, response, stream and error bodies, and their translation."""

from penstock.dialects.anthropic.body import write_count, write_messages
from penstock.dialects.anthropic.caller import MessagesCaller
from penstock.dialects.anthropic.errors import error_body, error_event
from penstock.dialects.anthropic.passing import PassedEvent, PassedMessage, read_passed_event, read_passed_message
from penstock.dialects.anthropic.provider import MessagesProvider
from penstock.dialects.anthropic.request import read_count, read_messages

__all__ = [
    "MessagesCaller",
    "MessagesProvider",
    "PassedEvent",
    "PassedMessage",
    "error_body",
    "error_event",
    "read_count",
    "read_messages",
    "read_passed_event",
    "read_passed_message",
    "write_count",
    "write_messages",
]
