"""One account of several algorithms: a book for each, and what together they are.

Every algorithm has its own cash, positions and reservations, so that what it earns and loses is its own, and the parts
sum to the whole exactly. Quotes are the same for all. Cash that is no algorithm's share is idle.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from intuition_core.account.actions import Action, Booked, Split
from intuition_core.account.amounts import EXACT, total
from intuition_core.account.ledger import Ledger
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market
from intuition_core.account.positions import LedgerState, Position, Reservation
from intuition_core.contracts import ClosedTrade
from intuition_core.errors import IntuitionError

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


class BadShares(IntuitionError):
    """Shares of the capital that cannot be."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"shares of the capital: {problem}")


class BooksState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Books as they can be kept."""

    idle: Decimal
    shares: dict[str, Decimal]
    ledgers: dict[str, LedgerState]
    rates: dict[str, Decimal] = {}


def check_shares(shares: Mapping[str, Decimal], names: Sequence[str]) -> None:
    """Check that shares are for these algorithms and come to one at most.

    Raises:
        BadShares: they are not.
    """
    for name in shares:
        if name not in names:
            raise BadShares(f"no algorithm is called `{name}`; there are {', '.join(names)}")
    for name, share in shares.items():
        if not share.is_finite() or not 0 <= share <= 1:
            raise BadShares(f"`{name}` has {share}; a share is from 0 to 1")
    whole = total(shares.values())
    if whole > 1:
        raise BadShares(f"together they are {whole}, which is more than 1")


class Books:
    """The books of the algorithms of one account.

    Reads like a `Ledger`; booked is in the algorithms' own.

    Attributes:
        valuation: None: nobody follows what several algorithms hold together.
        moves: how many times a position has changed, or what is held paid a dividend, since these were made.

    Args:
        cash: what is put in at the start, in the account's currency.
        shares: by algorithm, from 0 to 1; what is left is idle.
        market: the quotes that all share; one without instruments where None.
        margin: the permission to sell short, for each algorithm with its own cash.
        rules: the number of the rules that is booked by.
    """

    def __init__(
        self,
        cash: Decimal,
        shares: Mapping[str, Decimal],
        *,
        market: Market | None = None,
        margin: Margin | None = None,
        rules: int = 2,
    ) -> None:
        self.shares = dict(shares)
        self.valuation = None
        self.moves = 0
        self.market = market = Market() if market is None else market
        self.marks = market.marks
        self.ledgers = {
            name: Ledger(_portion(cash, share), market=market, margin=margin, rules=rules)
            for name, share in shares.items()
        }
        given = total(ledger.cash for ledger in self.ledgers.values())
        self.idle = EXACT.subtract(cash, given)

    @property
    def deposits(self) -> Decimal:
        """What was put in."""
        return self._sum("deposits", self.idle)

    @property
    def cash(self) -> Decimal:
        """All cash, reserved or not."""
        return self._sum("cash", self.idle)

    @property
    def reserved(self) -> Decimal:
        """Cash set aside for open orders."""
        return self._sum("reserved")

    @property
    def available(self) -> Decimal:
        """Cash that is neither reserved nor has to cover short positions."""
        return self._sum("available", self.idle)

    @property
    def margin_held(self) -> Decimal:
        """Cash that has to cover short positions."""
        return self._sum("margin_held")

    @property
    def realised(self) -> Decimal:
        """Profits of what was sold."""
        return self._sum("realised")

    @property
    def expected(self) -> Decimal:
        """What sales of the present decision are to bring."""
        return self._sum("expected")

    @property
    def equity(self) -> Decimal:
        """All cash and all positions at their latest marks."""
        return self._sum("equity", self.idle)

    @property
    def positions(self) -> dict[str, Position]:
        """Units held by all together, and what they cost, by symbol; no units where one owes what another holds."""
        together: dict[str, Position] = {}
        for ledger in self.ledgers.values():
            for sid, position in ledger.positions.items():
                other = together.get(sid)
                together[sid] = position if other is None else _both(other, position)
        return together

    @property
    def units(self) -> dict[str, float]:
        """The units that all together hold of each symbol, as they are now."""
        return {sid: float(position.quantity) for sid, position in self.positions.items() if position.quantity}

    def position(self, sid: str) -> Position | None:
        """Return the position of all algorithms together in a symbol; None where none holds it."""
        together: Position | None = None
        for ledger in self.ledgers.values():
            position = ledger.positions.get(sid)
            if position is None:
                continue
            together = position if together is None else _both(together, position)
        return together

    @property
    def opened(self) -> dict[str, int]:
        """When the first of the positions in a symbol was opened, nanoseconds UTC."""
        first: dict[str, int] = {}
        for ledger in self.ledgers.values():
            for sid in ledger.positions:
                opened = ledger.opened.get(sid, 0)
                first[sid] = min(first.get(sid, opened), opened)
        return first

    @property
    def reservations(self) -> dict[str, Reservation]:
        """Cash set aside, by order."""
        return {order: each for ledger in self.ledgers.values() for order, each in ledger.reservations.items()}

    @property
    def pending(self) -> dict[str, float]:
        """Cash set aside, by symbol."""
        pending: dict[str, float] = {}
        for reservation in self.reservations.values():
            pending[reservation.sid] = pending.get(reservation.sid, 0.0) + float(reservation.cash)
        return pending

    @property
    def closed(self) -> list[ClosedTrade]:
        """The latest trades that were closed, oldest first."""
        trades = [trade for ledger in self.ledgers.values() for trade in ledger.closed]
        return sorted(trades, key=lambda trade: trade.ts)[-1000:]

    def go_by(self, rules: int) -> None:
        """Book by the rules of another number from now on."""
        for ledger in self.ledgers.values():
            ledger.rules = rules

    def share_out(self, shares: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Move cash so that each algorithm comes to its share of the whole equity, as far as cash is free; no trade.

        Who has too much gives what is available of it. What was given goes to those who have too little, in
        proportion to what they lack, in whole cents; the rest is idle.

        Args:
            shares: by algorithm; who is not named keeps the share there is.

        Returns:
            What each got, negative for what it gave.

        Raises:
            BadShares: they are for others, or come to more than one.
        """
        wanted = {**self.shares, **shares}
        check_shares(wanted, list(self.ledgers))
        equity = self.equity
        lacking: dict[str, Decimal] = {}
        moved: dict[str, Decimal] = {}
        for name, ledger in self.ledgers.items():
            gap = EXACT.subtract(_portion(equity, wanted[name]), ledger.equity)
            if gap < 0:
                given = min(EXACT.minus(gap), max(_ZERO, ledger.available))
                moved[name] = EXACT.minus(given)
                self.idle = EXACT.add(self.idle, given)
            elif gap > 0:
                lacking[name] = gap
        there, missing = self.idle, _ZERO
        for gap in lacking.values():
            missing = EXACT.add(missing, gap)
        for name, gap in lacking.items():
            got = gap if missing <= there else _of(gap, there, missing)
            moved[name] = got
            self.idle = EXACT.subtract(self.idle, got)
        for name, amount in moved.items():
            ledger = self.ledgers[name]
            ledger.cash = EXACT.add(ledger.cash, amount)
            ledger.deposits = EXACT.add(ledger.deposits, amount)
        self.shares = wanted
        return {name: amount for name, amount in moved.items() if amount}

    def act(self, action: Action, *, marked: bool = True) -> dict[str, Booked]:
        """Book a split or a dividend, and bring the mark to what it is after it.

        Args:
            action: what happened.
            marked: whether the mark is from before it, and has to be brought there.

        Returns:
            What it did, by algorithm, for those that have a position in the symbol.

        Raises:
            NoRate: a dividend is in a currency of which no rate is known; nothing is booked then.
        """
        booked = {name: done for name, ledger in self.ledgers.items() if (done := ledger.act(action)) is not None}
        if isinstance(action, Split):
            self.market.split(action, marked=marked)
        elif marked:
            self.market.dividend(action)
        self.moves += len(booked)
        return booked

    def snapshot(self) -> BooksState:
        """Return the state of all ledgers and of the market."""
        ledgers = {name: ledger.snapshot() for name, ledger in self.ledgers.items()}
        return BooksState(idle=self.idle, shares=self.shares, ledgers=ledgers, rates=self.market.snapshot())

    def restore(self, state: BooksState) -> None:
        """Restore a state."""
        self.idle = state.idle
        self.shares = dict(state.shares)
        for name, ledger in self.ledgers.items():
            ledger.restore(state.ledgers[name])
        self.market.restore(state.rates)

    def _sum(self, name: str, start: Decimal = _ZERO) -> Decimal:
        whole = start
        for ledger in self.ledgers.values():
            whole = EXACT.add(whole, getattr(ledger, name))
        return whole


def _portion(amount: Decimal, share: Decimal) -> Decimal:
    """Return a share of an amount in whole cents, rounded down; all of it exactly."""
    if share == 1:
        return amount
    cents = EXACT.divide_int(EXACT.multiply(amount, share), _CENT)
    return max(_ZERO, EXACT.multiply(cents, _CENT))


def _of(gap: Decimal, there: Decimal, missing: Decimal) -> Decimal:
    """Return a gap's part of what is there, in whole cents, rounded down."""
    cents = EXACT.divide_int(EXACT.multiply(gap, there), EXACT.multiply(missing, _CENT))
    return EXACT.multiply(cents, _CENT)


def _both(one: Position, other: Position) -> Position:
    """Return the sum of two positions in one symbol."""
    return Position(EXACT.add(one.quantity, other.quantity), EXACT.add(one.cost, other.cost))
