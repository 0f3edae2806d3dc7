"""Kept answers over HTTP."""

from __future__ import annotations

import msgspec

from penstock.dialects.responses.turns import turn_of
from penstock.edge.faces.responses_face import answer_key, item_key, turn_key
from support.calls import make_call
from support.native_gateway import PRO, Client, FakeGateway, make_app

TENANT = "tenant_pro"


async def keep(gateway: FakeGateway, number: int, said: bytes, item: str) -> None:
    """Keep an answer with one item, as the face does."""
    name = f"resp_{number}"
    body = msgspec.json.encode({"id": name, "output": [{"type": "message", "id": item}]})
    call = make_call(dialect="responses", fields={"input": msgspec.Raw(said)})
    await gateway.shelf.keep(TENANT, turn_key(name), turn_of(call, body))
    await gateway.shelf.keep(TENANT, answer_key(name), body)
    await gateway.shelf.keep(TENANT, item_key(item), name.encode())


async def test_removing_an_answer_leaves_the_names_of_another_ones_items() -> None:
    gateway = FakeGateway()
    client = Client(make_app(gateway))
    for number, item in ((1, "msg_1"), (2, "msg_1"), (3, "msg_3")):
        await keep(gateway, number, b'"Hi"', item)
    for number in (1, 3):
        assert (await client.send("DELETE", f"/v1/responses/resp_{number}", key=PRO, headers={})).status == 200
        assert (await client.get(f"/v1/responses/resp_{number}", key=PRO)).status == 404
    assert await gateway.shelf.find(TENANT, item_key("msg_1")) == b"resp_2"
    assert await gateway.shelf.find(TENANT, item_key("msg_3")) is None


async def test_an_item_is_listed_as_it_was_sent_whatever_it_holds() -> None:
    gateway = FakeGateway()
    items = b'{"role":"user","content":"hi","x":1e999},{"role":"assistant","content":"\\u00e9"},{"id":"a","type":"b"}'
    await keep(gateway, 1, b"[%b]" % items, "msg_1")
    client = Client(make_app(gateway))
    reply = await client.get("/v1/responses/resp_1/input_items?order=asc", key=PRO)
    assert reply.status == 200
    assert b'"x":1e999' in reply.body
    _, said, last = msgspec.json.decode(reply.body.replace(b"1e999", b"1"))["data"]
    assert said["content"] == [{"type": "output_text", "text": "é", "annotations": []}]
    assert last == {"id": "a", "type": "b", "status": "completed"}
    page = await client.get("/v1/responses/resp_1/input_items?order=asc&after=resp_1_in_1", key=PRO)
    assert (page.json["data"], page.json["first_id"], page.json["has_more"]) == ([last], "a", False)
