"""The live parts of one composition: data in, records out.

Pure: no I/O, no clock, no global randomness. The same events in the same order give the same records.
An event that nobody answers costs little and gives the shared empty tuple.
"""

import inspect
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from intuition_core.answers import answers, bets, check_text
from intuition_core.books import Books, BooksState
from intuition_core.composition import Composition, Line, Part
from intuition_core.contracts import Account, Bet, Context, Data, Message, Order, Rejection, Signal
from intuition_core.data import DEFAULT_CHANNEL, check_channel, check_sid, plain
from intuition_core.errors import BadData, PartFailed
from intuition_core.ledger import EXACT, Ledger, LedgerView, NotEnough, Readable, exact
from intuition_core.orders import Filled, OpenOrder
from intuition_core.paper import PaperBroker
from intuition_core.randomness import restore_rng, rng_state
from intuition_core.records import Record, Recorder, plain_decimal

_log = logging.getLogger(__name__)
_ZERO: Final = Decimal(0)
_NOTHING: Final[tuple[Record, ...]] = ()
_SIDES: Final = ("buy", "sell")
_FINITE: Final = math.inf
_NOBODY: Final[tuple[Any, ...]] = ()
_ROUNDING_SLACK: Final = Decimal("1.000000001")
"""A portfolio that bets all of `account.cash`, a float, may name a hair more than there is; this much is forgiven."""


CONTROL: Final = "$control"
"""The channel of what people decide; no publisher can send on it, as no name of a channel begins like this."""

MAX_DERIVED: Final = 1000
"""The most messages of indicators that one event may lead to: beyond it they only answer one another."""


class Cell(Protocol):
    """Where a strategy notes which part it calls, for those who watch it from outside and have a clock.

    Item 0 is the number of the event, 0 before the first; item 1 the part, counted from 1 in the order of
    `Strategy.parts`, and negative while it gives or takes a snapshot. Nothing is noted when a part has returned.
    """

    def __setitem__(self, index: int, value: int, /) -> None:
        """Note."""


class Quarantine(NamedTuple):
    """Why a part is not called any more, and the event at which that was decided."""

    seq: int
    problem: str


