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
        equity = self.cash
        positions = {}
        for sid, position in self.positions.items():
            mark = self.marks.get(sid)
            worth = self.worth.get(sid)
            if worth is None:
                worth = position.cost if mark is None else EXACT.multiply(position.quantity, exact(mark))
            equity = EXACT.add(equity, worth)
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
