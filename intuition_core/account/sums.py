"""Sums of many floats of which a few change at a time."""

import math
from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Final

_SIZE: Final = 128
"""Numbers in a block."""

_TINY: Final = 2.0**-900
"""Sums nearer to zero than this are added up number by number, as their last place may be no power of two."""

_HALF_PLACE: Final = 2.0**-53
"""Half of the last place of a float, as a part of the largest power of two that is not above it."""

_SETTLED: Final = 3
"""Sums of one power of two after which a block is rounded for it: an equity may cross one to and fro."""

_NEVER: Final = math.inf
_TOO_MANY: Final = 2**40


class _Block:
    """Up to 128 successive numbers, with their rounded total, so that a running sum passes all of them in one addition.

    A sum from ``floor`` up to twice that has one last place. Each number adds to it what is left of the number when it
    is rounded to that place, whatever the sum is, unless the number is just between two multiples of the place: these
    are rounded to the even sum. So the numbers add ``up + down``, as long as the sum cannot leave its power of two on
    the way.

    Attributes:
        numbers: by key, in their order.
        floor: the power of two that ``up`` and ``down`` are for; 0 where there are none.
        low: ``floor`` where the block adds ``up + down``; infinite where its numbers have to be added one by one.
        up, down: the sums of the rounded numbers above and below zero; exact.
        odd: how many numbers have no rounding of their own; very many where ``up`` or ``down`` are too large to be
            exact.
        since, until: a sum before the block, and after it; nan where a number has changed since.
        wanted: the power of two of the last sum that was of another one than ``floor``.
        asked: how many such sums there were one after the other.
    """

    __slots__ = ("asked", "down", "floor", "low", "numbers", "odd", "since", "until", "up", "wanted")

    def __init__(self, numbers: dict[str, float]) -> None:
        self.numbers = numbers
        self.floor = self.up = self.down = 0.0
        self.low = _NEVER
        self.odd = self.asked = 0
        self.wanted = 0.0
        self.since = self.until = math.nan

    def add_to(self, total: float) -> float:
        """Return a sum with the block's numbers added one after the other."""
        if total == self.since:
            return self.until
        self.since = total
        self.until = until = reduce(add, self.numbers.values(), total)
        floor = _floor(until)
        if floor != self.floor and floor > _TINY and floor == _floor(total):
            self.asked = self.asked + 1 if floor == self.wanted else 1
            self.wanted = floor
            if self.asked >= _SETTLED:
                self._round(floor)
        return until

    def _round(self, floor: float) -> None:
        """Round the numbers for sums of another power of two."""
        numbers, most, tie = list(self.numbers.values()), 0.5 * floor, floor * _HALF_PLACE
        middle = 1.5 * floor  # a float this large has the last place of a sum, and leaves room on both sides
        rounded = [(number + middle) - middle for number in numbers]
        pairs = zip(numbers, rounded, strict=True)
        sound = [near for number, near in pairs if -most < number < most and abs(number - near) != tie]
        self.floor, self.odd = floor, len(numbers) - len(sound)
        self.up = reduce(add, [near for near in sound if near > 0.0], 0.0)
        self.down = reduce(add, [near for near in sound if near < 0.0], 0.0)
        self._bound()

    def count(self, *changes: tuple[float, int]) -> None:
        """Add numbers to those that are rounded, each with 1, or take them off with -1."""
        floor = self.floor
        middle, most, tie = 1.5 * floor, 0.5 * floor, floor * _HALF_PLACE
        for number, sign in changes:
            rounded = (number + middle) - middle
            if not -most < number < most or abs(number - rounded) == tie:
                self.odd += sign
            elif rounded > 0.0:
                self.up += sign * rounded
            else:
                self.down += sign * rounded
        self._bound()

    def _bound(self) -> None:
        """Find out whether the block adds `up` and `down`."""
        twice = self.floor + self.floor
        if self.up >= twice or self.down <= -twice:  # from here on these may not be exact
            self.odd = _TOO_MANY
        self.low = _NEVER if self.odd else self.floor


class OrderedSum:
    """Floats by key, and their sum in the order of the keys, to the same last digit as when they are added one by one.

    Changing a number takes as long whatever the number of them; a sum takes a step for each block of 128.
    """

    __slots__ = ("_blocks", "_where")

    def __init__(self, numbers: Mapping[str, float]) -> None:
        self._blocks: list[_Block] = []
        self._where: dict[str, _Block] = {}
        items = list(numbers.items())
        for start in range(0, len(items), _SIZE):
            block = _Block(dict(items[start : start + _SIZE]))
            self._blocks.append(block)
            self._where.update(dict.fromkeys(block.numbers, block))

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return len(self._where)

    @property
    def is_sparse(self) -> bool:
        """Whether so many numbers were removed that the blocks should be made anew."""
        return len(self._blocks) > 8 + 2 * len(self._where) // _SIZE

    def put(self, key: str, number: float) -> None:
        """Change a number, or add it as the last one."""
        block = self._where.get(key)
        if block is None:
            block = self._blocks[-1] if self._blocks else None
            if block is None or len(block.numbers) >= _SIZE:
                self._blocks.append(block := _Block({}))
            self._where[key] = block
            if block.floor > 0.0:
                block.count((number, 1))
        elif block.floor > 0.0:
            block.count((block.numbers[key], -1), (number, 1))
        block.numbers[key] = number
        block.since = math.nan

    def remove(self, key: str) -> None:
        """Remove a number; one that is not there changes nothing."""
        block = self._where.pop(key, None)
        if block is None:
            return
        number = block.numbers.pop(key)
        block.since = math.nan
        if not block.numbers:
            self._blocks.remove(block)
        elif block.floor > 0.0:
            block.count((number, -1))

    def after(self, total: float) -> float:
        """Return a number with all numbers added to it, one after the other."""
        for block in self._blocks:
            low = block.low
            least, most = total + block.down, total + block.up
            if (least > low and most < low + low) or (most < -low and least > -low - low):
                total += block.up + block.down
            else:
                total = block.add_to(total)
        return total


def _floor(number: float) -> float:
    """Return the largest power of two that is not above a number's absolute value; 0 of zero."""
    return math.ldexp(0.5, math.frexp(number)[1]) if number else 0.0
