"""``text_parts``: a streamed answer as an iterator of text. It never ends well unless the answer did."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock.core.answer import CANCEL, Answer
from penstock.dialects.openai import read_chunk
from penstock.llm.inbox import Inbox

_FRAME = len(b"data: ")


async def text_parts(answer: Answer) -> AsyncGenerator[str, None]:
    """The text of the first choice as it comes, or the refusal. Raises what broke the stream off.

    Whoever stops reading closes it, and with it the connection.
    """
    try:
        inbox = Inbox(answer)
        while (event := await inbox.take()) is not None:
            if event.kind == "delta" and (text := read_chunk(event.raw[_FRAME:]).text):
                yield text
    finally:
        answer.close(CANCEL)
