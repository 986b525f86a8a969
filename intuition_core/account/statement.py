"""The statement of an account after an event: cash, positions and what they are worth, in plain JSON types."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from intuition_core.account.amounts import EXACT, exact, plain_decimal
from intuition_core.account.positions import Position
from intuition_core.account.readable import Readable

_ZERO: Final = Decimal(0)


class Statement(NamedTuple):
    """The account at one moment, cheap to take and safe to read from another thread."""

    seq: int
    deposits: Decimal
    cash: Decimal
    reserved: Decimal
    realised: Decimal
    positions: Mapping[str, Position]
    marks: Mapping[str, float]
    algorithms: Mapping[str, "Statement"] = {}
    """Where several algorithms share the account: each one's part of it; together with idle cash they are the whole."""
    margin: Decimal = _ZERO
    """Cash that has to cover short positions."""
    worth: Mapping[str, Decimal] = {}
    """What each position is worth, where that is more than units times marks: where there are instruments."""

    @classmethod
    def of(cls, ledger: Readable, seq: int) -> "Statement":
        """Take the statement of a ledger after an event."""
        return cls(
            seq,
            ledger.deposits,
            ledger.cash,
            ledger.reserved,
            ledger.realised,
            dict(ledger.positions),
            dict(ledger.marks),
            {name: cls.of(own, seq) for name, own in ledger.ledgers.items()},
            ledger.margin_held,
            dict(_worth(ledger)) if ledger.market.has_instruments else {},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the statement in JSON types: amounts in the account's currency and units as decimal strings."""
        return self._told(self.positions)

    def changes(self, before: "Statement") -> dict[str, Any]:
        """Return the statement as `to_json` does, with those positions alone that have changed since an earlier one.

        A position has changed where its units or their cost have; that its quote is another is no change of it. Added
        are ``since``, the ``seq`` of the earlier statement, and ``closed``, the symbols in which there is no position
        any more.
        """
        told = self._told({sid: each for sid, each in self.positions.items() if before.positions.get(sid) != each})
        told["since"] = before.seq
        told["closed"] = [sid for sid in before.positions if sid not in self.positions]
        if self.algorithms:
            told["algorithms"] = {name: own.changes(before.algorithms[name]) for name, own in self.algorithms.items()}
        return told

    def _told(self, told: Mapping[str, Position]) -> dict[str, Any]:
        """Return the statement in JSON types with some of its positions."""
        equity = self.cash
        positions = {}
        for sid, position in self.positions.items():
            mark = self.marks.get(sid)
            worth = self.worth.get(sid)
            if worth is None:
                worth = position.cost if mark is None else EXACT.multiply(position.quantity, exact(mark))
            equity = EXACT.add(equity, worth)
            if sid in told:
                positions[sid] = {
                    "quantity": plain_decimal(position.quantity),
                    "cost": plain_decimal(position.cost),
                    "mark": mark,
                    "value": plain_decimal(worth),
                }
        return {
            "seq": self.seq,
            "deposits": plain_decimal(self.deposits),
            "cash": plain_decimal(EXACT.subtract(EXACT.subtract(self.cash, self.reserved), self.margin)),
            "reserved": plain_decimal(self.reserved),
            **({"margin": plain_decimal(self.margin)} if self.margin else {}),
            "realised": plain_decimal(self.realised),
            "equity": plain_decimal(equity),
            "positions": positions,
            **(
                {"algorithms": {name: own.to_json() for name, own in self.algorithms.items()}}
                if self.algorithms
                else {}
            ),
        }


def _worth(ledger: Readable) -> Iterator[tuple[str, Decimal]]:
    for sid, position in ledger.positions.items():
        worth = ledger.market.worth(sid, position.quantity)
        yield sid, position.cost if worth is None else worth
