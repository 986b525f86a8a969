"""Noticing what a source has sent and nobody received, by the numbers that it gives to its messages."""

from collections import OrderedDict
from typing import Final

import msgspec

KEPT: Final = 10_000
"""Sources that are kept in mind; of more, those that have been silent longest are forgotten."""


class Gap(msgspec.Struct, frozen=True, tag="gap", tag_field="type"):
    """Numbers that a source left out: the next would have been ``expected``; ``got`` came."""

    topic: str
    source: str | None
    expected: int
    got: int
    ts: int
    """When it was noticed, in nanoseconds UTC."""


class Sequences:
    """The last number of each source on each topic."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str | None], int] = OrderedDict()

    def follow(self, topic: str, source: str | None, number: int) -> int | None:
        """Book the number of a message; the expected number if it is another, else None.

        The first number of a source is whatever it is. After a lower one the next is expected to follow the highest.
        """
        last = self._last.get((topic, source))
        if last is None or number > last:
            self._last[topic, source] = number
        self._last.move_to_end((topic, source))
        if len(self._last) > KEPT:
            self._last.popitem(last=False)
        return None if last is None or number == last + 1 else last + 1
