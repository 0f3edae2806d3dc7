"""What a dialect does for its callers and for its providers, where the two differ.

A call goes ``CallerSide.conversation`` -> ``ProviderSide.request``, its answer ``ProviderSide.reply`` ->
``CallerSide.reply``, and a stream's items ``ItemReader`` -> ``ItemWriter``. All of it is pure.
"""

from __future__ import annotations

from typing import Protocol

from penstock.core.call import Call, Usage
from penstock.core.conversation import Conversation, Item, Reply
from penstock.core.errors import UnsupportedParameter


class ItemWriter(Protocol):
    """Writes one stream as its callers read it: framed events, or nothing where an item waits for what follows."""

    def write(self, item: Item) -> bytes:
        """What a client gets for ``item``."""

    def end(self, usage: Usage) -> bytes:
        """What a client gets at the end of a stream that is complete, but for what its edge adds."""


class ItemReader(Protocol):
    """Reads one stream as its provider sends it."""

    @property
    def done(self) -> bool:
        """Whether the provider has said that nothing follows."""

    def read(self, payload: bytes) -> list[Item]:
        """What one event's data says. Raises ``UpstreamMalformed``, also for an error in a stream that began well."""


class CallerSide(Protocol):
    """A dialect that calls come in."""

    def conversation(self, call: Call) -> Conversation:
        """What ``call.fields`` ask. Raises ``InvalidParameter``."""

    def reply(self, reply: Reply, call: Call, usage: Usage) -> bytes:
        """The body of a whole answer; its model is the one that the caller named."""

    def writer(self, call: Call) -> ItemWriter:
        """For one stream."""


class ProviderSide(Protocol):
    """A dialect that a deployment answers in; made for one deployment."""

    def request(self, conversation: Conversation, call: Call) -> bytes:
        """The body that asks it. Raises ``UnsupportedParameter`` for what it cannot do."""

    def reply(self, body: bytes) -> Reply:
        """What a whole answer says. Raises ``UpstreamMalformed``."""

    def reader(self) -> ItemReader:
        """For one stream."""


def leave_out(call: Call, param: str, provider: str, *, hint: bool = False) -> None:
    """Go on without ``param``, which ``provider`` cannot do, where the caller allows it or it is no more than a ``hint``.

    Raises ``UnsupportedParameter``.
    """
    if not (hint or call.drop_unsupported):
        msg = f"`{param}` is not supported by '{provider}': leave it out, or send `drop_unsupported: true`."
        raise UnsupportedParameter(msg, param=param)
    if param not in call.trail.dropped:
        call.trail.dropped = (*call.trail.dropped, param)
