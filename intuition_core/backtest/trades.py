"""The fills of a run, packed."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import overload

from intuition_core.history import Trade
from intuition_core.trading.records import FillRecord


class Trades(Sequence[Trade]):
    """The fills of a run in their order, at some 80 bytes each; each `Trade` is made when it is looked at.

    A record of a fill as it is takes 700 bytes, a `Trade` as many again.
    """

    __hash__ = None  # type: ignore[assignment]  # equal by content, so not hashable, as lists are not

    def __init__(self, fills: Iterable[FillRecord] = ()) -> None:
        self._times = array("q")
        self._symbols = array("I")
        self._ends = array("Q", [0])
        self._text = bytearray()
        self._names: dict[str, int] = {}
        self._named: list[str] = []
        self.extend(fills)

    def extend(self, fills: Iterable[FillRecord]) -> None:
        """Add fills, in order.

        Args:
            fills: their records; each has a symbol.
        """
        names, times, symbols, ends = self._names, self._times, self._symbols, self._ends
        texts: list[str] = []
        end = ends[-1]
        for fill in fills:
            sid = fill.sid or ""
            number = names.get(sid)
            if number is None:
                number = names[sid] = len(self._named)
                self._named.append(sid)
            times.append(fill.ts)
            symbols.append(number)
            text = f"{fill.side} {fill.quantity} {fill.price} {fill.cash} {fill.commission or 0} {fill.profit or ''}"
            texts.append(text)
            end += len(text)  # numbers and sides: each character is a byte
            ends.append(end)
        self._text += "".join(texts).encode("ascii")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._times)

    @overload
    def __getitem__(self, index: int) -> Trade: ...

    @overload
    def __getitem__(self, index: slice) -> list[Trade]: ...

    def __getitem__(self, index: int | slice) -> Trade | list[Trade]:
        """Return one of them, or a list."""
        if isinstance(index, slice):
            return [self._trade(number) for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        return self._trade(number)

    def __iter__(self) -> Iterator[Trade]:
        """Yield them in order."""
        return map(self._trade, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has equal trades."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Trade.__eq__, self, other))

    def _trade(self, number: int) -> Trade:
        text = self._text[self._ends[number] : self._ends[number + 1]].decode()
        side, quantity, price, cash, commission, profit = text.split(" ")
        return Trade(
            ts=self._times[number],
            sid=self._named[self._symbols[number]],
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            cash=Decimal(cash),
            commission=Decimal(commission),
            profit=Decimal(profit) if profit else None,
        )
