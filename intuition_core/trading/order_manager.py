"""The order manager: what parts ask for becomes orders on the account, and what becomes of orders becomes records.

A signal is sized by its line's portfolio, the order that comes of it is put to the risk parts, placed with the paper
broker, and filled by later quotes. What people decide, the kill switch and the shares of the capital, is done here too.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.account.actions import Dividend, Split, read_action
from intuition_core.account.amounts import EXACT, exact, floor_to_step, plain_decimal, total
from intuition_core.account.books import Books
from intuition_core.account.ledger import NoMargin, NotEnough, Readable, Reservation
from intuition_core.account.market import BEGINNING, DEFAULT_STEP, Unbookable
from intuition_core.contracts import Account, Bet, Cancel, Data, Fill, Message, Order, Rejection, Side, Signal, Targets
from intuition_core.data import DEFAULT_CHANNEL, MAX_PRICE, MIN_PRICE, as_json, check_channel, check_sid
from intuition_core.errors import BadData
from intuition_core.trading.answers import answers, bets, check_bracket, check_targets, check_terms, check_text
from intuition_core.trading.composition import Composition
from intuition_core.trading.matching import close_of, outside
from intuition_core.trading.orders import Filled, OpenOrder, misplaced
from intuition_core.trading.paper_broker import OVER, Outcome, PaperBroker
from intuition_core.trading.parts import BoundRisk, BoundSleeve
from intuition_core.trading.records import Record, Recorder
from intuition_core.trading.risk_monitor import Fail, RiskMonitor
from intuition_core.trading.targets import Leg
from intuition_core.trading.timers import TIMER
from intuition_core.trading.view import LedgerView

_ZERO: Final = Decimal(0)
_SIDES: Final = ("buy", "sell")
_ROUNDING_SLACK: Final = Decimal("1.000000001")
"""A portfolio that bets all of `account.cash`, a float, may name a hair more than there is; this much is forgiven."""

_NOTHING_TO_CLOSE: Final[dict[Side, str]] = {
    "sell": "no {} held that is not being sold already",
    "buy": "no {} sold short that is not being bought back already",
}
_NO_TERMS: Final = Signal("", "buy")
"""Says nothing of how to trade: what a bet about another symbol has of its signal."""

_REPLACED: Final = "replaced"
"""Why an order is taken back whose tag another one has."""

_GROUPED: Final = "another order of its group was filled"
"""Why the rest of a group is taken back."""

NO_MORE: Final = "the data ended before the order could fill"
"""Why an order ends with a history; what else is to be said follows after a colon."""

_CLOSED: Final = "the position that it protects is closed"
"""Why an order that protects a position is taken back with it."""

_CLOSING: Final = Bet()
"""Says nothing of its own about how to close a position."""


class OrderManager:
    """Trades for the lines of one composition on one account.

    Attributes:
        books: the account, by algorithm.
        ledger: the account as a whole.
        root: the event that is being taken; an indicator's message is not one.
        rules: the number of the rules by which orders fill.
        unquoted: how many splits and dividends were booked of each symbol that had no quote by then.
        account: the whole account as risk parts see it.
        broker: where orders are open.
        fills: what is to be told to those whose orders it filled; always the same object.
        reach: how long before the session's time events have been traded at most, nanoseconds, by symbol: bars from
            their start, and what comes late; of events that found an order. Always the same object.
        recorder: what was recorded and not taken yet.
        killed: why the kill switch is on; None while it is off.
        lines: whom it trades for.
        monitor: shows risk parts how the account fares.
        risks: who is asked before an order is placed, in their order.

    Args:
        composition: the recipe.
        run: what the ids of the records start with.
        status: where to note which part is called.
        fail: told of parts that fail.
    """

    __slots__ = (
        "_aside",
        "_at_once",
        "_born",
        "_costly",
        "_delay",
        "_ended",
        "_fail",
        "_margin",
        "_market",
        "_marks",
        "_sales",
        "_settled",
        "_settled_at",
        "_shut",
        "_status",
        "_told",
        "account",
        "books",
        "broker",
        "fills",
        "killed",
        "ledger",
        "monitor",
        "reach",
        "recorder",
        "risks",
        "root",
        "rules",
        "sleeves",
        "unquoted",
    )

    def __init__(self, composition: Composition, *, run: str, status: Any, fail: Fail) -> None:
        self._margin = composition.margin
        self._market = composition.market()
        self.books = Books(
            composition.cash,
            composition.shares,
            market=self._market,
            margin=self._margin,
            rules=composition.rules,
        )
        self.ledger: Readable = self.books if len(self.books.ledgers) > 1 else next(iter(self.books.ledgers.values()))
        self.rules = composition.rules
        self.reach: dict[str, int] = {}
        self.root: Data = {}
        self.unquoted: Counter[str] = Counter()
        self._delay = composition.fills.delay
        self._born: list[str] = []
        self._shut: set[str] = set()  # symbols with open orders that were not traded at their last event
        self._told: dict[str, BoundSleeve] = {}
        self._sales: list[str] | None = None
        self._ended: list[str] | None = None  # sales that are over, while what else was booked is not recorded yet
        self._settled: set[tuple[str, str]] = set()  # groups of which an order was filled at once, at that event
        self._settled_at = 0
        self.fills: deque[tuple[BoundSleeve, Fill]] = deque()
        self.broker = PaperBroker(
            self.books.ledgers,
            step=composition.step,
            costs=composition.costs,
            rules=composition.fills,
            market=self._market,
        )
        self.account: Account = LedgerView(self.ledger, quoted_at=self._market.quoted_at, working=self.broker.open)
        self.recorder = Recorder(run)
        self.killed: str | None = None
        self.sleeves: Sequence[BoundSleeve] = ()
        self.risks: Sequence[BoundRisk] = ()
        self._marks = self.books.marks
        self._aside: Sequence[OpenOrder] = ()
        self._at_once = composition.fill == "same"
        self._costly = bool(composition.costs)
        self._status = status
        self._fail = fail
        self.monitor = RiskMonitor(
            self.ledger, self.account, self._market, status=status, fail=fail, alarm=self._kill_for
        )

    def open(self, sleeves: Sequence[BoundSleeve], risks: Sequence[BoundRisk]) -> None:
        """Trade for these lines, under these risk parts, from now on."""
        self.sleeves = sleeves
        self._told = {
            sleeve.names[0]: sleeve
            for sleeve in sleeves
            if sleeve.filled is not None or sleeve.portfolio_filled is not None
        }
        self.risks = risks
        self.monitor.open(risks)

    # -- what algorithms and portfolios ask for

    def answer_all(self, sleeve: BoundSleeve, given: Sequence[Signal | Cancel | Message | Targets], data: Data) -> None:
        """Process an algorithm's answers to one event: closing orders before the opening ones they pay for."""
        self._settled.clear()
        if len(given) > 1 and self.rules > 1:
            signals = [answer for answer in given if isinstance(answer, Signal)]
            opening = [each for each in signals if not self._closes(sleeve, each.sid, each.side)]
            if opening and len(opening) < len(signals):
                ordered = iter((*(each for each in signals if each not in opening), *opening))
                with self._together(sleeve):
                    for answer in given:
                        self.answer(sleeve, next(ordered) if isinstance(answer, Signal) else answer, data)
                return
        for answer in given:
            self.answer(sleeve, answer, data)

    def answer(self, sleeve: BoundSleeve, answer: Signal | Cancel | Message | Targets, data: Data) -> None:
        """Process one answer of an algorithm."""
        if isinstance(answer, Signal):
            self.signal(sleeve, answer, data)
        elif isinstance(answer, Targets):
            self._aim(sleeve, answer, sleeve.number, "event", data.get("sid"))
        elif isinstance(answer, Message):
            self._publish(sleeve, answer, data)
        else:
            self._cancel(sleeve, answer, data)

    def signal(self, sleeve: BoundSleeve, signal: Signal, data: Data) -> None:
        """Size a signal by its portfolio, and place the resulting orders."""
        quote = signal.quote
        if not (
            quote is not None
            and quote is data.get("quote")  # which was looked at on its way in, as a price of its own is here
            and data["channel"] == DEFAULT_CHANNEL
            and signal.sid is data.get("sid")
            and signal.side in _SIDES
            and signal.limit is None
            and signal.stop is None
            and signal.tif == "gtc"
            and signal.until is None
            and signal.tag is None
            and signal.stop_loss is None
            and signal.take_profit is None
            and signal.group is None
        ):
            checked = self._checked(sleeve, signal, data)
            if checked is None:
                return
            signal = checked
            if signal.tag is not None and (replaced := self._tagged(sleeve, signal)):
                self._replace(sleeve, signal, replaced, data)
                return
        closing = signal.side == "sell"
        if self._margin is not None:
            held = sleeve.ledger.positions.get(signal.sid)
            closing = held is not None and (held.quantity > 0) is closing
        if closing:
            size, method = sleeve.release, "release"
            if size is None:
                self._close(sleeve, signal)
                return
        else:
            size, method = sleeve.optimize, "optimize"
        self._status[1] = sleeve.number + 1
        try:
            stake = size(signal, sleeve.account)
            if stake is None:
                return
            if type(stake) is Targets:
                self._aim(sleeve, stake, sleeve.number + 1, method, signal.sid)
                return
            if stake is not sleeve.checked:  # one that is given again and again need not be looked at again
                staked = bets(stake)
                sleeve.checked = stake if type(stake) is Bet else None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
            self._fail(sleeve.number + 1, method, error, signal.sid)
            return
        if sleeve.checked is not None:
            self._bet(sleeve, signal, sleeve.checked)
            return
        self._bet_all(sleeve, [(signal, bet) for bet in staked])

    def _bet_all(self, sleeve: BoundSleeve, staked: Sequence[tuple[Signal, Bet]]) -> None:
        """Place the bets of one decision: closing orders before the opening ones they pay for."""
        opening = []
        if len(staked) > 1 and self.rules > 1:
            opening = [
                pair
                for pair in staked
                if not self._closes(sleeve, pair[1].sid or pair[0].sid, pair[1].side or pair[0].side)
            ]
        if not opening or len(opening) == len(staked):
            for signal, bet in staked:
                self._bet(sleeve, signal, bet)
            return
        with self._together(sleeve):
            for signal, bet in (*(pair for pair in staked if pair not in opening), *opening):
                self._bet(sleeve, signal, bet)

    def _closes(self, sleeve: BoundSleeve, sid: str, side: Side) -> bool:
        """Return whether an order of a side closes the line's position in a symbol."""
        if self._margin is None:
            return side == "sell"
        held = sleeve.ledger.positions.get(sid)
        return held is not None and (held.quantity > 0) is (side == "sell")

    @contextmanager
    def _together(self, sleeve: BoundSleeve) -> Iterator[None]:
        """Make opening orders placed within wait for the sales placed before them that are to pay for them."""
        if self._sales is not None or self.rules == 1:
            yield
            return
        self._sales = []
        try:
            yield
        finally:
            self._sales = None
            sleeve.ledger.expected = _ZERO

    def _aim(self, sleeve: BoundSleeve, targets: Targets, number: int, method: str, sid: str | None) -> None:
        """Place the orders that bring a sleeve's positions to its targets.

        Args:
            sleeve: whose.
            targets: what it is to hold.
            number: the part that named them.
            method: what it was asked.
            sid: the symbol of the event.
        """
        try:
            numbers = check_targets(targets)
        except (BadData, TypeError, ValueError) as error:
            self._fail(number, method, error, sid)
            return
        name, held = sleeve.names[0], sleeve.ledger.positions
        mine = [
            each
            for there in self.broker.open.values()
            for each in there
            if each.algorithm == name
            and each.parent is None
            and (targets.others == "close" or each.order.sid in numbers)
        ]
        # At the market it is filled already, or will be, whatever is wanted now: it counts as held.
        coming = [each for each in mine if each.order.type == "market" and self._may_be_filled(each)]
        self._take_back([each for each in mine if each not in coming], "other targets have taken its place")
        units = {sid: position.quantity for sid, position in held.items()}
        for each in coming:
            order = each.order
            come = order.quantity if order.quantity is not None else self.broker.estimate(order)[0]
            there = units.get(order.sid, _ZERO)
            units[order.sid] = EXACT.add(there, come) if order.side == "buy" else EXACT.subtract(there, come)
        sids = list(dict.fromkeys((*numbers, *(sorted(units) if targets.others == "close" else ()))))
        equity = sleeve.ledger.equity
        orders: list[Order] = []
        refused = False
        for each in sids:
            there = units.get(each, _ZERO)
            try:
                wanted = numbers.get(each, _ZERO)
                leg = Leg(each, self._marks.get(each), there, wanted, equity if targets.weights is not None else None)
                orders += leg.orders(self._market, minimum=exact(targets.minimum), ts=self.recorder.ts, algorithm=name)
            except Unbookable as error:
                refused = True
                side: Side = "buy" if wanted > 0 else "sell"
                self._refuse(sleeve, Order(each, side, self._marks.get(each, 0.0)), str(error))
        passed: list[Order] = []
        for order in orders:
            if self.killed is not None:
                self._refuse(sleeve, order, f"the kill switch is on: {self.killed}")
                refused = True
                continue
            allowed = self._passed(sleeve, order) if self.risks else order
            if allowed is None:
                refused = True
            else:
                passed.append(allowed)
        if refused and not targets.partial:
            for order in passed:
                self._refuse(sleeve, order, "another order of the same targets is refused")
            return
        with self._together(sleeve):
            for each in coming:
                if self._sales is not None and each.order.closing:
                    self._expect(sleeve, each, self.broker.estimate(each.order)[1])
            for order in sorted(passed, key=lambda order: not order.closing):
                self._book(sleeve, order)

    def _replace(self, sleeve: BoundSleeve, signal: Signal, replaced: Sequence[OpenOrder], data: Data) -> None:
        """Trade on a signal as if the orders that it replaces were not there; where no order comes of it, they stay.

        Parts see the account without them: their cash can be bet, their units can be closed, and nothing is ordered
        twice.
        """
        ledger, sid = sleeve.ledger, signal.sid
        places = {each.id: place for place, each in enumerate(self.broker.open[sid])}
        reserved = [(each, ledger.reservations.get(each.id)) for each in replaced]
        for each in replaced:
            self.broker.cancel(each)
        self._aside = replaced
        self.signal(sleeve, signal, data)
        if not self._aside:
            self._leave_recalled(reserved, places)
            return
        self._aside = ()
        for each, reservation in reserved:
            try:
                if reservation is not None:
                    ledger.reserve(each.id, sid, reservation.cash)
            except NotEnough as error:
                self._reject(each, f"other orders were placed with what it needs: {error}")
                continue
            self.broker.restore([each])
        if sid in self.broker.open:
            self.broker.open[sid].sort(key=lambda each: places.get(each.id, len(places)))

    def _leave_recalled(
        self, reserved: Sequence[tuple[OpenOrder, Reservation | None]], places: Mapping[str, int]
    ) -> None:
        """Keep those of replaced orders that may be filled already until that is known, before what replaces them."""
        for each, reservation in reserved:
            if not self._may_be_filled(each):
                continue
            ledger, sid = self.books.ledgers[each.algorithm], each.order.sid
            if reservation is not None:
                ledger.reserve(each.id, sid, min(reservation.cash, max(ledger.available, _ZERO)))
            self.broker.restore([each])
            self.broker.open[sid].sort(key=lambda each: places.get(each.id, len(places)))
            self._recall(each, _REPLACED)

    def rebalance(self, sleeve: BoundSleeve, data: Data) -> None:
        """Call a portfolio's `observe` with a quote, and place its bets."""
        self._rebalance(sleeve, "observe", lambda: sleeve.observe(data, sleeve.account), data["sid"])  # type: ignore[misc]  # only those that have it are asked

    def _rebalance(self, sleeve: BoundSleeve, method: str, ask: Callable[[], Any], sid: str) -> None:
        """Place the bets that a portfolio makes without a signal."""
        self._status[1] = sleeve.number + 1
        try:
            stake = ask()
            if not stake:
                return
            if type(stake) is Targets:
                self._aim(sleeve, stake, sleeve.number + 1, method, sid)
                return
            staked = bets(stake)
            for bet in staked:
                if bet.sid is None or bet.side is None:
                    raise ValueError(f"a bet of `{method}` names its `sid` and its `side`")  # noqa: TRY301
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the same
            self._fail(sleeve.number + 1, method, error, sid)
            return
        pairs = []
        for bet in staked:
            about, side = bet.sid or sid, bet.side or "buy"
            pairs.append((Signal(about, side, self._marks.get(about)), bet))
        self._bet_all(sleeve, pairs)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Fill orders placed within at later events, also with ``fill = "same"``."""
        at_once, self._at_once = self._at_once, False
        try:
            yield
        finally:
            self._at_once = at_once

    def tell(self, sleeve: BoundSleeve, fill: Fill, data: Data) -> None:
        """Call `filled` of a line's parts, and process their answers."""
        if sleeve.filled is not None:
            self._status[1] = sleeve.number
            try:
                outcome = sleeve.filled(fill)
                given = answers(outcome) if outcome is not None else ()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(sleeve.number, "filled", error, fill.sid)
            else:
                for answer in given:
                    self.answer(sleeve, answer, data)
        if sleeve.portfolio_filled is not None:
            self._rebalance(sleeve, "filled", lambda: sleeve.portfolio_filled(fill, sleeve.account), fill.sid)  # type: ignore[misc]  # it is there

    def _publish(self, sleeve: BoundSleeve, message: Message, data: Data) -> None:
        """Record a copy of a message: the part may go on changing what it gave."""
        try:
            channel, content = check_channel(message.channel), as_json("data", message.data)
        except BadData as error:
            self._fail(sleeve.number, "event", error, data.get("sid"))
            return
        self.recorder.write("message", data.get("sid"), channel=channel, data=content, algorithm=sleeve.algorithm.name)

    def _cancel(self, sleeve: BoundSleeve, wish: Cancel, data: Data) -> None:
        """Cancel the open orders of a line that a `Cancel` names."""
        try:
            check_terms("a Cancel", None, None, "gtc", None, wish.tag)
            if wish.sid is not None:
                check_sid(wish.sid)
        except (BadData, TypeError, ValueError) as error:
            problem = f"a Cancel's {error}" if isinstance(error, BadData) else str(error)
            self._fail(sleeve.number, "event", TypeError(problem), data.get("sid"))
            return
        algorithm = sleeve.names[0]
        self._take_back(
            [
                open_order
                for orders in self.broker.open.values()
                for open_order in orders
                if open_order.algorithm == algorithm
                and wish.sid in (None, open_order.order.sid)
                and wish.tag in (None, open_order.order.tag)
            ],
            "cancelled by the algorithm",
        )

    def _take_back(self, orders: Sequence[OpenOrder], reason: str) -> None:
        """Take back open orders; those that may be filled by what is not told yet are over once it is.

        What waits for a sale goes before it, or else the end of the sale would let it go.
        """
        for open_order in sorted(orders, key=lambda each: not each.waits):
            if not self.broker.has(open_order):
                continue  # the end of another one was its end
            if self._may_be_filled(open_order):
                self._recall(open_order, reason)
            else:
                self.broker.cancel(open_order)
                self._reject(open_order, reason)

    def _recall(self, open_order: OpenOrder, reason: str) -> None:
        reach = self._reach(open_order.order.sid)
        self.broker.recall(open_order, now=self._market.now, reach=reach, reason=reason)

    def _may_be_filled(self, open_order: OpenOrder) -> bool:
        """Say whether an order may have been filled by now, without anybody having been told.

        That is where its symbol has bars, or comes late, as far as is known, and its latest event is older than the
        session's time: a bar of it may still come that began before. Who takes the order back now may know from another
        symbol how that bar went.
        """
        since, now, sid = open_order.since, self._market.now, open_order.order.sid
        if since is None or since >= now:
            return False
        if open_order.waits and any(
            each.id in open_order.waits and self._may_be_filled(each)
            for there in self.broker.open.values()
            for each in there
        ):
            return True
        known, root = self._market.quoted_at.get(sid, BEGINNING), self.root
        if root.get("sid") == sid and root["channel"] == DEFAULT_CHANNEL:
            known = max(known, root["ts"])
        return known < now and self._reach(sid) != 0

    def _reach(self, sid: str) -> int | None:
        """Give how long before an event of a symbol that comes now it may have been traded.

        None where nobody knows: no event of it has found an order yet.
        """
        seen = self.reach.get(sid)
        return None if seen is None else max(seen, self._bar_length())

    def _checked(self, sleeve: BoundSleeve, signal: Signal, data: Data) -> Signal | None:
        """Return the signal with its quote; None, with a record, if it is invalid."""
        quote = signal.quote
        problem = None
        unquoted = False
        try:
            check_sid(signal.sid)
            check_terms("a signal", signal.limit, signal.stop, signal.tif, signal.until, signal.tag)
            check_bracket("a signal", signal.stop_loss, signal.take_profit, signal.group)
        except (BadData, TypeError, ValueError) as error:
            problem = f"a signal's {error}" if isinstance(error, BadData) else str(error)
        if quote is None and problem is None:
            quote = self._marks.get(signal.sid)
        if problem is not None:
            pass
        elif signal.side not in _SIDES:
            problem = f"a signal's side is `buy` or `sell`, not {signal.side!r}"
        elif quote is None and self.rules > 1:
            unquoted = True  # the market has said nothing yet, and the part did nothing wrong
        elif quote is None:
            problem = f"no quote of {signal.sid} is known yet; give the signal one"
        elif isinstance(quote, bool) or not isinstance(quote, int | float) or not math.isfinite(quote):
            problem = f"a signal's quote is a finite number, not {quote!r}"
        elif quote and not MIN_PRICE <= abs(quote) <= MAX_PRICE:
            problem = f"a signal's quote is from {MIN_PRICE:g} to {MAX_PRICE:g}, not {quote!r}"
        if unquoted:
            quoted = f"no quote of {signal.sid} is known yet; give the signal one"
            self._refuse(sleeve, Order(signal.sid, signal.side, 0.0), quoted)
            return None
        if problem is not None:
            self._fail(sleeve.number, "event", TypeError(problem), data.get("sid"))
            return None
        if self._at_once and self.rules > 1 and quote is not None and self._is_about_root(signal.sid):
            if (told := outside(self.root, quote)) is not None:
                self._refuse(sleeve, Order(signal.sid, signal.side, float(quote)), told)
                return None
            quote = self.root["quote"]
        if signal.quote is quote:
            return signal
        return msgspec.structs.replace(signal, quote=quote)

    def _is_about_root(self, sid: str) -> bool:
        """Say whether the event that is being taken is the latest quote of a symbol."""
        root = self.root
        return bool(root["channel"] == DEFAULT_CHANNEL and root["sid"] == sid and root["ts"] == self._market.now)

    # -- from a bet to an order

    def _bet(self, sleeve: BoundSleeve, signal: Signal, bet: Bet) -> None:
        sid = signal.sid
        side = bet.side or signal.side
        if bet.sid is None or bet.sid == sid:
            mark = signal.quote
        else:
            sid = bet.sid
            mark = self._marks.get(sid)
        quote = float(mark or 0.0)
        problem = None
        if mark is None:
            problem = f"no quote of {sid} is known yet"
        elif not bet.cash and not bet.units:
            if bet.reason is None:
                return
            problem = bet.reason
        elif quote <= 0 and bet.units is None:
            problem = f"a bet cannot be sized at a price of {mark}"
        elif (closable := self._closable(sleeve, sid, side, bet.group or signal.group)) is not None:
            units = self._units(bet, sid, quote)
            if closable:
                short = side == "buy"
                self._place(
                    sleeve, self._order(sleeve, signal, bet, sid, side, quote, None, min(units, closable), short=short)
                )
                return
            problem = _NOTHING_TO_CLOSE[side].format(sid)
        elif quote <= 0 and side == "buy":
            problem = f"a bet cannot be sized at a price of {mark}"
        elif side == "sell":
            units = self._units(bet, sid, quote)
            self._place(sleeve, self._order(sleeve, signal, bet, sid, side, quote, None, units, short=True))
            return
        if problem is not None:
            self._refuse(sleeve, Order(sid, side, quote, reason=bet.reason), problem)
        elif bet.units is not None:
            self._place(sleeve, self._order(sleeve, signal, bet, sid, side, quote, None, exact(bet.units)))
        else:
            cash = exact(bet.cash or 0)
            there = EXACT.add(sleeve.ledger.available, sleeve.ledger.expected)
            if there < cash <= EXACT.multiply(there, _ROUNDING_SLACK):
                cash = there
            self._place(sleeve, self._order(sleeve, signal, bet, sid, side, quote, cash, None))

    def _closable(self, sleeve: BoundSleeve, sid: str, side: Side, group: str | None = None) -> Decimal | None:
        """Give the units of a position that a side closes and no open order closes already; None where it opens one."""
        if self._margin is None:
            return self.broker.sellable(sleeve.names[0], sid, group) if side == "sell" else None
        held = sleeve.ledger.positions.get(sid)
        if held is None or (held.quantity > 0) is (side == "buy"):
            return None
        return (self.broker.sellable if side == "sell" else self.broker.coverable)(sleeve.names[0], sid, group)

    def _order(
        self,
        sleeve: BoundSleeve,
        signal: Signal,
        bet: Bet,
        sid: str,
        side: Side,
        quote: float,
        cash: Decimal | None,
        quantity: Decimal | None,
        *,
        short: bool = False,
    ) -> Order:
        """Make an order of a bet; how to trade on it the bet says, or else the signal, where it is about the symbol."""
        terms = signal if sid == signal.sid else _NO_TERMS
        limit, stop, until = bet.limit, bet.stop, bet.until
        if limit is None and stop is None:
            limit, stop = terms.limit, terms.stop
        lose, take = bet.stop_loss, bet.take_profit
        if lose is None and take is None:
            lose, take = terms.stop_loss, terms.take_profit
        return Order(
            sid,
            side,
            quote,
            cash,
            quantity,
            bet.reason,
            self.recorder.ts,
            sleeve.names[0],
            short,
            limit,
            stop,
            bet.tif or terms.tif,
            terms.until if until is None else until,
            terms.tag,
            lose,
            take,
            bet.group or terms.group,
        )

    def _units(self, bet: Bet, sid: str, quote: float) -> Decimal:
        if bet.units is not None:
            return exact(bet.units)
        try:
            return self.broker.estimate(Order(sid, "sell", quote, cash=exact(bet.cash or 0)))[0]
        except Unbookable:  # the order will be refused for it
            return _ZERO

    def _close(self, sleeve: BoundSleeve, signal: Signal) -> None:
        """Place an order that closes a line's position in a symbol."""
        sid, side = signal.sid, signal.side
        quantity = self._closable(sleeve, sid, side, signal.group) or _ZERO
        quote, short = float(signal.quote or 0.0), side == "buy"
        order = self._order(sleeve, signal, _CLOSING, sid, side, quote, None, quantity, short=short)
        if quantity:
            self._place(sleeve, order)
        else:
            self._refuse(sleeve, order, _NOTHING_TO_CLOSE[side].format(sid))

    def _place(self, sleeve: BoundSleeve, order: Order) -> None:
        """Check an order with the risk parts, and place what passes."""
        if self.killed is not None:
            self._refuse(sleeve, order, f"the kill switch is on: {self.killed}")
            return
        passed: Order | None = order
        if self.risks:
            passed = self._passed(sleeve, order)
        if passed is not None:
            self._book(sleeve, passed)

    def _passed(self, sleeve: BoundSleeve, order: Order) -> Order | None:
        """Return the order as the risk parts allow it; None, with a record, if one refuses it."""
        status, account, closing = self._status, self.account, order.closing
        for risk in self.risks:
            if closing and risk.opening_only:
                continue
            status[1] = risk.number
            try:
                verdict = risk.check(order, account)
                if verdict is order:
                    continue
                if isinstance(verdict, Rejection):
                    check_text("a Rejection's reason", verdict.reason)
                elif not isinstance(verdict, Order):
                    raise TypeError(f"expected an Order or a Rejection, got {type(verdict).__name__}")  # noqa: TRY301
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # the same
                self._fail(risk.number, "check", error, order.sid)
                self._refuse(sleeve, order, f"{risk.part.label} failed, and what cannot be checked is not placed")
                return None
            if isinstance(verdict, Rejection):
                self._refuse(sleeve, order, verdict.reason, risk=risk.part.name)
                return None
            order = verdict
        return order

    def _book(self, sleeve: BoundSleeve, order: Order) -> None:
        """Place an order that has passed all checks."""
        side = order.side
        try:
            quantity, cash = self.broker.estimate(order)
            if order.short and side == "sell":
                cash = self._to_short(order, quantity, cash)
        except Unbookable as error:
            self._refuse(sleeve, order, str(error))
            return
        if not quantity:
            step = plain_decimal(self._market.step(order.sid))
            costs = " with its costs" if self._costly else ""
            what = f"{plain_decimal(cash)} comes to less than {step} {order.sid} at {order.quote}{costs}"
            self._refuse(sleeve, order, what)
            return
        if order.quantity is not None and order.quantity is not quantity:
            order = msgspec.structs.replace(order, quantity=quantity)
        algorithm, portfolio = sleeve.names
        since = self._since if self.rules > 1 else None
        open_order = OpenOrder(self.recorder.next_id, order, algorithm, portfolio, None, False, since)  # noqa: FBT003  # by place, for speed
        if self._sales and not order.closing and (cash > sleeve.ledger.available or self._turns(sleeve, order)):
            open_order = msgspec.structs.replace(open_order, waits=tuple(self._sales))
        # A plain order, as nearly all are; written out, since each call counts here.
        if (
            not open_order.waits
            and order.limit is None
            and order.stop is None
            and order.tif == "gtc"
            and order.until is None
            and order.tag is None
            and not order.short
            and order.stop_loss is None
            and order.take_profit is None
            and order.group is None
        ):
            try:
                self.broker.place_market(open_order, cash)
            except NotEnough as error:
                self._refuse(sleeve, order, str(error))
                return
            self.recorder.decision(open_order, quantity, cash)
        else:
            placed = self._place_on_terms(sleeve, open_order, quantity, cash)
            if placed is None:
                return
            open_order = placed
        if self._sales is not None and order.closing:
            self._expect(sleeve, open_order, cash)
        if self._at_once and not open_order.waits and (price := self._price_now(open_order)) is not None:
            outcome = self.broker.fill_now(open_order, price, self.recorder.ts)
            if outcome is not None:
                if order.group is not None and isinstance(outcome, Filled):
                    self._settle_at_once(algorithm, order.group)
                self._record_outcome(open_order, outcome)

    def _settle_at_once(self, algorithm: str, group: str) -> None:
        """Note that an order of a group was filled at the event of its decision: the rest of the group is refused."""
        if self._settled_at != self.recorder.seq:
            self._settled.clear()
            self._settled_at = self.recorder.seq
        self._settled.add((algorithm, group))

    def _turns(self, sleeve: BoundSleeve, order: Order) -> bool:
        """Say whether an order opens a position on one side of a symbol while there are units on the other."""
        held = sleeve.ledger.positions.get(order.sid)
        return held is not None and (held.quantity > 0) is order.short

    def _expect(self, sleeve: BoundSleeve, sale: OpenOrder, cash: Decimal) -> None:
        """Expect the proceeds of a sale, unless it is filled at once."""
        if not (self._at_once and self._price_now(sale) is not None):
            assert self._sales is not None  # noqa: S101  # as it was asked
            self._sales.append(sale.id)
            if sale.order.side == "sell":
                sleeve.ledger.expected = EXACT.add(sleeve.ledger.expected, max(cash, _ZERO))

    def _unblock(self, order_id: str) -> None:
        """Release the orders that waited for a sale that has ended, and for no other."""
        if self._ended is not None:
            self._ended.append(order_id)
            return
        freed = self.broker.unblock(order_id)
        if not freed:
            return
        ledger = self.books.ledgers[freed[0].algorithm]
        needs = [each.order.cash or self.broker.estimate(each.order)[1] for each in freed]
        if freed[0].order.short:
            needs = [self.broker.reserved(each) for each in freed]
        pool = ledger.available
        for each in freed:
            pool = EXACT.add(pool, self.broker.reserved(each))
        need = total(needs)
        root = self.root
        for each, part in zip(freed, needs, strict=True):
            order, ordered = each.order, None
            if need > pool:
                ordered = order.quantity if order.cash is None else order.cash
                part = floor_to_step(EXACT.multiply(part, max(pool, _ZERO)), need, DEFAULT_STEP)
                if order.cash is not None:
                    order = msgspec.structs.replace(order, cash=part)
                elif order.quantity is not None and not order.short:
                    fewer = floor_to_step(
                        EXACT.multiply(order.quantity, max(pool, _ZERO)), need, self._market.step(order.sid)
                    )
                    order = msgspec.structs.replace(order, quantity=fewer)
            if not part or order.quantity == 0:
                self.broker.cancel(each)
                self._reject(each, "the sales that were to pay for it have brought too little")
                continue
            if ordered in (order.cash, order.quantity):
                ordered = None
            kept = self.broker.free(each, part, order=order, after=root["ts"], ordered=ordered)
            if kept.glimpse is not None and kept.glimpse["ts"] == root["ts"]:
                for placed, outcome in self.broker.on_quote(order.sid, kept.glimpse, only=(kept.id,)):
                    self._record_outcome(placed, outcome)

    @property
    def _since(self) -> int:
        """The time after which prices count for an order that is decided now."""
        return self._market.now + self._delay

    def _price_now(self, open_order: OpenOrder) -> float | None:
        """Give what an order gets at the event that it is decided on; None where it waits for another."""
        order = open_order.order
        if self.rules == 1:
            return order.quote
        if self._delay:
            return None
        if self.root["channel"] == TIMER:
            quoted = self._market.quoted_at.get(order.sid) == self._market.now
            return self._marks[order.sid] if quoted else None
        return close_of(self.root, order.side) if self._is_about_root(order.sid) else None

    def _place_on_terms(
        self, sleeve: BoundSleeve, open_order: OpenOrder, quantity: Decimal, cash: Decimal
    ) -> OpenOrder | None:
        """Place an order that is no plain one, and give it as it is kept; None where the account does not have it."""
        order, there = open_order.order, sleeve.ledger.available
        if not order.closing and cash > EXACT.add(there, sleeve.ledger.expected):
            self._refuse(sleeve, order, str(NotEnough("cash", cash, EXACT.add(there, sleeve.ledger.expected))))
            return None
        reserve = min(cash, max(there, _ZERO)) if open_order.waits else cash
        bracket = order.stop_loss is not None or order.take_profit is not None
        if self.rules == 1 and (bracket or order.group is not None):
            self._refuse(sleeve, order, "brackets and groups come with rules 2, and the session goes by rules 1")
            return None
        if (problem := misplaced(order)) is not None:
            self._refuse(sleeve, order, problem)
            return None
        if (open_order.algorithm, order.group) in self._settled and self._settled_at == self.recorder.seq:
            self._refuse(sleeve, order, _GROUPED)
            return None
        if order.closing and bracket:
            self._refuse(sleeve, order, "an order that closes a position has nothing left to protect")
            return None
        if open_order.since is not None:
            open_order = msgspec.structs.replace(open_order, gone=self._bar_length())
        replaced: Sequence[OpenOrder] = ()
        if order.tag is not None:
            if self.rules > 1 and len(self._aside) == 1 and self.broker.is_same(self._aside[0], open_order):
                return None  # it goes on as it is: `_replace` puts it back
            replaced, self._aside = self._aside, ()
        instead: tuple[str, ...] = ()
        for each in replaced:
            if self._may_be_filled(each):
                instead = (*instead, each.id, *each.instead)
            else:
                self._reject(each, _REPLACED)
                instead = (*instead, *each.instead)
        open_order = msgspec.structs.replace(open_order, id=self.recorder.next_id, instead=instead)
        open_order = self.broker.place(open_order, reserve)
        record = self.recorder.decision(open_order, quantity, cash)
        if order.short:
            record["short"] = True
        _write_terms(record, open_order)
        if open_order.waits:
            record["after"] = list(open_order.waits)
        if order.tag is not None:
            record["tag"] = order.tag
            if replaced:
                record["replaces"] = [each.id for each in replaced]
        return open_order

    def _bar_length(self) -> int:
        """Give how many nanoseconds the bar lasts that is being taken; 0 for a quote."""
        root = self.root
        return root["ts"] - root["start"] if "start" in root and root["channel"] == DEFAULT_CHANNEL else 0

    def _protect(self, entry: OpenOrder, filled: Filled) -> None:
        """Place the stop and the limit that close what an entry's fill has opened; one cancels the other.

        No part is asked about them: the entry named them when it was placed.
        """
        order = entry.order
        prices = [each for each in ((order.stop_loss, None), (None, order.take_profit)) if each != (None, None)]
        group = self.recorder.next_id if len(prices) == 2 else None
        since = self._market.now if filled.since is None else filled.since
        cash = self._market.unit(order.sid, EXACT.multiply(filled.quantity, exact(filled.price)))
        for stop, limit in prices:
            leg = Order(
                order.sid,
                "sell" if order.side == "buy" else "buy",
                filled.price,
                quantity=filled.quantity,
                ts=self.recorder.ts,
                algorithm=entry.algorithm,
                short=order.short,
                limit=limit,
                stop=stop,
                group=group,
            )
            id_ = self.recorder.next_id
            placed = self.broker.place(
                OpenOrder(id_, leg, entry.algorithm, entry.portfolio, since=since, parent=entry.id), _ZERO
            )
            self._born.append(id_)
            record = self.recorder.decision(placed, filled.quantity, cash)
            if leg.short:
                record["short"] = True
            _write_terms(record, placed)
            record["parent"] = entry.id

    def _settle_group(self, open_order: OpenOrder, filled: Filled) -> None:
        """Take back the rest of a filled order's group, and what protects a position that is no more."""
        order = open_order.order
        for each in self.broker.members(open_order):
            if not self.broker.has(each):
                continue
            if filled.left_quantity is not None and order.closing and each.order.closing:
                self.broker.shrink(each, filled.left_quantity)
            elif each.order.sid != order.sid and self._may_be_filled(each):
                self._recall(each, _GROUPED)
            else:
                self.broker.cancel(each)
                self._reject(each, _GROUPED)
        if order.closing:
            self._end_orphans(open_order.algorithm, order.sid)

    def _end_orphans(self, algorithm: str, sid: str) -> None:
        """Take back what protects a position that is no more."""
        for each in self.broker.orphans(algorithm, sid):
            if not self.broker.has(each):
                continue
            self.broker.cancel(each)
            self._reject(each, _CLOSED)

    def _to_short(self, order: Order, quantity: Decimal, proceeds: Decimal) -> Decimal:
        """Give what of the cash that is available a short sale needs: the margin, less what the sale brings."""
        if self._margin is None:
            raise NoMargin(order.sid)
        highest = order.quote if order.limit is None else max(order.quote, order.limit)
        value = EXACT.multiply(quantity, self._market.unit(order.sid, exact(highest)))
        needed = EXACT.subtract(EXACT.multiply(self._margin.initial, value), proceeds)
        return max(_ZERO, needed)  # at a price below 0 nothing is sold short, nor does it make room for other orders

    def _tagged(self, sleeve: BoundSleeve, signal: Signal) -> list[OpenOrder]:
        """Give a line's open orders with the symbol and the tag of a signal."""
        there = self.broker.open.get(signal.sid, ())
        name, tag = sleeve.names[0], signal.tag
        return [each for each in there if each.order.tag == tag and each.algorithm == name and each.recalled is None]

    # -- what events bring about

    def fill(self, sid: str, data: Data) -> None:
        """Fill a symbol's open orders with a quote; the recorder is at its event.

        Orders that have ended by its time are taken back. Where the symbol's exchange is closed by its calendar, its
        orders wait. What a fill brings to life is held against the same quote, as far as it may have of it.
        """
        broker, ts = self.broker, data["ts"]
        if self.rules > 1 and sid in broker.open:
            reach = self._market.now - data.get("start", ts)
            if reach > self.reach.get(sid, -1):
                self.reach[sid] = reach
        traded = sid in broker.open and (not self._market.has_instruments or self._is_traded(sid, data))
        if broker.expiring:
            for open_order in broker.expire(ts, sid=sid if traded else None):
                self._reject(open_order, open_order.why or OVER)
        if not traded or sid not in broker.open:
            if not traded and sid in broker.open:
                self._shut.add(sid)
            return
        if self._shut:
            self._shut.discard(sid)
        born = self._born
        born.clear()
        self._record_outcomes(broker.on_quote(sid, data))
        if born and sid in broker.open:
            self._record_outcomes(broker.on_quote(sid, data, only=frozenset(born)))

    def _is_traded(self, sid: str, data: Data) -> bool:
        if self.rules == 1:
            return self._market.is_open(sid, data["ts"])
        return self._market.traded_until(sid, data) is not None

    def take_rate(self, data: Data) -> None:
        """Take a rate between two currencies; the recorder is at its event."""
        try:
            self._market.rate(data.get("sid"), data.get("quote"))
        except BadData as error:
            self._refuse_event(data, str(error))
            return
        self.monitor.invalidate()

    def act(self, data: Data) -> None:
        """Book a split or a dividend; the recorder is at its event."""
        try:
            action = read_action(data)
            marked = isinstance(action, Split)
            if self.rules > 1:
                if isinstance(action, Dividend):
                    self._market.check(action)
                marked = self._market.quoted_at.get(action.sid, data["ts"]) <= data["ts"]
            booked = self.books.act(action, marked=marked)
        except (BadData, Unbookable) as error:
            self._refuse_event(data, str(error))
            return
        if action.sid not in self._marks:
            self.unquoted[action.sid] += 1
        if isinstance(action, Split):
            self.broker.split(action, data["ts"])
        if self.rules > 1:
            self._market.acted_at[action.sid] = max(data["ts"], self._market.acted_at.get(action.sid, data["ts"]))
            self.broker.divide(action.sid, data["ts"])
        what = {"action": data["action"]}
        for key in ("ratio", "amount"):
            if key in data:
                what[key] = str(data[key])
        for algorithm, done in booked.items():
            self.recorder.write("action", action.sid, algorithm=algorithm, **what, **done.to_json())
            if not done.after:
                self._end_orphans(algorithm, action.sid)
        if self.monitor.needed:
            self.monitor.settle()
            self.monitor.invalidate()

    def call_margins(self) -> None:
        """Buy back short positions of ledgers with a margin call; the recorder is at the event."""
        for sleeve in self.sleeves:
            ledger = sleeve.ledger
            if not ledger.margin_call:
                continue
            for sid, position in list(ledger.positions.items()):
                if position.quantity < 0 and (owed := self.broker.coverable(sleeve.names[0], sid)):
                    self._liquidate(sleeve, sid, "buy", owed, "margin call")

    def _refuse_event(self, data: Data, reason: str) -> None:
        self.recorder.write("rejection", data.get("sid"), reason=f"an event of `{data['channel']}`: {reason}")

    def _liquidate(self, sleeve: BoundSleeve, sid: str, side: Side, quantity: Decimal, reason: str) -> None:
        """Place an order that closes a position without asking any part."""
        quote, ts = self._marks.get(sid, 0.0), self.recorder.ts
        short = side == "buy"
        order = Order(sid, side, quote, None, quantity, reason, ts, sleeve.names[0], short)
        self._book(sleeve, order)

    def end(self) -> None:
        """Cancel every open order at the end of the events."""
        for open_order in self.broker.cancel_all():
            sid, reason = open_order.order.sid, NO_MORE
            if open_order.recalled is not None:
                reason = open_order.why
            elif sid in self._shut:
                calendar = self._market.calendar_of(sid)
                reason += f": by the calendar {calendar}, {sid}'s exchange was closed at each event that it waited for"
            self._reject(open_order, reason)

    def cancel_all(self, reason: str) -> None:
        """Cancel every open order."""
        for open_order in self.broker.cancel_all():
            self._reject(open_order, reason)

    # -- what people decide

    def control(self, data: Data) -> None:
        """Apply an event of the channel ``$control``; `intuition_core.session.control` makes these."""
        action = data["action"]
        more: dict[str, Any] = {}
        if action == "kill":
            self.killed = data["reason"]
            reason = f"the kill switch is on: {self.killed}"
            if self.rules == 1 or data["flatten"]:
                self.cancel_all(reason)
            else:
                for open_order in self.broker.cancel_opening():
                    self._reject(open_order, reason)
            more = {"reason": self.killed, "flatten": data["flatten"]}
        elif action == "clear":
            self.killed = None
            more = {"reason": data["reason"]}
        elif action == "shares":
            moved = self.books.share_out({name: Decimal(share) for name, share in data["shares"].items()})
            shares = {name: format(share, "f") for name, share in self.books.shares.items()}
            more = {"shares": shares, "moved": {name: plain_decimal(amount) for name, amount in moved.items()}}
        self.recorder.write("control", None, action=action, by=data.get("by"), **more)
        if action == "kill" and data["flatten"]:
            self._flatten()

    def _kill_for(self, risk: BoundRisk, reason: str) -> None:
        """Turn the kill switch on at a risk part's request, unless it is on."""
        if self.killed is None:
            self.control({"action": "kill", "reason": reason, "flatten": False, "by": f"risk {risk.part.name}"})

    def _flatten(self) -> None:
        """Place orders that close every position."""
        for sleeve in self.sleeves:
            for sid, position in list(sleeve.ledger.positions.items()):
                side: Side = "sell" if position.quantity > 0 else "buy"
                self._liquidate(sleeve, sid, side, position.quantity.copy_abs(), "kill switch")

    # -- records

    def _record_outcomes(self, outcomes: Sequence[tuple[OpenOrder, Outcome]]) -> None:
        """Record what became of orders at an event, in the order in which it was booked."""
        if len(outcomes) == 1:
            self._record_outcome(*outcomes[0])
            return
        ended: list[str] = []
        self._ended = ended
        try:
            for open_order, outcome in outcomes:
                self._record_outcome(open_order, outcome)
        finally:
            self._ended = None
        for order_id in ended:
            self._unblock(order_id)

    def _record_outcome(self, open_order: OpenOrder, outcome: Outcome) -> None:
        if isinstance(outcome, Rejection):
            self._reject(open_order, outcome.reason)
            return
        self.books.moves += 1
        if self.monitor.needed:
            self.monitor.settle(open_order.order.sid)
        fill = self.recorder.fill(open_order, outcome)
        if self._costly:
            fill["commission"] = plain_decimal(outcome.commission)
            fill["slippage"] = plain_decimal(outcome.slippage)
        if outcome.left_quantity is not None:
            fill["left_quantity"] = plain_decimal(outcome.left_quantity)
        if outcome.left_cash is not None:
            fill["left_cash"] = plain_decimal(outcome.left_cash)
        order = open_order.order
        if open_order.ordered is not None:
            fill.update(_ordered(open_order, open_order.ordered))
        if self._told and (sleeve := self._told.get(open_order.algorithm)) is not None:
            self._note(sleeve, open_order, outcome)
        if open_order.since is None:
            return
        if order.closing and outcome.left_quantity is None:
            self._unblock(open_order.id)
        if order.stop_loss is not None or order.take_profit is not None:
            self._protect(open_order, outcome)
        if order.group is not None or order.closing:
            self._settle_group(open_order, outcome)

    def _note(self, sleeve: BoundSleeve, open_order: OpenOrder, filled: Filled) -> None:
        """Note a fill, to tell it to those whose order it filled."""
        order = open_order.order
        fill = Fill(
            order=open_order.id,
            sid=order.sid,
            side=order.side,
            quantity=filled.quantity,
            price=filled.price,
            cash=filled.cash,
            profit=filled.profit,
            closing=order.closing,
            done=filled.left_quantity is None and filled.left_cash is None,
            tag=order.tag,
            ts=self.recorder.ts,
        )
        self.fills.append((sleeve, fill))

    def _reject(self, open_order: OpenOrder, reason: str) -> None:
        order = open_order.order
        self.recorder.write(
            "rejection",
            order.sid,
            cause=open_order.id,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=open_order.algorithm,
            portfolio=open_order.portfolio,
            **({} if open_order.ordered is None else _ordered(open_order, open_order.ordered)),
        )
        if order.closing and open_order.since is not None:
            self._unblock(open_order.id)

    def _refuse(self, sleeve: BoundSleeve, order: Order, reason: str, **more: Any) -> None:
        self.recorder.write(
            "rejection",
            order.sid,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=sleeve.algorithm.name,
            portfolio=sleeve.portfolio.name,
            **more,
        )


def _ordered(open_order: OpenOrder, ordered: Decimal) -> dict[str, str]:
    """Say what an order was for that has become smaller, as the sales before it have brought too little."""
    key = "ordered_quantity" if open_order.order.cash is None else "ordered_cash"
    return {key: plain_decimal(ordered)}


def _write_terms(record: Record, open_order: OpenOrder) -> None:
    """Write into a decision how it is to be traded."""
    order = open_order.order
    bracket = order.stop_loss is not None or order.take_profit is not None or order.group is not None
    if order.type == "market" and order.tif == "gtc" and order.until is None and not bracket:
        return
    record["order"] = order.type
    for name in ("stop_loss", "take_profit", "group"):
        if (value := getattr(order, name)) is not None:
            record[name] = value
    for name in ("limit", "stop"):
        if (price := getattr(order, name)) is not None:
            record[name] = price
    record["tif"] = order.tif
    if open_order.expires is not None:
        record["expires"] = open_order.expires
