"""The books of an account, worked out a second time: in fractions, from the records and what the events said.

Nothing of the project is used here. `Recomputed.take` is given each event with its records; what the account must be
then is compared with its statement to the last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

Written = str | int | float | Decimal

INVERSES = Context(prec=15, rounding=ROUND_HALF_EVEN)
"""An inverse rate has 15 significant digits."""


def exactly(number: Written) -> Fraction:
    """Give the number that is written."""
    return Fraction(str(number))


def booked(amount: Fraction) -> Fraction:
    """Round half to even to 12 decimals, as everything is that comes of a division."""
    return Fraction(round(amount * 10**12), 10**12)


def whole_steps(units: Fraction, step: Fraction) -> Fraction:
    """Give the whole steps of units, towards none."""
    steps = abs(units) // step * step
    return steps if units > 0 else -steps


@dataclass
class Holding:
    """Units of one symbol, negative where short, and their cost."""

    units: Fraction = Fraction()
    cost: Fraction = Fraction()

    def part(self, units: Fraction) -> Fraction:
        """Give what of the cost is that of some of the units."""
        return self.cost if units == self.units else booked(self.cost * units / self.units)


@dataclass
class Book:
    """What one algorithm has."""

    deposits: Fraction
    cash: Fraction
    realised: Fraction = Fraction()
    held: dict[str, Holding] = field(default_factory=dict)

    def move(self, sid: str, units: Fraction, cost: Fraction, cash: Fraction) -> None:
        """Change a position and the cash; what they do not have in common is realised."""
        there = self.held.setdefault(sid, Holding())
        there.units += units
        there.cost += cost
        self.cash += cash
        self.realised += cost + cash
        if not there.units:
            assert not there.cost
            del self.held[sid]


class Recomputed:
    """Keeps the books of an account by its records.

    Args:
        composition: the account's composition in plain types.
    """

    def __init__(self, composition: Mapping[str, Any]) -> None:
        lines = composition["algorithms"]
        cash = exactly(composition["cash"])
        shares = {line["algorithm"]["name"]: exactly(line.get("share", 1)) for line in lines}
        portions = {name: whole_steps(cash * share, Fraction(1, 100)) for name, share in shares.items()}
        if len(portions) == 1:
            portions = dict.fromkeys(portions, cash)
        self.books = {name: Book(portion, portion) for name, portion in portions.items()}
        self.idle = cash - sum(portions.values())
        self.margin = exactly(composition.get("margin", {}).get("initial", 0))
        self._currency = composition.get("currency")
        self._table = {each["symbol"]: each for each in composition.get("instruments", ())}
        self._step = exactly(composition["quantity_step"])
        self._costs = composition.get("costs", {})
        self._marks: dict[str, Fraction] = {}
        self._rules = composition.get("rules", 1)
        self._watched = bool(composition.get("risks")) or "margin" in composition
        self._quoted: dict[str, int] = {}
        self._acted: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], Fraction] = {}
        self._short: set[str] = set()

    # -- events

    def take(self, event: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Book what an event brought."""
        channel = event["channel"]
        refused = any(record.get("reason", "").startswith(f"an event of `{channel}`") for record in records)
        if channel == "rates" and not refused:
            one, other = event["sid"].split("/")
            self._pairs[one, other] = exactly(event["quote"])
            self._pairs[other, one] = exactly(INVERSES.divide(Decimal(1), Decimal(str(event["quote"]))))
        for record in records:
            if record["type"] == "fill":
                self._fill(record)
            elif record["type"] == "action":
                (self._split if record["action"] == "split" else self._dividend)(event, record)
            elif record["type"] == "control" and record["action"] == "shares":
                for name, amount in record["moved"].items():
                    self.books[name].cash += exactly(amount)
                    self.books[name].deposits += exactly(amount)
                    self.idle -= exactly(amount)
            elif record["type"] == "control" and record["action"] == "rules":
                self._rules = record["rules"]
            elif record.get("short"):
                self._short.add(record["id"])
        if channel == "quotes":
            self._mark(event)
        elif channel == "actions" and not refused:
            self._act(event)

    def _mark(self, event: Mapping[str, Any]) -> None:
        """Take a quote as the latest of its symbol, unless what is known is later."""
        sid, ts = event["sid"], event["ts"]
        if self._rules > 1 and ts < max(self._quoted.get(sid, ts), self._acted.get(sid, ts)):
            return
        self._marks[sid] = exactly(event["quote"])
        if self._rules > 1 or self._watched:
            self._quoted[sid] = ts

    def _act(self, event: Mapping[str, Any]) -> None:
        """Bring the latest quote of a symbol to what it is after a split or a dividend, unless it is from after it."""
        sid, ts = event["sid"], event["ts"]
        mark = self._marks.get(sid)
        if self._rules > 1:
            self._acted[sid] = max(ts, self._acted.get(sid, ts))
            if self._quoted.get(sid, ts) > ts:
                return
        if mark is None:
            return
        if event["action"] == "split":
            new, old = map(int, event["ratio"].split(":"))
            self._marks[sid] = exactly(float(mark * old / new))
        elif self._rules > 1 and mark > 0:
            lower = exactly(event["amount"]) / exactly(self._table.get(sid, {}).get("multiplier", 1))
            self._marks[sid] = exactly(float(max(mark - lower, Fraction(0))))

    def _fill(self, fill: Mapping[str, Any]) -> None:
        book, sid = self.books[fill["algorithm"]], fill["sid"]
        sign = 1 if fill["side"] == "buy" else -1
        units, cash = sign * exactly(fill["quantity"]), -sign * exactly(fill["cash"])
        closing = (fill["side"] == "sell") is not (fill["cause"] in self._short)
        assert closing is ("profit" in fill)
        there = book.held.get(sid, Holding())
        if closing:
            assert abs(units) <= abs(there.units)
            assert units * there.units < 0
            cost = -there.part(-units)
            assert exactly(fill["profit"]) == cost + cash
        else:
            assert units * there.units >= 0
            cost = -cash
        book.move(sid, units, cost, cash)
        self._check_price(fill, sign)

    def _check_price(self, fill: Mapping[str, Any], sign: int) -> None:
        """Work out what a fill moves from its price, as far as a price in floating point says it."""
        quantity = exactly(fill["quantity"])
        worth = self.worth(fill["sid"], exactly(fill["price"]))
        assert worth is not None
        amount = quantity * worth
        commission = self._commission(abs(amount), quantity)
        fees = commission + exactly(self._costs.get("slippage_per_trade", 0))
        allowed = max(Fraction(1), abs(amount)) / 10**12
        assert abs(amount + sign * fees - exactly(fill["cash"])) <= allowed
        if self._costs:
            assert abs(commission - exactly(fill["commission"])) <= allowed

    def _commission(self, amount: Fraction, quantity: Fraction) -> Fraction:
        cost = {key: exactly(rate) for key, rate in self._costs.items() if isinstance(rate, str)}
        due = cost.get("commission_per_trade", 0) + quantity * cost.get("commission_per_unit", 0)
        bottom = Fraction(0)
        for bound, rate in [*self._costs.get("commission_tiers", ()), (None, self._costs.get("commission_bps", 0))]:
            top = amount if bound is None else min(amount, exactly(bound))
            if top > bottom:
                due += (top - bottom) * exactly(rate) / 10_000
                bottom = top
        due = max(due, cost.get("commission_min", Fraction(0)))
        return min(due, cost.get("commission_max", due))

    def _split(self, event: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        book, sid = self.books[record["algorithm"]], record["sid"]
        there = book.held[sid]
        assert exactly(record["before"]) == there.units
        new, old = map(int, event["ratio"].split(":"))
        become = there.units * new / old
        lot = exactly(self._table.get(sid, {}).get("lot", self._step))
        after = whole_steps(become, min(lot, self._step))
        rest = become - after
        cost = there.part(there.units * rest / become)
        value = self.worth(sid)
        cash = Fraction(0)
        if rest:
            cash = cost if value is None else booked(rest * old / new * value)
        assert exactly(record["paid_out"]) == booked(rest)
        assert exactly(record["cash"]) == cash
        assert exactly(record["profit"]) == cash - cost
        book.move(sid, after - there.units, -cost, cash)
        assert exactly(record["after"]) == after

    def _dividend(self, event: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        book, sid = self.books[record["algorithm"]], record["sid"]
        units = book.held[sid].units
        rate = self._rate(sid)
        assert rate is not None
        assert exactly(record["before"]) == exactly(record["after"]) == units
        assert exactly(record["cash"]) == exactly(record["profit"]) == units * exactly(event["amount"]) * rate
        book.move(sid, Fraction(), Fraction(), exactly(record["cash"]))

    # -- what things are worth

    def worth(self, sid: str, price: Fraction | None = None) -> Fraction | None:
        """Give what a unit is worth at a price or at the latest quote; None where that or a rate is not known."""
        price = self._marks.get(sid) if price is None else price
        rate = self._rate(sid)
        if price is None or rate is None:
            return None
        return price * exactly(self._table.get(sid, {}).get("multiplier", 1)) * rate

    def _rate(self, sid: str) -> Fraction | None:
        own, foreign = self._currency, self._table.get(sid, {}).get("currency")
        if foreign in (None, own):
            return Fraction(1)
        if (foreign, own) in self._pairs:
            return self._pairs[foreign, own]
        for between in sorted(other for one, other in self._pairs if one == foreign):
            if (between, own) in self._pairs:
                return self._pairs[foreign, between] * self._pairs[between, own]
        return None

    # -- the account

    def check(self, statement: Mapping[str, Any]) -> None:
        """Compare the account with its statement in plain types: each algorithm's part of it, and the whole."""
        parts = statement.get("algorithms", {})
        assert parts.keys() == (self.books.keys() if parts else set())
        for name, part in parts.items():
            self._compare([self.books[name]], Fraction(0), part)
        self._compare(list(self.books.values()), self.idle, statement)

    def _compare(self, books: Sequence[Book], idle: Fraction, statement: Mapping[str, Any]) -> None:
        told = {key: exactly(amount) for key, amount in statement.items() if isinstance(amount, str)}
        cash = sum((book.cash for book in books), idle)
        deposits = sum((book.deposits for book in books), idle)
        realised = sum((book.realised for book in books), Fraction(0))
        assert told["cash"] + told["reserved"] + told.get("margin", 0) == cash
        assert told["deposits"] == deposits
        assert told["realised"] == realised
        together: dict[str, Holding] = {}
        margin = Fraction(0)
        for book in books:
            for sid, holding in book.held.items():
                there = together.setdefault(sid, Holding())
                there.units += holding.units
                there.cost += holding.cost
                if holding.units < 0:
                    worth = self.worth(sid)
                    margin += abs(holding.cost if worth is None else holding.units * worth) * self.margin
        assert told.get("margin", Fraction(0)) == margin
        equity = cash
        assert statement["positions"].keys() == together.keys()
        for sid, holding in together.items():
            position, worth = statement["positions"][sid], self.worth(sid)
            value = holding.cost if worth is None else holding.units * worth
            assert exactly(position["quantity"]) == holding.units
            assert exactly(position["cost"]) == holding.cost
            assert exactly(position["value"]) == value
            equity += value
        assert told["equity"] == equity
        assert deposits + realised == cash + sum(holding.cost for holding in together.values())
