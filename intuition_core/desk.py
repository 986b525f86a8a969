"""The desk: what parts ask for becomes orders on the account, and what becomes of orders becomes records.

A signal is sized by its line's portfolio, the order that comes of it is put to the risk parts, placed with the paper
broker, and filled by later quotes. What people decide, the kill switch and the shares of the capital, is done here too.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.answers import bets, check_terms, check_text
from intuition_core.books import Books
from intuition_core.composition import Composition
from intuition_core.contracts import Account, Bet, Cancel, Data, Message, Order, Rejection, Side, Signal
from intuition_core.data import check_channel, check_sid, plain
from intuition_core.errors import BadData
from intuition_core.ledger import EXACT, LedgerView, NotEnough, Readable, exact
from intuition_core.orders import Filled, OpenOrder
from intuition_core.paper import PaperBroker
from intuition_core.records import Record, Recorder, plain_decimal
from intuition_core.seats import LineSeat, RiskSeat

_ZERO: Final = Decimal(0)
_SIDES: Final = ("buy", "sell")
_ALWAYS: Final = math.inf
_ROUNDING_SLACK: Final = Decimal("1.000000001")
"""A portfolio that bets all of `account.cash`, a float, may name a hair more than there is; this much is forgiven."""

_CLOSING: Final = Bet()
"""Says nothing of its own about how to close a position."""

Fail = Callable[[int, str, BaseException, str | None], None]
"""Told that a part failed: its number, the method, what it raised, and the symbol that it was about."""


class Desk:
    """Trades for the lines of one composition on one account.

    Attributes:
        books: the account, by algorithm.
        ledger: the account as a whole.
        quoted_at: when each symbol was last quoted, nanoseconds UTC; kept where there are risk parts.
        account: the whole account as risk parts see it.
        broker: where orders are open.
        recorder: what was recorded and not taken yet.
        killed: why the kill switch is on; None while it is off.
        lines: whom it trades for.
        risks: who is asked before an order is placed, in their order.

    Args:
        composition: the recipe.
        run: what the ids of the records start with.
        cell: where to note which part is called.
        fail: told of parts that fail.
    """

    __slots__ = (
        "_at_once",
        "_cell",
        "_costly",
        "_fail",
        "_marks",
        "_observers",
        "_step",
        "account",
        "books",
        "broker",
        "killed",
        "ledger",
        "lines",
        "quoted_at",
        "recorder",
        "risks",
    )

    def __init__(self, composition: Composition, *, run: str, cell: Any, fail: Fail) -> None:
        self.books = Books(composition.cash, composition.shares)
        self.ledger: Readable = self.books if len(self.books.ledgers) > 1 else next(iter(self.books.ledgers.values()))
        self.quoted_at: dict[str, int] = {}
        self.account: Account = LedgerView(self.ledger, quoted_at=self.quoted_at)
        self.broker = PaperBroker(self.books.ledgers, step=composition.step, costs=composition.costs)
        self.recorder = Recorder(run)
        self.killed: str | None = None
        self.lines: Sequence[LineSeat] = ()
        self.risks: Sequence[RiskSeat] = ()
        self._observers: Sequence[RiskSeat] = ()
        self._marks = self.books.marks
        self._step = composition.step
        self._at_once = composition.fill == "same"
        self._costly = bool(composition.costs)
        self._cell = cell
        self._fail = fail

    def open(self, lines: Sequence[LineSeat], risks: Sequence[RiskSeat]) -> None:
        """Begin to trade for these."""
        self.lines = lines
        self.risks = risks
        self._observers = [risk for risk in risks if risk.observe is not None]

    # -- what algorithms and portfolios ask for

    def answer(self, line: LineSeat, answer: Signal | Cancel | Message, data: Data) -> None:
        """Do what an algorithm's answer asks for."""
        if isinstance(answer, Signal):
            self.signal(line, answer, data)
        elif isinstance(answer, Message):
            self._publish(line, answer, data)
        else:
            self._cancel(line, answer)

    def signal(self, line: LineSeat, signal: Signal, data: Data) -> None:
        """Size a signal and place what comes of it."""
        quote = signal.quote
        if not (
            type(quote) is float
            and -_ALWAYS < quote < _ALWAYS
            and signal.sid is data.get("sid")
            and signal.side in _SIDES
            and signal.limit is None
            and signal.stop is None
            and signal.tif == "gtc"
            and signal.until is None
            and signal.tag is None
        ):
            checked = self._checked(line, signal, data)
            if checked is None:
                return
            signal = checked
        if signal.side == "sell":
            size, method = line.release, "release"
            if size is None:
                self._close(line, signal)
                return
        else:
            size, method = line.optimize, "optimize"
        self._cell[1] = line.number + 1
        try:
            stake = size(signal, line.account)
            if stake is None:
                return
            staked = bets(stake)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
            self._fail(line.number + 1, method, error, signal.sid)
            return
        for bet in staked:
            self._bet(line, signal, bet)

    def rebalance(self, line: LineSeat, data: Data) -> None:
        """Show a portfolio a quote, and place what it bets of its own accord."""
        self._cell[1] = line.number + 1
        sid = data["sid"]
        try:
            stake = line.observe(data, line.account)  # type: ignore[misc]  # only those that have it are asked
            if stake is None:
                return
            staked = bets(stake)
            for bet in staked:
                if bet.sid is None or bet.side is None:
                    raise ValueError("a bet of `observe` names its `sid` and its `side`")  # noqa: TRY301
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the same
            self._fail(line.number + 1, "observe", error, sid)
            return
        for bet in staked:
            about, side = bet.sid or sid, bet.side or "buy"
            self._bet(line, Signal(about, side, self._marks.get(about)), bet)

    def _publish(self, line: LineSeat, message: Message, data: Data) -> None:
        """Record a copy of a message: the part may go on changing what it gave."""
        try:
            channel, content = check_channel(message.channel), plain("data", message.data)
        except BadData as error:
            self._fail(line.number, "event", error, data.get("sid"))
            return
        self.recorder.write("message", data.get("sid"), channel=channel, data=content, algorithm=line.algorithm.name)

    def _cancel(self, line: LineSeat, wish: Cancel) -> None:
        """Take back what a line has open and names."""
        algorithm = line.names[0]
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
        for open_order in orders:
            sid = open_order.order.sid
            there = self.broker.open[sid]
            there.remove(open_order)
            if not there:
                del self.broker.open[sid]
            self.books.ledgers[open_order.algorithm].release(open_order.id)
            self._reject(open_order, reason)

    def _checked(self, line: LineSeat, signal: Signal, data: Data) -> Signal | None:
        """Give the signal with its quote, or record why it makes no sense."""
        quote = signal.quote
        problem = None
        try:
            check_sid(signal.sid)
            check_terms("a signal", signal.limit, signal.stop, signal.tif, signal.until, signal.tag)
        except (BadData, TypeError, ValueError) as error:
            problem = f"a signal's {error}" if isinstance(error, BadData) else str(error)
        if quote is None and problem is None:
            quote = self._marks.get(signal.sid)
        if problem is not None:
            pass
        elif signal.side not in _SIDES:
            problem = f"a signal's side is `buy` or `sell`, not {signal.side!r}"
        elif quote is None:
            problem = f"no quote of {signal.sid} is known yet; give the signal one"
        elif isinstance(quote, bool) or not isinstance(quote, int | float) or not math.isfinite(quote):
            problem = f"a signal's quote is a finite number, not {quote!r}"
        if problem is not None:
            self._fail(line.number, "event", TypeError(problem), data.get("sid"))
            return None
        if signal.quote is quote:
            return signal
        return msgspec.structs.replace(signal, quote=quote)

    # -- from a bet to an order

    def _bet(self, line: LineSeat, signal: Signal, bet: Bet) -> None:
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
        elif quote <= 0 and (side == "buy" or bet.units is None):
            problem = f"a bet cannot be sized at a price of {mark}"
        elif side == "sell":
            units = self._units(bet, sid, quote)
            if held := self.broker.to_sell(line.names[0], sid):
                self._place(line, self._order(line, signal, bet, sid, side, quote, None, min(units, held)))
                return
            problem = f"no {sid} held that is not being sold already"
        if problem is not None:
            self._refuse(line, Order(sid, side, quote, reason=bet.reason), problem)
        elif bet.units is not None:
            self._place(line, self._order(line, signal, bet, sid, side, quote, None, exact(bet.units)))
        else:
            cash = exact(bet.cash or 0)
            there = line.ledger.available
            if there < cash <= EXACT.multiply(there, _ROUNDING_SLACK):
                cash = there
            self._place(line, self._order(line, signal, bet, sid, side, quote, cash, None))

    def _order(
        self,
        line: LineSeat,
        signal: Signal,
        bet: Bet,
        sid: str,
        side: Side,
        quote: float,
        cash: Decimal | None,
        quantity: Decimal | None,
    ) -> Order:
        """Make an order of a bet; how to trade on it the bet says, or else the signal, where it is about the symbol."""
        limit, stop, tif, until, tag = bet.limit, bet.stop, bet.tif or "gtc", bet.until, None
        if sid == signal.sid:
            tag = signal.tag
            tif = bet.tif or signal.tif
            if until is None:
                until = signal.until
            if limit is None and stop is None:
                limit, stop = signal.limit, signal.stop
        ts = self.recorder.ts
        short = False
        return Order(
            sid, side, quote, cash, quantity, bet.reason, ts, line.names[0], short, limit, stop, tif, until, tag
        )

    def _units(self, bet: Bet, sid: str, quote: float) -> Decimal:
        if bet.units is not None:
            return exact(bet.units)
        return self.broker.estimate(Order(sid, "sell", quote, cash=exact(bet.cash or 0)))[0]

    def _close(self, line: LineSeat, signal: Signal) -> None:
        sid = signal.sid
        quantity = self.broker.to_sell(line.names[0], sid)
        order = self._order(line, signal, _CLOSING, sid, "sell", float(signal.quote or 0.0), None, quantity)
        if quantity:
            self._place(line, order)
        else:
            self._refuse(line, order, f"no {sid} held that is not being sold already")

    def _place(self, line: LineSeat, order: Order) -> None:
        """Put an order to the risk parts, and place what they let pass."""
        if self.killed is not None:
            self._refuse(line, order, f"the kill switch is on: {self.killed}")
            return
        for risk in self.risks:
            self._cell[1] = risk.number
            try:
                verdict = risk.check(order, self.account)
                if isinstance(verdict, Rejection):
                    check_text("a Rejection's reason", verdict.reason)
                elif not isinstance(verdict, Order):
                    raise TypeError(f"expected an Order or a Rejection, got {type(verdict).__name__}")  # noqa: TRY301
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # the same
                self._fail(risk.number, "check", error, order.sid)
                self._refuse(line, order, f"{risk.part.label} failed, and what cannot be checked is not placed")
                return
            if isinstance(verdict, Rejection):
                self._refuse(line, order, verdict.reason, risk=risk.part.name)
                return
            order = verdict
        self._book(line, order)

    def _book(self, line: LineSeat, order: Order) -> None:
        """Place an order that nobody objects to."""
        quantity, cash = self.broker.estimate(order)
        side = order.side
        if not quantity:
            step = plain_decimal(self._step)
            self._refuse(line, order, f"{plain_decimal(cash)} comes to less than {step} {order.sid} at {order.quote}")
            return
        if side == "buy" and cash > line.ledger.available:
            self._refuse(line, order, str(NotEnough("cash", cash, line.ledger.available)))
            return
        if order.quantity is not None and order.quantity != quantity:
            order = msgspec.structs.replace(order, quantity=quantity)
        if order.tag is not None:
            self._take_back(self._tagged(line, order), "replaced")
        algorithm, portfolio = line.names
        record = self.recorder.decision(order, quantity, cash, algorithm, portfolio)
        open_order = OpenOrder(record["id"], order, algorithm, portfolio)
        self.broker.place(open_order, cash)
        if self._at_once:
            self._record_outcome(open_order, self.broker.fill_now(open_order, record["ts"]))

    def _tagged(self, line: LineSeat, order: Order) -> list[OpenOrder]:
        """Give a line's open orders with the symbol and the tag of a new one."""
        there = self.broker.open.get(order.sid, ())
        return [each for each in there if each.order.tag == order.tag and each.algorithm == line.names[0]]

    # -- what quotes bring about

    def fill(self, sid: str, data: Data) -> None:
        """Fill a symbol's open orders against its next quote; the recorder is at its event."""
        for open_order, outcome in self.broker.on_quote(sid, data):
            self._record_outcome(open_order, outcome)

    def watch(self, data: Data) -> None:
        """Let risk parts see how the account fares; one may turn the kill switch on. The recorder is at the event."""
        for risk in self._observers:
            self._cell[1] = risk.number
            try:
                reason = risk.observe(self.account, data["ts"])  # type: ignore[misc]  # these have it
                if reason is not None:
                    check_text("what `observe` returns", reason)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # the same
                self._fail(risk.number, "observe", error, data.get("sid"))
                continue
            if reason is not None and self.killed is None:
                self.control({"action": "kill", "reason": reason, "flatten": False, "by": f"risk {risk.part.name}"})

    @property
    def watched(self) -> bool:
        """Whether any risk part wants to see how the account fares."""
        return bool(self._observers)

    def cancel_all(self, reason: str) -> None:
        """Take back every open order."""
        for open_order in self.broker.cancel_all():
            self._reject(open_order, reason)

    # -- what people decide

    def control(self, data: Data) -> None:
        """Do what an event of the channel ``$control`` says; `intuition_core.control` makes these."""
        action = data["action"]
        more: dict[str, Any] = {}
        if action == "kill":
            self.killed = data["reason"]
            self.cancel_all(f"the kill switch is on: {self.killed}")
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

    def _flatten(self) -> None:
        """Sell all that is held."""
        for line in self.lines:
            for sid, position in list(line.ledger.positions.items()):
                quote = self._marks.get(sid, 0.0)
                self._book(line, Order(sid, "sell", quote, quantity=position.quantity, reason="kill switch"))

    # -- records

    def _record_outcome(self, open_order: OpenOrder, outcome: Filled | Rejection) -> None:
        if isinstance(outcome, Rejection):
            self._reject(open_order, outcome.reason)
            return
        fill = self.recorder.fill(open_order, outcome)
        if self._costly:
            fill["commission"] = plain_decimal(outcome.commission)
            fill["slippage"] = plain_decimal(outcome.slippage)

    def _reject(self, open_order: OpenOrder, reason: str) -> Record:
        order = open_order.order
        return self.recorder.write(
            "rejection",
            order.sid,
            cause=open_order.id,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=open_order.algorithm,
            portfolio=open_order.portfolio,
        )

    def _refuse(self, line: LineSeat, order: Order, reason: str, **more: Any) -> None:
        self.recorder.write(
            "rejection",
            order.sid,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=line.algorithm.name,
            portfolio=line.portfolio.name,
            **more,
        )
