"""A token count good enough for limits and reservations where no provider has counted yet."""

from __future__ import annotations

# The bytes of a character in UTF-8 after its first.
_CONTINUATION = bytes(range(0x80, 0xC0))


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` is; at least 1 unless it is empty.

    Four ASCII characters count as one token. Other scripts are denser, and the length of a character in UTF-8 tells
    how much: a two-byte letter (Cyrillic, accented Latin) counts 5/8 of a token, a three-byte one (CJK, Vietnamese
    tones) a whole one, a four-byte one (emoji) 11/8.
    """
    characters = len(text)
    if text.isascii():
        return (characters + 3) // 4
    return _tokens(characters, len(text.encode("utf-8", "surrogatepass")) - characters)


def estimate_json_tokens(string: bytes) -> int:
    """The same of a string as it stands in JSON, quotes and all: a megabyte need not be decoded to be counted.

    An escape counts as one character, a letter that is escaped by its number as a bit more than one token.
    """
    characters = len(string) - 2
    if string.find(b"\\") >= 0:  # a search costs a thirtieth of a count; `in` first takes its bytes for a number
        characters -= string.count(b"\\") - string.count(b"\\\\")  # of a pair one is the character
    if string.isascii():
        return (characters + 3) // 4
    extra_bytes = len(string) - len(string.translate(None, _CONTINUATION))
    return _tokens(characters - extra_bytes, extra_bytes)


def _tokens(characters: int, extra_bytes: int) -> int:
    return (2 * characters + 3 * extra_bytes + 7) // 8
