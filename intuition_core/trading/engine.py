"""The engine: a composition at work on one account; events in, records out.

Pure: no I/O, no clock, no global randomness. The same events in the same order give the same records.
An event that nobody answers costs little and gives the shared empty tuple.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import length_hint
from typing import Any, Final

from intuition_core.account.actions import ACTIONS
from intuition_core.contracts import Data, Message, Signal
from intuition_core.data import DEFAULT_CHANNEL, RATES, as_json, check_channel, check_sid
from intuition_core.determinism.apart import leave_if_forked, own_process
from intuition_core.errors import BadData, PartFailed
from intuition_core.trading import state
from intuition_core.trading.answers import answers
from intuition_core.trading.booking import Booking
from intuition_core.trading.calls import CallStatus, Raised, attempt
from intuition_core.trading.composition import Composition
from intuition_core.trading.controls import Controls
from intuition_core.trading.events import EVENTS, MESSAGE, QUOTE, Bookers, as_it_is
from intuition_core.trading.failures import Failures, line_of
from intuition_core.trading.order_manager import OrderManager
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.parts import BoundIndicator, BoundSleeve
from intuition_core.trading.records import Record
from intuition_core.trading.roster import Listener, Roster
from intuition_core.trading.swaps import Swaps
from intuition_core.trading.timers import SessionTimers

_log = logging.getLogger(__name__)
_NOTHING: Final[tuple[Record, ...]] = ()
_NOBODY: Final[tuple[Listener, ...]] = ()

MAX_DERIVED: Final = 1000
"""The most messages of indicators that one event may lead to: beyond it they only answer one another."""

MAX_TOLD: Final = 100
"""The most fills that parts are told at one event: beyond it their orders only answer their fills."""


class TradingEngine:
    """A composition at work on one account.

    Attributes:
        run: the text that the ids of the records start with.
        seq: the number of the latest event.
        books: the account, by algorithm.
        ledger: the account as a whole.
        account: the same as parts see it.
        manager: makes orders of signals, and records of what becomes of orders.
        booking: books events of the market.
        roster: the live parts.
        parts: the parts in the order in which they were started; they are counted from 1.
        quarantined: the parts that are not called any more, by their number.
        first: the number of the part that hears of events first.
        failures: records what parts raise; its `judging` is off in a replay.
        swaps: puts parts in the place of others.
        controls: carries out what people decide.
        timers: the timers, and those that are due between events.
        recorder: what was recorded and not taken yet.
        others: how many events were no quotes, since the engine was made.
        came: the channels of these, and of indicators' messages.
        notices: how often an event came that the rules of time hold against it; see `Booking`.
        log: where the engine and its parts log.

    Args:
        composition: the recipe.
        run: unique to this account's life.
        log: where parts log, through their context.
        status: where to note which part is called.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self, composition: Composition, *, run: str, log: logging.Logger = _log, status: CallStatus | None = None
    ) -> None:
        self.run = run
        self.seq = 0
        self.others = 0
        self.came: set[str] = set()
        self.log = log
        self._status: CallStatus = status if status is not None else [0, 0]
        self._own_process = own_process()
        self._process = self._own_process.number
        self._derived: deque[Data] = deque()
        self._answered = 0
        self._left: Iterator[Data] | None = None
        self._last = 0
        self.manager = manager = OrderManager(composition, run=run, status=self._status, fail=self._fail)
        self.books, self.ledger, self.account = manager.books, manager.ledger, manager.account
        self._market = manager.books.market
        self.recorder = self._recorder = manager.recorder
        self._written = manager.recorder.written
        self._moment = manager.moment
        self._fills = manager.fills
        self._open, self._expiring = manager.book.open, manager.book.expiring
        self.timers = SessionTimers(composition.timers, composition.hours, self._market)
        self.roster = roster = Roster(composition, manager=manager, timers=self.timers, status=self._status, log=log)
        self.parts, self.quarantined, self.first = roster.parts, roster.quarantined, roster.first
        self.failures = Failures(self.parts, self._recorder, quarantine=roster.quarantine, log=log)
        self.booking = Booking(composition, manager, self.failures, status=self._status, first=self.first, log=log)
        self.notices = self.booking.notices
        self.swaps = Swaps(roster)
        self.controls = Controls(manager, self.booking, roster, self.swaps)
        bookers = Bookers(self.booking, self.controls, self.timers, manager.venue)
        self._bookers = {kind.channel: kind.booker(bookers) for kind in EVENTS.values() if kind.booker is not None}

    @property
    def composition(self) -> Composition:
        """The recipe, with the parts that are called now."""
        return self.roster.composition

    @property
    def killed(self) -> str | None:
        """Why the kill switch is on; None while it is off."""
        return self.manager.killed

    @property
    def halted(self) -> PartFailed | None:
        """The failure after which, by the part's policy, no more events are to be taken."""
        return self.failures.halted

    @property
    def now(self) -> int:
        """The session's time: the largest ``ts`` of the events so far, nanoseconds UTC; 0 before the first."""
        return max(self._market.now, 0)

    @property
    def position(self) -> int:
        """The number of the event that is being taken, also in the midst of `play`; fit for other threads."""
        left = self._left
        return self.seq if left is None else self._last - length_hint(left)

    @property
    def channels(self) -> list[str]:
        """The channels that indicators and algorithms listen to, in the order they named them."""
        return list(self.roster.listeners)

    @property
    def inlets(self) -> list[str]:
        """The channels that events are wanted of: those that parts listen to, and those that are booked in any case."""
        booked = (DEFAULT_CHANNEL, ACTIONS) if self.composition.currency is None else (DEFAULT_CHANNEL, ACTIONS, RATES)
        heard = (channel for channel in self.roster.listeners if channel not in self.timers.names)
        return list(dict.fromkeys((*heard, *booked)))

    @property
    def open_orders(self) -> list[OpenOrder]:
        """Orders placed and not yet filled."""
        return [order for orders in self._open.values() for order in orders]

    @property
    def told(self) -> dict[str, int]:
        """How often the rules of time have left something out, by the kind of it; see `Booking.told`."""
        return self.booking.told

    # -- events

    def step(self, data: Data) -> Sequence[Record]:
        """Take one normalised event, and return the records it caused, in the order they came about."""
        self._take(data)
        return self._recorder.take() if self._written else _NOTHING

    def _take(self, data: Data) -> None:
        """Take one normalised event, and leave its records with the recorder."""
        self.seq = seq = self._status[0] = self.seq + 1
        channel = data["channel"]
        kind = EVENTS.get(channel, MESSAGE)
        if kind.is_timed and data["ts"] > self._market.now:
            self._market.now = data["ts"]
        if kind is not QUOTE:
            self.others += 1
            self.came.add(channel)
        elif self.booking.bars:
            data = self.booking.with_start(data)
        self._moment.root = data
        if kind.booker is not None:
            self._bookers[channel](seq, data)
            if kind.fills and self._fills:
                self._tell_fills(data)
        if kind.heard is not None:
            self._tell(data if kind.heard is as_it_is else kind.heard(data))
        if self._derived or self._fills or self.roster.observing:
            self._finish(data)

    def run_through(self, events: Sequence[Data]) -> Iterator[Sequence[Record]]:
        """Take events as `step` does, and yield the records of each that caused any; `seq` is its number then."""
        for _ in self.play(events):
            yield self._recorder.take()

    def play(self, events: Sequence[Data]) -> Iterator[None]:
        """Take events as `step` does, leave their records with `recorder`, and yield after each that caused any.

        Most events of a history fill no order and are heard by one algorithm that has nothing to say. `Booking.stretch`
        takes these; every other event is taken as in a step.
        """
        self._left = left = iter(events)
        self._last = last = self.seq + len(events)
        listeners = self.roster.listeners
        only = self._only_listener()
        take, written = self._taken_by(), self._written
        count = len(written)
        try:
            while only is not None:
                outcome: Any = None
                if self._open or self._expiring:
                    data = next(left, None)
                else:
                    self._status[0], self._status[1] = self.seq + 1, only.number
                    data, outcome = self.booking.stretch(only.event, left)
                if data is None:
                    return
                self.seq = last - length_hint(left)
                if outcome is None:
                    self.seq -= 1
                    take(data)
                    if self.roster.listeners is not listeners:  # a part was swapped
                        only = None
                else:
                    self._status[0] = self.seq
                    self._moment.root = data
                    self._take_answer(only, outcome, data)
                    if self._derived or self._fills:
                        self._finish(data)
                if len(written) != count:
                    yield
                    count = len(written)
            for data in left:
                take(data)
                if len(written) != count:
                    yield
                    count = len(written)
        finally:
            self.seq = self._status[0] = last - length_hint(left)
            self._left = None

    def _taken_by(self) -> Callable[[Data], None]:
        """Return what takes an event and leaves its records with the recorder; a subclass sees each in its `step`."""
        if type(self).step is TradingEngine.step:
            return self._take
        return lambda data: self._written.extend(self.step(data))

    def _only_listener(self) -> Listener | None:
        """Return the only part that hears quotes; None where each event is a step."""
        listeners = self.roster.listeners.get(DEFAULT_CHANNEL, _NOBODY)
        if (
            len(listeners) != 1
            or self.roster.observing
            or self.booking.bars
            or self._moment.rules == 1
            or self.composition.margin is not None
            or type(self).step is not TradingEngine.step  # a subclass sees each event
        ):
            return None
        return listeners[0]

    def cancel_open_orders(self, ts: int) -> Sequence[Record]:
        """Cancel the orders that can no longer fill, at the end of history, and return the records of it."""
        self.seq += 1  # the end is an event of its own, so that its records' ids are new
        self._recorder.open(self.seq, ts)
        self.manager.end()
        return self._recorder.take()

    # -- from an event to answers

    def _tell(self, data: Data) -> None:
        """Call the parts that listen to an event's channel."""
        for listener in self.roster.listeners.get(data["channel"], _NOBODY):
            if self.roster.several:
                self._status[1] = listener.number
            outcome = attempt(listener.event, data)
            if outcome is not None:
                self._take_answer(listener, outcome, data)

    def _take_answer(self, listener: Listener, outcome: Any, data: Data) -> None:
        """Process what a part has answered to an event, or raised."""
        self.failures.begin(self.seq, data)
        if type(outcome) is Raised:
            self._fail(listener.number, "event", outcome.error, data.get("sid"))
            return
        if self._own_process.number != self._process:
            leave_if_forked(self._process, self.parts[listener.number - 1].label)
        if type(outcome) is Signal and type(listener) is BoundSleeve:
            self.manager.signal(listener, outcome, data)
            self._status[1] = listener.number
            return
        given = attempt(answers, outcome)
        if type(given) is Raised:
            self._fail(listener.number, "event", given.error, data.get("sid"))
            return
        if isinstance(listener, BoundIndicator):
            for answer in given:
                self._derive(listener, answer, data)
        else:
            self.manager.answer_all(listener, given, data)
        self._status[1] = listener.number

    def _finish(self, data: Data) -> None:
        """Tell of fills, messages of indicators and quotes, once the listeners of an event have had it."""
        if self._fills:
            self._tell_fills(data)
        derived = self._derived
        while derived:
            self._tell(derived.popleft())
        self._answered = 0
        if self.roster.observing and data["channel"] == DEFAULT_CHANNEL:
            self._rebalance(data)

    def _tell_fills(self, data: Data) -> None:
        """Call `filled` of the parts whose orders were filled; orders they answer with fill at later events."""
        fills, manager = self._fills, self.manager
        self.failures.begin(self.seq, data)
        told = 0
        with manager.moment.waiting():
            while fills:
                sleeve, fill = fills.popleft()
                told += 1
                if told > MAX_TOLD:
                    fills.clear()
                    problem = RecursionError(f"more than {MAX_TOLD} fills at one event answer one another")
                    self._fail(sleeve.number, "filled", problem, fill.sid)
                    break
                manager.tell(sleeve, fill, data)
        self._status[1] = self.first

    def _rebalance(self, data: Data) -> None:
        """Show a quote to the portfolios that bet of their own accord."""
        self.failures.begin(self.seq, data)
        for sleeve in self.roster.observing:
            self.manager.rebalance(sleeve, data)
        self._status[1] = self.first

    def _derive(self, indicator: BoundIndicator, answer: object, data: Data) -> None:
        """Make an event of an indicator's message; it comes right after the one that caused it."""
        try:
            if not isinstance(answer, Message):
                raise TypeError("an indicator gives Messages; a Signal is an algorithm's")  # noqa: TRY301  # recorded below, as all that is wrong with it
            channel = check_channel(answer.channel)
            if channel == DEFAULT_CHANNEL:
                raise ValueError(f"a message on `{channel}` would look like a price")  # noqa: TRY301  # recorded below, as all that is wrong with it
            if not isinstance(answer.data, Mapping):
                raise TypeError("an indicator's message is a mapping")  # noqa: TRY301  # recorded below, as all that is wrong with it
            if self._answered >= MAX_DERIVED:
                raise RecursionError(f"more than {MAX_DERIVED} messages from one event")  # noqa: TRY301  # recorded below, as all that is wrong with it
            content = as_json("data", answer.data)
            if "sid" in content:
                check_sid(content["sid"])
        except (BadData, TypeError, ValueError, RecursionError) as error:
            self._fail(indicator.number, "event", error, data.get("sid"))
        else:
            self._answered += 1
            self.came.add(channel)
            self._derived.append({**content, "channel": channel, "ts": data["ts"]})

    # -- parts that fail, or take the place of others

    def step_without(self, data: Data, failed: Mapping[int, str]) -> Sequence[Record]:
        """Take an event without calling some of the parts; where one would have been, a record says why it was not.

        Args:
            data: the event.
            failed: the problem of each part when it was called for this event before, by its number.
        """
        with self.roster.without(failed):
            return self.step(data)

    def quarantine(self, number: int, problem: str) -> None:
        """Never call a part again, as decided at the latest event; see `Roster.quarantine`."""
        self.roster.quarantine(number, problem, self.seq)

    def prepare(self, event: Data) -> Data:
        """Start the part that a swap asks for, and return the event to be taken next; see `Swaps.prepare`."""
        return self.swaps.prepare(self.seq, event)

    def failed(self, error: BaseException) -> PartFailed:
        """Return the `PartFailed` to raise for an error that ends the run, such as a KeyboardInterrupt."""
        what = f"{type(error).__name__}, at event {self.position}{line_of(error)}"
        return PartFailed(self.parts[abs(self.roster.called) - 1].label, "event", what)

    def leave_if_forked(self) -> None:
        """End this process if a part has forked it, and lets it go on as if it were the first one."""
        if os.getpid() != self._process:
            leave_if_forked(self._process, self.parts[abs(self._status[1]) - 1].label)

    def _fail(self, number: int, method: str, error: BaseException, sid: str | None) -> None:
        """Record what a part raised."""
        self.failures.record(number, method, error, sid)

    # -- state

    def snapshot(self) -> bytes | None:
        """Return all that the events so far have made, as MessagePack; None where a part keeps state but gives none.

        A part keeps its state by ``snapshot()``, which gives anything MessagePack can carry, and ``restore(state)``.
        A part without attributes of its own needs neither.
        """
        return state.snapshot(self)

    def restore(self, content: bytes) -> bool:
        """Take up a snapshot; only before the first event. Return whether it could be used.

        Raises:
            PartFailed: a part refuses the state that it gave, or one that took a place cannot be initialised.
            IntuitionError: the plugin of a part that took a place is not there, or does not take its parameters.
        """
        return state.restore(self, content)
