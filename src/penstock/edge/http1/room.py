"""``BodyRoom``: the memory that request bodies share."""

from __future__ import annotations

from penstock.core.errors import Unavailable


class BodyRoom:
    """What the bodies of many connections may hold together; ``free_bytes`` is what is left of it.

    An exchange takes from it as pieces arrive, and gives back what it took when its answer is over.
    """

    __slots__ = ("free_bytes",)

    def __init__(self, room_bytes: int) -> None:
        self.free_bytes = room_bytes

    def take(self, size_bytes: int) -> None:
        """Take so much. Raises ``Unavailable`` when it does not fit; then nothing is taken."""
        if size_bytes > self.free_bytes:
            raise no_room()
        self.free_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self.free_bytes += size_bytes


def no_room() -> Unavailable:
    """What is said to a request whose body does not fit."""
    return Unavailable(
        "Too many large requests are being read at once; ask again shortly, or send less.", retry_after_s=1.0
    )
