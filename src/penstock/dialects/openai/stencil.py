"""``Stencil``: the chunks of a stream differ in their text alone, so that most of them need not be parsed."""

from __future__ import annotations

import msgspec

from penstock.core.answer import Event
from penstock.core.errors import UpstreamMalformed
from penstock.core.tokens import estimate_tokens
from penstock.dialects.openai.response import Chunk, ChunkRewriter, read_chunk

# Random characters beside the text, to hide its length: OpenAI's (github.com/openai/openai-ruby/pull/484) and
# Mistral's (docs.mistral.ai/resources/changelogs); both 2026-11-21.
_PADDINGS = (b'"obfuscation":"', b'"p":"')
_PROBE = b"the text stands here"
# Patterns that fit no other chunk, before the stream is taken for one without a pattern.
_TRIALS = 4


class Stencil:
    """Passes on events that equal a parsed one byte for byte, but for a text without escapes other than line ends.

    Such an event is as valid as that one and says nothing else: it is changed in the same places, without a second
    look. ``tokens`` estimates the text that was passed on.
    """

    __slots__ = ("_after", "_before", "_new_after", "_new_before", "_rewriter", "_tail", "_trials", "tokens")

    def __init__(self, rewriter: ChunkRewriter) -> None:
        self.tokens = 0
        self._rewriter = rewriter
        self._trials = _TRIALS
        # An event is before, text, after; and where it is padded, padding and tail.
        self._before = self._after = self._tail = b""
        self._new_before = self._new_after = b""

    def apply(self, data: bytes, events: list[Event]) -> int:
        """Append the events that ``data`` begins with, as long as they fit; returns how many bytes they are."""
        passed, before, after, tail = 0, self._before, self._after, self._tail
        while before and data.startswith(before, passed):
            start = passed + len(before)
            end = data.find(b'"', start)
            if not data.startswith(after, end):
                break
            rest = stop = end + len(after)
            if tail:
                stop = data.find(b'"', rest)
                if not data.startswith(tail, stop) or not data[rest:stop].isalnum():
                    break
                stop += len(tail)
            text = data[start:end].decode(errors="surrogateescape").replace("\\n", " ")
            if not text or "\\" in text or not text.isprintable():
                break
            self.tokens += estimate_tokens(text)
            raw = self._new_before + data[start:end] + self._new_after + data[rest:stop]
            events.append(Event(raw, "openai", "delta"))
            self._trials = _TRIALS
            passed = stop
        return passed

    def learn(self, payload: bytes, chunk: Chunk) -> None:
        """Take ``payload``, of which ``chunk`` was read, for the pattern, if a text is all that it brings."""
        text = _text_alone(chunk)
        if not text or not self._trials:
            return
        before, found, after = payload.partition(msgspec.json.encode(text))
        before, after = b"data: " + before + b'"', b'"' + after + b"\n\n"
        known = before == self._before and after.startswith(self._after)  # all but what its text holds
        if known or not found:
            return
        self._trials -= 1
        # The place is the right one only if another text there is read as the content.
        probe = (before + _PROBE + after)[6:-2]
        try:
            probed = read_chunk(probe)
        except UpstreamMalformed:
            return
        rewritten = b"data: " + self._rewriter.rewrite(probe, probed) + b"\n\n"
        if _text_alone(probed) != _PROBE.decode() or rewritten.count(_PROBE) != 1:
            return
        self._before, self._after, self._tail = before, after, b""
        self._new_before, _, self._new_after = rewritten.partition(_PROBE)
        self._cut_padding()

    def _cut_padding(self) -> None:
        after = self._after
        for key in _PADDINGS:
            start = after.find(key) + len(key)
            if start >= len(key) and self._new_after.endswith(after[start:]):
                self._new_after = self._new_after.removesuffix(after[start:])
                self._after, self._tail = after[:start], after[after.find(b'"', start) :]
                return


def _text_alone(chunk: Chunk) -> str:
    """The text of a chunk that consists of one choice's content and of no usage, else nothing."""
    choices = chunk.choices or ()
    if len(choices) != 1 or choices[0].finish_reason or chunk.wire_usage is not None:
        return ""
    content = choices[0].delta.content if choices[0].delta else None
    return content if isinstance(content, str) else ""
