"""``ResponsesFace``: the Responses API, whose calls may go on from an answer that was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec import Raw
from msgspec.structs import replace

from penstock.core.answer import CANCEL, Answer, Event, Outcome
from penstock.core.call import Call
from penstock.core.errors import PenstockError, PreviousResponseNotFound, StoreFailed, UpstreamMalformed
from penstock.core.ports import Gateway, Shelf
from penstock.dialects.responses.request import estimate_input_tokens
from penstock.dialects.responses.turns import (
    check_named,
    go_on,
    is_kept,
    item_ids,
    items_of,
    previous_id,
    references,
    resolve,
    response_of,
    turn_id,
    turn_of,
)
from penstock.edge.faces.manners import RESPONSES
from penstock.edge.faces.model_face import ModelFace
from penstock.edge.faults import log_unkept

_TURN, _ITEM, _ANSWER = "turn:", "item:", "response:"


def turn_key(response_id: str) -> str:
    """Where the turn that ends with an answer lies on the shelf."""
    return _TURN + response_id


def answer_key(response_id: str) -> str:
    """Where the answer itself lies."""
    return _ANSWER + response_id


def item_key(item_id: str) -> str:
    """Where it says which turn an item is of."""
    return _ITEM + item_id


class ResponsesFace(ModelFace):
    """Puts what a call goes on from before its input, and keeps its answer unless the caller says ``store: false``.

    Both are the tenant's own: an id alone opens nothing. What was kept is named by the answer's id, and its items by
    theirs.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway, RESPONSES)
        self._keeping: set[asyncio.Task[None]] = set()

    async def ask(self, call: Call) -> Answer:
        """The answer to the whole conversation."""
        try:
            call = await _whole(call, self._gateway.shelf)
        except PenstockError as error:  # a shelf that fails is counted and recorded too
            call = replace(call, invalid=call.invalid or error)
        answer = await super().ask(call)
        if not self._gateway.shelf.most_bytes or not is_kept(call.fields):
            return answer
        if answer.body is None:
            _Listener(self, call, answer)
            return answer
        try:
            await self.keep(call, answer.body)
        except BaseException:
            answer.close(CANCEL)
            raise
        return answer

    def keep_later(self, call: Call, body: bytes) -> None:
        """Keep an answer whose stream is over."""
        task = asyncio.get_running_loop().create_task(self.keep(call, body))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def keep(self, call: Call, body: bytes) -> None:
        """Keep an answer. One that cannot be kept has been given all the same: that is told in the log alone."""
        shelf, tenant = self._gateway.shelf, call.identity.tenant
        try:
            turn = turn_of(call, body)
            name = turn_id(turn)
            if await shelf.keep(tenant, turn_key(name), turn):
                await shelf.keep(tenant, answer_key(name), body)
                for item in item_ids(body):
                    await shelf.keep(tenant, item_key(item), name.encode())
        except UpstreamMalformed:
            return  # there is nothing to go on from
        except StoreFailed as error:
            log_unkept(error, call.request_id)


class _Listener:
    """Waits for the event of a stream that holds the whole answer."""

    def __init__(self, face: ResponsesFace, call: Call, answer: Answer) -> None:
        self._face = face
        self._call = call
        self._body: bytes | None = None
        answer.on_event(self._hear)
        answer.on_close(self._end)

    def _hear(self, event: Event) -> None:
        if event.kind in {"finished", "usage"}:
            self._body = response_of(event.raw) or self._body

    def _end(self, outcome: Outcome) -> None:
        if outcome.kind == "end" and self._body is not None:
            self._face.keep_later(self._call, self._body)


async def _whole(call: Call, shelf: Shelf) -> Call:
    """``call`` with everything in its input that it names. Raises ``PreviousResponseNotFound``, ``InvalidParameter``."""
    fields = call.fields
    if previous := previous_id(fields):
        fields = go_on(fields, await _turn(call, shelf, previous))
    if named := references(fields):
        fields = resolve(fields, await _items(call, shelf, named))
    if fields is call.fields:
        return call
    return replace(call, fields=fields, input_tokens=estimate_input_tokens(fields))


async def _turn(call: Call, shelf: Shelf, response_id: str) -> bytes:
    if not shelf.most_bytes:
        msg = "Answers are not kept here (`store.responses.retention_s` is 0): send the whole conversation as `input`."
        raise PreviousResponseNotFound(msg, param="previous_response_id")
    turn = await shelf.find(call.identity.tenant, turn_key(response_id))
    if turn is None:
        msg = f"Previous response with id '{response_id[:100]}' not found: it was never kept, or is too old."
        raise PreviousResponseNotFound(msg, param="previous_response_id")
    return turn


async def _items(call: Call, shelf: Shelf, names: tuple[str, ...]) -> Mapping[str, Raw]:
    found: dict[str, Raw] = {}
    wanted = frozenset(names)
    for name in dict.fromkeys(names):
        if name in found:
            continue
        owner = await shelf.find(call.identity.tenant, item_key(name))
        turn = None if owner is None else await shelf.find(call.identity.tenant, turn_key(owner.decode()))
        if turn is not None:
            # Copied, for what is read of a turn holds all of it in memory.
            found |= {item: raw.copy() for item, raw in items_of(turn).items() if item in wanted}
            check_named(sum(map(len, found.values())))
    return found