class Strategy:
    """A composition at work on one account.

    Attributes:
        books: the account, by algorithm.
        ledger: the account as a whole.
        account: the same as parts see it.
        killed: why the kill switch is on; None while it is off.
        parts: the parts in the order in which they were started; they are counted from 1.
        quarantined: the parts that are not called any more, by their number.
        halted: the failure after which, by the part's policy, no more events are to be taken.
        judging: whether policies apply when parts fail; a replay follows the verdicts of the first time instead.

    Args:
        composition: the recipe.
        run: what the ids of the records start with; unique to this account's life.
        log: where parts log, through their context.
        cell: where to note which part is called.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self, composition: Composition, *, run: str, log: logging.Logger = _log, cell: Cell | None = None
    ) -> None:
        self.composition = composition
        self.parts: list[Part] = []
        self.quarantined: dict[int, Quarantine] = {}
        self.halted: PartFailed | None = None
        self.judging = True
        self._cell: Cell = cell if cell is not None else [0, 0]
        self._event_id: Any = None
        self.seq = 0
        self.books = Books(composition.cash, composition.shares)
        self.ledger: Readable = self.books if len(self.books.ledgers) > 1 else next(iter(self.books.ledgers.values()))
        self._quoted_at: dict[str, int] = {}
        self.account: Account = LedgerView(self.ledger, quoted_at=self._quoted_at)
        self.killed: str | None = None
        self._broker = PaperBroker(self.books.ledgers, step=composition.step, costs=composition.costs)
        self._recorder = Recorder(run)
        self._open = self._broker.open
        self._marks = self.books.marks
        self._written = self._recorder.written
        self._derived: deque[Data] = deque()
        self._answered = 0
        self._same = composition.fill == "same"
        self._costly = bool(composition.costs)
        self._log = log
        self._kept: list[_Kept] = []
        self._accounts: list[Account] = []
        self._risks = [_Risk(self._start(part)) for part in composition.risks]
        self._observers = [risk for risk in self._risks if risk.observe is not None]
        self._indicators = [_Indicator(self._start(part)) for part in composition.indicators]
        self._lines = [self._start_line(line) for line in composition.lines]
        self._several = bool(self._indicators) or len(self._lines) > 1
        self._first = self._cell[1] = self._heard_by[0].number
        self._listeners = self._by_channel()

    @property
    def run(self) -> str:
        """What the ids of the records start with."""
        return self._recorder.run

    @property
    def channels(self) -> list[str]:
        """The channels that indicators and algorithms listen to, in the order they named them."""
        return list(self._listeners)

    @property
    def open_orders(self) -> list[OpenOrder]:
        """Orders placed and not yet filled."""
        return [order for orders in self._broker.open.values() for order in orders]

    def step(self, data: Data) -> Sequence[Record]:
        """Take one normalised event and give the records it caused, in the order they came about."""
        self.seq = self._cell[0] = self.seq + 1
        channel = data["channel"]
        if channel == DEFAULT_CHANNEL:
            sid = data["sid"]
            if sid in self._open:
                self._fill_orders(sid, data)
            self._marks[sid] = data["quote"]
            if self._risks:
                self._quoted_at[sid] = data["ts"]
                if self._observers and (self._written or self._broker.holds(sid)):
                    self._observe(data)
        elif channel == CONTROL:
            self._recorder.open(self.seq, data["ts"])
            self._control(data)
            return self._recorder.take()
        self._tell(channel, data)
        return self._rest() if self._written or self._derived else _NOTHING

    def run_through(self, events: Iterable[Data]) -> Iterator[Sequence[Record]]:
        """Take events as `step` does, and give the records of those that caused any; `seq` says which it was.

        Most events of a history fill no order and are heard by one algorithm that has nothing to say. They take a
        short way here, with nothing looked up twice; what comes of them is the same.
        """
        open_orders, marks, written = self._open, self._marks, self._written
        listeners = self._listeners.get(DEFAULT_CHANNEL, _NOBODY)
        only = listeners[0] if len(listeners) == 1 and not self._risks else None
        if only is None:
            for data in events:
                if records := self.step(data):
                    yield records
            return
        seq = self.seq
        try:
            for data in events:
                seq += 1
                if data["channel"] != DEFAULT_CHANNEL:
                    self.seq = seq - 1
                    if records := self.step(data):
                        yield records
                    continue
                sid = data["sid"]
                if sid in open_orders:
                    self.seq = seq
                    self._fill_orders(sid, data)
                marks[sid] = data["quote"]
                try:
                    outcome = only.event(data)  # looked up each time: the part may be set aside
                    if outcome is None:
                        if written:
                            yield self._recorder.take()
                        continue
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001  # the same as in `step`
                    self.seq = seq
                    self._fail(only, error, data)
                else:
                    self.seq = seq
                    self._hear(only, outcome, data)
                if records := self._rest():
                    yield records
        finally:
            self.seq = self._cell[0] = seq

    def cancel_open_orders(self, ts: int) -> Sequence[Record]:
        """Cancel what can no longer fill, at the end of history, and report it."""
        self.seq += 1  # the end is an event of its own, so that its records' ids are new
        self._recorder.open(self.seq, ts)
        for open_order in self._broker.cancel_all():
            self._reject(open_order.order, open_order, "the data ended before the order could fill")
        return self._recorder.take()

    # -- parts that fail

    def step_without(self, data: Data, failed: Mapping[int, str]) -> Sequence[Record]:
        """Take an event without calling some of the parts; where one would have been, a record says why it was not.

        Args:
            data: the event.
            failed: the parts by their number, and what happened to each when it was called for this event before.
        """
        restored = [self._seats[number - 1].set_aside(_spared(problem)) for number, problem in failed.items()]
        try:
            return self.step(data)
        finally:
            for restore in reversed(restored):
                restore()

    def quarantine(self, number: int, problem: str, *, seq: int | None = None) -> None:
        """Never call a part again. What it should have checked is refused, what it should have sized is not placed.

        Args:
            number: which.
            problem: why.
            seq: the event at which that was decided; the last one where None.
        """
        if number in self.quarantined:
            return
        self.quarantined[number] = Quarantine(self.seq if seq is None else seq, problem)
        part = self.parts[number - 1]
        if part.kind == "risk":
            refusal = Rejection(f"{part.label} is in quarantine, and what cannot be checked is not placed")
            self._seats[number - 1].set_aside(lambda order, *_: refusal if isinstance(order, Order) else None)
        else:
            self._seats[number - 1].set_aside(lambda *_: None)

    def release(self, number: int) -> None:
        """Call a part again that is in quarantine. It begins anew, and knows nothing of the events before.

        What it had come to is not kept while it is in quarantine, so that nothing else would be the same in a replay.

        Raises:
            PartFailed: it cannot be made or initialised.
        """
        if number not in self.quarantined:
            return
        part = self.parts[number - 1]
        kept, started = self._make(number, part)
        self._cell[1] = self._first
        self._kept[number - 1] = kept
        self._seats[number - 1].holder.take(started)
        self._listeners = self._by_channel()
        del self.quarantined[number]

    # -- state

    def snapshot(self) -> bytes | None:
        """Give all that the events so far have made, as MessagePack; None where a part keeps state but gives none.

        A part keeps its state by ``snapshot()``, which gives anything MessagePack can carry, and ``restore(state)``.
        A part without attributes of its own needs neither.
        """
        try:
            parts = [self._state_of(number) for number in range(1, len(self.parts) + 1)]
        except (_NoSnapshot, KeyboardInterrupt):
            return None
        except BaseException as error:  # noqa: BLE001  # a part may raise anything; replay serves as well
            self._log.warning("no snapshot: %s: %s", type(error).__name__, error)
            return None
        state = _State(
            version=_STATE_VERSION,
            seq=self.seq,
            books=self.books.snapshot(),
            killed=self.killed,
            quoted_at=self._quoted_at,
            orders=[order for orders in self._broker.open.values() for order in orders],
            parts=parts,
            quarantined=self.quarantined,
        )
        try:
            return msgspec.msgpack.encode(state)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._log.warning("no snapshot: a part's state cannot be kept: %s", error)
            return None

    def restore(self, content: bytes) -> bool:
        """Take up a snapshot; only before the first event. Say whether it could be used.

        Raises:
            PartFailed: a part refuses the state that it gave.
        """
        try:
            state = msgspec.msgpack.decode(content, type=_State)
        except msgspec.DecodeError:
            return False
        if state.version != _STATE_VERSION or len(state.parts) != len(self._kept):
            return False
        for number, quarantine in state.quarantined.items():
            self.quarantine(number, quarantine.problem, seq=quarantine.seq)
        self._cell[0] = state.seq
        for number, (kept, part) in enumerate(zip(self._kept, state.parts, strict=True), 1):
            if number not in self.quarantined:
                self._cell[1] = -number
                kept.take(part)
        self._cell[1] = self._first
        self.seq = state.seq
        self.books.restore(state.books)
        self.killed = state.killed
        self._quoted_at.update(state.quoted_at)
        for open_order in state.orders:
            self._broker.open.setdefault(open_order.order.sid, []).append(open_order)
        return True

    def _state_of(self, number: int) -> "_PartState":
        self._cell[1] = -number
        try:
            return self._kept[number - 1].state(called=number not in self.quarantined)
        finally:
            self._cell[1] = self._first

    # -- from an event to answers

    def _tell(self, channel: str, data: Data) -> None:
        """Give an event to those who listen."""
        for listener in self._listeners.get(channel, _NOBODY):
            if self._several:
                self._cell[1] = listener.number
            try:
                outcome = listener.event(data)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(listener, error, data)
            else:
                if outcome is not None:
                    self._hear(listener, outcome, data)

    def _rest(self) -> Sequence[Record]:
        """Do what an event leads to after those who listen have had it, and give its records."""
        while self._derived:
            data = self._derived.popleft()
            self._tell(data["channel"], data)
        self._answered = 0
        return self._recorder.take() if self._written else _NOTHING

    def _fail(self, listener: "_Line | _Indicator", error: BaseException, data: Data) -> None:
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        self._record_failure(listener.number, "event", error, data.get("sid"))

    def _hear(self, listener: "_Line | _Indicator", outcome: Any, data: Data) -> None:
        """Do what a part's answer to an event asks for."""
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        if type(outcome) is Signal and type(listener) is _Line:
            self._act(listener, outcome, data)
            self._cell[1] = listener.number
            return
        try:
            given = answers(outcome)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # an iterable may raise anything
            self._record_failure(listener.number, "event", error, data.get("sid"))
            return
        for answer in given:
            if isinstance(listener, _Indicator):
                self._derive(listener, answer, data)
            else:
                self._act(listener, answer, data)
        self._cell[1] = listener.number

    def _derive(self, indicator: "_Indicator", answer: Signal | Message, data: Data) -> None:
        """Make an event of an indicator's message; it comes right after the one that caused it."""
        try:
            if not isinstance(answer, Message):
                raise TypeError("an indicator gives Messages; a Signal is an algorithm's")  # noqa: TRY301
            channel = check_channel(answer.channel)
            if channel == DEFAULT_CHANNEL:
                raise ValueError(f"a message on `{channel}` would look like a price")  # noqa: TRY301
            if not isinstance(answer.data, Mapping):
                raise TypeError("an indicator's message is a mapping")  # noqa: TRY301
            if self._answered >= MAX_DERIVED:
                raise RecursionError(f"more than {MAX_DERIVED} messages from one event")  # noqa: TRY301
            content = plain("data", answer.data)
            if "sid" in content:
                check_sid(content["sid"])
        except (BadData, TypeError, ValueError, RecursionError) as error:
            self._record_failure(indicator.number, "event", error, data.get("sid"))
        else:
            self._answered += 1
            self._derived.append({**content, "channel": channel, "ts": data["ts"]})

    def _act(self, line: "_Line", answer: Signal | Message, data: Data) -> None:
        if isinstance(answer, Message):
            self._publish(line, answer, data)
            return
        if type(answer.quote) is float and -_FINITE < answer.quote < _FINITE and answer.sid is data.get("sid"):
            signal: Signal | None = answer if answer.side in _SIDES else self._checked(line, answer, data)
        else:
            signal = self._checked(line, answer, data)
        if signal is None:
            return
        selling = signal.side == "sell"
        size = line.release if selling else line.optimize
        if size is None:
            self._close(line, signal)
            return
        self._cell[1] = line.number + 1
        try:
            stake = size(signal, line.account)
            if stake is None:
                return
            staked = bets(stake)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the same
            self._record_failure(line.number + 1, "release" if selling else "optimize", error, signal.sid)
            return
        for bet in staked:
            self._bet(line, signal, bet)

    def _publish(self, line: "_Line", message: Message, data: Data) -> None:
        """Record a copy of a message: the part may go on changing what it gave."""
        try:
            channel, content = check_channel(message.channel), plain("data", message.data)
        except BadData as error:
            self._record_failure(line.number, "event", error, data.get("sid"))
            return
        self._recorder.write("message", data.get("sid"), channel=channel, data=content, algorithm=line.algorithm.name)

    def _checked(self, line: "_Line", signal: Signal, data: Data) -> Signal | None:
        """Give the signal with its quote, or record why it makes no sense."""
        quote = signal.quote
        problem = None
        try:
            check_sid(signal.sid)
        except BadData as error:
            problem = f"a signal's {error}"
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
            self._record_failure(line.number, "event", TypeError(problem), data.get("sid"))
            return None
        if signal.quote is quote:
            return signal
        return Signal(
            signal.sid,
            signal.side,
            quote,
            signal.probability,
            signal.win,
            signal.loss,
            signal.mean,
            signal.variance,
            signal.risk_free,
        )

    def _bet(self, line: "_Line", signal: Signal, bet: Bet) -> None:
        sid = bet.sid or signal.sid
        side = signal.side
        mark = signal.quote if sid == signal.sid else self._marks.get(sid)
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
            if held := self._broker.to_sell(line.names[0], sid):
                self._place(line, Order(sid, side, quote, quantity=min(units, held), reason=bet.reason))
                return
            problem = f"no {sid} held that is not being sold already"
        if problem is not None:
            self._refuse(line, Order(sid, side, quote, reason=bet.reason), problem)
        elif bet.units is not None:
            self._place(line, Order(sid, side, quote, quantity=exact(bet.units), reason=bet.reason))
        else:
            cash = exact(bet.cash or 0)
            there = line.ledger.available
            if there < cash <= EXACT.multiply(there, _ROUNDING_SLACK):
                cash = there
            self._place(line, Order(sid, side, quote, cash=cash, reason=bet.reason))

    def _units(self, bet: Bet, sid: str, quote: float) -> Decimal:
        if bet.units is not None:
            return exact(bet.units)
        return self._broker.estimate(Order(sid, "sell", quote, cash=exact(bet.cash or 0)))[0]

    def _close(self, line: "_Line", signal: Signal) -> None:
        quantity = self._broker.to_sell(line.names[0], signal.sid)
        order = Order(signal.sid, "sell", float(signal.quote or 0.0), quantity=quantity)
        if quantity:
            self._place(line, order)
        else:
            self._refuse(line, order, f"no {signal.sid} held that is not being sold already")

    def _place(self, line: "_Line", order: Order) -> None:
        if self.killed is not None:
            self._refuse(line, order, f"the kill switch is on: {self.killed}")
            return
        if self._risks:
            order = msgspec.structs.replace(order, ts=self._recorder.ts, algorithm=line.names[0])
        for risk in self._risks:
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
                self._record_failure(risk.number, "check", error, order.sid)
                self._refuse(line, order, f"{risk.part.label} failed, and what cannot be checked is not placed")
                return
            if isinstance(verdict, Rejection):
                self._refuse(line, order, verdict.reason, risk=risk.part.name)
                return
            order = verdict
        self._order(line, order)

    def _order(self, line: "_Line", order: Order) -> None:
        """Place an order that nobody objects to."""
        quantity, cash = self._broker.estimate(order)
        side = order.side
        if not quantity:
            step = plain_decimal(self.composition.step)
            self._refuse(line, order, f"{plain_decimal(cash)} comes to less than {step} {order.sid} at {order.quote}")
            return
        if side == "buy" and cash > line.ledger.available:
            self._refuse(line, order, str(NotEnough("cash", cash, line.ledger.available)))
            return
        if order.quantity is not None and order.quantity != quantity:
            order = Order(order.sid, side, order.quote, quantity=quantity, reason=order.reason)
        algorithm, portfolio = line.names
        record = self._recorder.decision(order, quantity, cash, algorithm, portfolio)
        open_order = OpenOrder(record["id"], order, algorithm, portfolio)
        self._broker.place(open_order, cash)
        if self._same:
            self._record_outcome(open_order, self._broker.fill_now(open_order, record["ts"]))

    def _fill_orders(self, sid: str, data: Data) -> None:
        """Fill a symbol's open orders against its next quote."""
        self._recorder.open(self.seq, data["ts"])
        for open_order, outcome in self._broker.on_quote(sid, data):
            self._record_outcome(open_order, outcome)

    def _observe(self, data: Data) -> None:
        """Let risk parts see how the account fares; one may turn the kill switch on."""
        for risk in self._observers:
            self._cell[1] = risk.number
            try:
                reason = risk.observe(self.account, data["ts"])  # type: ignore[misc]  # these have it
                if reason is not None:
                    check_text("what `observe` returns", reason)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # the same
                self._recorder.open(self.seq, data["ts"])
                self._event_id = data.get("id")
                self._record_failure(risk.number, "observe", error, data.get("sid"))
                continue
            if reason is not None and self.killed is None:
                self._recorder.open(self.seq, data["ts"])
                self._control({"action": "kill", "reason": reason, "flatten": False, "by": f"risk {risk.part.name}"})
        self._cell[1] = self._first

    # -- what people decide

    def _control(self, data: Data) -> None:
        """Do what an event of the channel `CONTROL` says; `intuition_core.control` makes these."""
        action = data["action"]
        more: dict[str, Any] = {}
        if action == "kill":
            self.killed = data["reason"]
            for open_order in self._broker.cancel_all():
                self._reject(open_order.order, open_order, f"the kill switch is on: {self.killed}")
            more = {"reason": self.killed, "flatten": data["flatten"]}
        elif action == "clear":
            self.killed = None
            more = {"reason": data["reason"]}
        elif action == "shares":
            moved = self.books.share_out({name: Decimal(share) for name, share in data["shares"].items()})
            shares = {name: format(share, "f") for name, share in self.books.shares.items()}
            more = {"shares": shares, "moved": {name: plain_decimal(amount) for name, amount in moved.items()}}
        self._recorder.write("control", None, action=action, by=data.get("by"), **more)
        if action == "kill" and data["flatten"]:
            for line in self._lines:
                for sid, position in list(line.ledger.positions.items()):
                    quote = self._marks.get(sid, 0.0)
                    self._order(line, Order(sid, "sell", quote, quantity=position.quantity, reason="kill switch"))

    # -- records

    def _record_outcome(self, open_order: OpenOrder, outcome: Filled | Rejection) -> None:
        if isinstance(outcome, Rejection):
            self._reject(open_order.order, open_order, outcome.reason)
            return
        fill = self._recorder.fill(open_order, outcome)
        if self._costly:
            fill["commission"] = plain_decimal(outcome.commission)
            fill["slippage"] = plain_decimal(outcome.slippage)

    def _reject(self, order: Order, open_order: OpenOrder, reason: str) -> None:
        self._recorder.write(
            "rejection",
            order.sid,
            cause=open_order.id,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=open_order.algorithm,
            portfolio=open_order.portfolio,
        )

    def _refuse(self, line: "_Line", order: Order, reason: str, **more: Any) -> None:
        self._recorder.write(
            "rejection",
            order.sid,
            side=order.side,
            quote=order.quote,
            reason=reason,
            algorithm=line.algorithm.name,
            portfolio=line.portfolio.name,
            **more,
        )

    def _record_failure(self, number: int, method: str, error: BaseException, sid: str | None) -> None:
        part = self.parts[number - 1]
        what = str(error) if isinstance(error, _Spared) else f"{type(error).__name__}: {error}"
        problem = str(PartFailed(part.label, method, what))
        where = f"event {self.seq}" if self._event_id is None else f"event {self.seq} (id {self._event_id!r:.60})"
        close = self._log.isEnabledFor(logging.DEBUG)
        advice = "" if close or isinstance(error, _Spared) else " (-v shows the file and line)"
        self._log.warning("%s: %s%s", where, problem, advice, exc_info=error if close else None)
        if self.judging and not isinstance(error, _Spared):
            if part.policy == "quarantine":
                self.quarantine(number, problem)
            elif part.policy == "raise":
                self.halted = PartFailed(part.label, method, f"{what}, at {where}")
        more = {} if self._event_id is None else {"event_id": self._event_id}
        self._recorder.write(
            "error",
            sid,
            kind=part.kind,
            part=part.name,
            distribution=part.distribution,
            version=part.version,
            method=method,
            problem=problem.encode(errors="replace").decode(),
            **more,
        )

    # -- starting parts

    @property
    def _seats(self) -> "list[_Seat]":
        """The places of the parts in the order of `parts`."""
        seats = [_Seat(risk, ("check", "observe")) for risk in self._risks]
        seats += [_Seat(indicator, ("event",)) for indicator in self._indicators]
        for line in self._lines:
            seats += (_Seat(line, ("event",)), _Seat(line, ("optimize", "release")))
        return seats

    @property
    def _heard_by(self) -> "Sequence[_Line | _Indicator]":
        """Who hears of events, in the order in which they do."""
        return [*self._indicators, *self._lines]

    def _by_channel(self) -> "dict[str, list[_Line | _Indicator]]":
        listeners: dict[str, list[_Line | _Indicator]] = {}
        for listener in self._heard_by:
            for channel in listener.channels:
                listeners.setdefault(channel, []).append(listener)
        return listeners

    def _start_line(self, line: Line) -> "_Line":
        ledger = self.books.ledgers[line.algorithm.name]
        account = self.account if ledger is self.ledger else LedgerView(ledger)
        algorithm = self._start(line.algorithm, account)
        return _Line(algorithm, self._start(line.portfolio, account), ledger, account)

    def _start(self, part: Part, account: Account | None = None) -> "_Started":
        """Take a part on: make it, and give it with what `initialize` answered."""
        self.parts.append(part)
        self._accounts.append(account if account is not None else self.account)
        kept, started = self._make(len(self.parts), part)
        self._kept.append(kept)
        return started

    def _make(self, number: int, part: Part) -> "tuple[_Kept, _Started]":
        """Make a part and initialise it."""
        self._cell[0] = 0
        self._cell[1] = number
        try:
            live = part.factory()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PartFailed(part.label, "__init__", f"{type(error).__name__}: {error}") from error
        rng = Random(f"{self.composition.seed}:{part.kind}:{part.name}")  # noqa: S311  # draws, not secrets
        kept = _Kept(part, live, rng)
        initialize = getattr(live, "initialize", None)
        if initialize is None:
            return kept, _Started(number, part, live, None)
        context = Context(
            name=part.name,
            rng=rng,
            account=self._accounts[number - 1],
            log=logging.LoggerAdapter(self._log, {"part": part.name}),
        )
        try:
            answer = initialize(part.params, context) if _takes_context(initialize) else initialize(part.params)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PartFailed(part.label, "initialize", f"{type(error).__name__}: {error}") from error
        return kept, _Started(number, part, live, answer)


