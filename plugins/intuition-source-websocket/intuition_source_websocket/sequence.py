"""Noticing what a feed has sent and we have not received, by the numbers that it gives to what it sends."""

from typing import Literal, NamedTuple


class Step(NamedTuple):
    """How a number follows the one before: ``missed`` so many, ``back`` to a lower one, or ``again`` the same."""

    kind: Literal["missed", "back", "again"]
    last: int
    number: int

    @property
    def missed(self) -> int:
        """How many numbers were left out."""
        return max(0, self.number - self.last - 1)


class Sequence:
    """The last number by what is counted: a symbol, or a connection."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def follow(self, counted: str, number: int) -> Step | None:
        """Take a number, and tell how it follows the one before; None where it is the next, or the first."""
        last = self._last.get(counted)
        self._last[counted] = number
        if last is None or number == last + 1:
            return None
        if number == last:
            return Step("again", last, number)
        return Step("missed" if number > last else "back", last, number)
