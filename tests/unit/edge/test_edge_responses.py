"""What the face of the Responses API keeps of a call, and what it does where nothing can be kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.errors import PenstockError, StoreFailed
from penstock.edge.faces.responses_face import ResponsesFace
from penstock.stores.shelf import MemoryShelf
from support.calls import complete_answer, make_call
from support.gateways import FakeGateway
from support.shelves import BOUNDS


class Shelf(MemoryShelf):
    """Tells what was written on it, and what was looked for; a broken one fails."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(BOUNDS, lambda: 0.0)
        self.written: list[str] = []
        self._broken = broken

    async def keep(self, tenant: str, key: str, value: bytes) -> bool:
        self.written.append(key)
        return await super().keep(tenant, key, value)

    async def find(self, tenant: str, key: str) -> bytes | None:
        if self._broken:
            raise StoreFailed("The shelf is broken.")
        return await super().find(tenant, key)


def face(shelf: Shelf, *answers: dict[str, Any]) -> tuple[ResponsesFace, FakeGateway]:
    """One whose gateway gives ``answers`` in turn."""
    left = iter(answers)

    async def respond(_: Call) -> Answer:
        return complete_answer(msgspec.json.encode(next(left)))

    gateway = FakeGateway(respond)
    gateway.shelf = shelf
    return ResponsesFace(gateway), gateway


def call(**fields: Any) -> Call:
    return make_call({"model": "fast"} | fields, dialect="responses")


def said(number: int) -> dict[str, Any]:
    return {"id": f"resp_{number}", "output": [{"type": "message", "role": "assistant", "id": f"msg_{number}"}]}


async def test_a_turn_writes_the_names_of_its_own_items_alone() -> None:
    shelf = Shelf()
    responses, gateway = face(shelf, said(1), said(2), said(3))
    await responses.ask(call(input="One"))
    shelf.written.clear()
    await responses.ask(call(input="Two", previous_response_id="resp_1"))
    assert shelf.written == ["turn:resp_2", "response:resp_2", "item:msg_2"]
    await responses.ask(call(input=[{"id": "msg_1"}, {"id": "msg_2"}]))
    assert [item["id"] for item in msgspec.json.decode(gateway.calls[-1].fields["input"])] == ["msg_1", "msg_2"]


async def test_an_answer_whose_items_have_odd_names_is_given_all_the_same() -> None:
    shelf = Shelf()
    responses, _ = face(shelf, {"id": "resp_1", "output": [{"id": 7}, 5, {"id": "msg_1", "role": 1}]})
    assert (await responses.ask(call(input="Hi"))).body
    assert shelf.written == ["turn:resp_1", "response:resp_1"]


async def test_what_the_shelf_cannot_tell_goes_down_the_pipeline_to_be_counted() -> None:
    responses, gateway = face(Shelf(broken=True))
    told: list[PenstockError | None] = []

    async def answer(asked: Call) -> Answer:
        told.append(asked.invalid)
        raise asked.invalid or AssertionError

    gateway.answer = answer  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreFailed) as caught:
        await responses.ask(call(input="Hi", previous_response_id="resp_1"))
    assert told == [caught.value]
    assert caught.value.status == 503