class _Started(NamedTuple):
    """A live part, its number, and what its `initialize` answered."""

    number: int
    part: Part
    live: Any
    answer: Any


_PartState = tuple[list[Any], Any]
"""What a part's generator has come to, and what the part itself gives as its state."""


class _Spared(Exception):
    """Raised in place of a part that is not called for an event."""


def _spared(problem: str) -> Callable[..., Any]:
    def stand_in(*_: Any) -> None:
        raise _Spared(f"not called for this event: {problem}")

    return stand_in


class _Seat(NamedTuple):
    """Where the methods of a part were put."""

    holder: "_Line | _Indicator | _Risk"
    methods: tuple[str, ...]

    def set_aside(self, stand_in: Callable[..., Any]) -> Callable[[], None]:
        """Let another function answer for the part, and give what puts the part back."""
        live = {method: getattr(self.holder, method) for method in self.methods}
        for method, function in live.items():
            if function is not None:
                setattr(self.holder, method, stand_in)

        def restore() -> None:
            for method, function in live.items():
                setattr(self.holder, method, function)

        return restore


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy between two events."""

    version: int
    seq: int
    books: BooksState
    killed: str | None
    quoted_at: dict[str, int]
    orders: list[OpenOrder]
    parts: list[_PartState]
    quarantined: dict[int, Quarantine] = {}


_STATE_VERSION: Final = 2


class _NoSnapshot(Exception):
    """A part keeps state and cannot say which."""


class _Kept:
    """A live part and its generator, as far as they are state."""

    __slots__ = ("_live", "_part", "_rng")

    def __init__(self, part: Part, live: Any, rng: Random) -> None:
        self._part = part
        self._live = live
        self._rng = rng

    def state(self, *, called: bool) -> _PartState:
        if not called:
            return rng_state(self._rng), None
        snapshot = getattr(self._live, "snapshot", None)
        if snapshot is not None:
            return rng_state(self._rng), snapshot()
        if getattr(self._live, "__dict__", None) or getattr(type(self._live), "__slots__", None):
            raise _NoSnapshot
        return rng_state(self._rng), None

    def take(self, state: _PartState) -> None:
        drawn, own = state
        restore_rng(self._rng, drawn)
        restore = getattr(self._live, "restore", None)
        if restore is None:
            return
        try:
            restore(own)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PartFailed(self._part.label, "restore", f"{type(error).__name__}: {error}") from error


class _Line:
    """An algorithm and its portfolio, started, with their methods looked up once."""

    __slots__ = (
        "account",
        "algorithm",
        "channels",
        "event",
        "ledger",
        "names",
        "number",
        "optimize",
        "portfolio",
        "release",
    )

    def __init__(self, algorithm: _Started, portfolio: _Started, ledger: Ledger, account: Account) -> None:
        self.ledger = ledger
        self.account = account
        self.number = algorithm.number  # the portfolio's number is the next one
        self.algorithm = algorithm.part
        self.portfolio = portfolio.part
        self.names = self.algorithm.name, self.portfolio.name
        self.channels: tuple[str, ...]
        self.event: Callable[[Data], Any]
        self.optimize: Callable[[Signal, Account], Any]
        self.release: Callable[[Signal, Account], Any] | None
        self.take(algorithm)
        self.take(portfolio)

    def take(self, started: _Started) -> None:
        """Let this live part answer from now on."""
        number, part, live, answer = started
        if number == self.number:
            self.event = _method(part, live, "event")
            self.channels = _channels(part, answer)
        else:
            self.optimize = _method(part, live, "optimize")
            self.release = getattr(live, "release", None)


class _Indicator:
    """An indicator, started."""

    __slots__ = ("channels", "event", "number")

    def __init__(self, started: _Started) -> None:
        self.number = started.number
        self.event: Callable[[Data], Any]
        self.channels: tuple[str, ...]
        self.take(started)

    def take(self, started: _Started) -> None:
        """Let this live part answer from now on."""
        _, part, live, answer = started
        self.event = _method(part, live, "event")
        self.channels = _channels(part, answer)


class _Risk:
    __slots__ = ("check", "number", "observe", "part")

    def __init__(self, started: _Started) -> None:
        self.number = started.number
        self.part = started.part
        self.check: Callable[[Order, Account], Any]
        self.observe: Callable[[Account, int], Any] | None
        self.take(started)

    def take(self, started: _Started) -> None:
        """Let this live part answer from now on."""
        self.check = _method(self.part, started.live, "check")
        self.observe = getattr(started.live, "observe", None)


def _method(part: Part, live: Any, name: str) -> Callable[..., Any]:
    method = getattr(live, name, None)
    if not callable(method):
        raise PartFailed(part.label, name, f"missing, and every {part.kind} needs one")
    return method  # type: ignore[no-any-return]  # whatever can be called


def _channels(part: Part, answer: Any) -> tuple[str, ...]:
    if answer is None:
        return (DEFAULT_CHANNEL,)
    if isinstance(answer, str) or not isinstance(answer, Sequence):
        raise PartFailed(part.label, "initialize", f"expected a list of channels, got {answer!r}")
    try:
        return tuple(dict.fromkeys(check_channel(channel) for channel in answer))
    except BadData as error:
        raise PartFailed(part.label, "initialize", str(error)) from None


def _takes_context(initialize: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(initialize).parameters.values()
    except (TypeError, ValueError):  # a callable written in C may not tell
        return False
    kinds = [parameter.kind for parameter in parameters]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in positional for kind in kinds) >= 2 or inspect.Parameter.VAR_POSITIONAL in kinds
