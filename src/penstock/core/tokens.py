"""A token count good enough for limits and reservations where no provider has counted yet."""

from __future__ import annotations


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` is; at least 1 unless it is empty.

    Four ASCII characters count as one token. Other scripts are denser, and the length of a character in UTF-8 tells
    how much: a two-byte letter (Cyrillic, accented Latin) counts 5/8 of a token, a three-byte one (CJK, Vietnamese
    tones) a whole one, a four-byte one (emoji) 11/8.
    """
    characters = len(text)
    if text.isascii():
        return (characters + 3) // 4
    extra_bytes = len(text.encode("utf-8", "surrogatepass")) - characters
    return (2 * characters + 3 * extra_bytes + 7) // 8
