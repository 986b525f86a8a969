"""The live parts of one composition: data in, records out.

Pure: no I/O, no clock, no global randomness. The same events in the same order give the same records.
An event that nobody answers costs little and gives the shared empty tuple.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import length_hint
from traceback import walk_tb
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec.structs import replace

from intuition_core.account.actions import ACTIONS
from intuition_core.account.books import BooksState
from intuition_core.account.market import BEGINNING
from intuition_core.contracts import Account, Data, Message, Order, Rejection, Signal, Watch
from intuition_core.data import DEFAULT_CHANNEL, RATES, as_json, check_channel, check_sid
from intuition_core.determinism.apart import leave_if_forked
from intuition_core.errors import BadData, PartFailed, did_you_mean
from intuition_core.trading.answers import answers
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.matching import loses_open
from intuition_core.trading.order_manager import OrderManager
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.parts import (
    BoundIndicator,
    BoundPart,
    BoundRisk,
    BoundSleeve,
    NoSnapshot,
    PartState,
    StartedPart,
    StateKeeper,
    check_seatable,
    start,
)
from intuition_core.trading.records import Record
from intuition_core.trading.swaps import BadSwap, Swap
from intuition_core.trading.timers import TIMER, Clock
from intuition_core.trading.view import LedgerView
from intuition_core.trading.wall import Wall

_log = logging.getLogger(__name__)
_NOTHING: Final[tuple[Record, ...]] = ()
_NOBODY: Final[tuple[Any, ...]] = ()

CONTROL: Final = "$control"
"""The channel of what people decide; no publisher can send on it, as no name of a channel begins like this."""

UNHEARD: Final = "$unheard"
"""The channel of what people decided that is nothing to this strategy: it is counted, and heard by nobody."""

_BY_THE_CLOCK: Final = frozenset({CONTROL, UNHEARD})
"""The channels whose events have the time of a clock, and no time of the market."""

MAX_DERIVED: Final = 1000
"""The most messages of indicators that one event may lead to: beyond it they only answer one another."""

MAX_NAMED: Final = 20
"""Of how many symbols without a quote a split or a dividend is told by name."""

MAX_TOLD: Final = 100
"""The most fills that parts are told at one event: beyond it their orders only answer their fills."""


class CallStatus(Protocol):
    """Where a strategy notes which part it calls, for those who watch it from outside and have a clock.

    Item 0 is the number of the event, 0 before the first; item 1 the part, counted from 1 in the order of
    `TradingEngine.parts`, and negative while it gives or takes a snapshot. Nothing is noted when a part has returned.
    """

    def __setitem__(self, index: int, value: int, /) -> None:
        """Note."""

    def __getitem__(self, index: int, /) -> int:
        """Give what was noted."""


class Quarantine(NamedTuple):
    """Why a part is not called any more, and the event at which that was decided."""

    seq: int
    problem: str


class _Ready(NamedTuple):
    """A prepared replacement of a part, applied at the next event if that event is its swap."""

    seq: int
    event: Data
    started: StartedPart


class _Raised(NamedTuple):
    """What a part raised instead of an answer."""

    error: BaseException


_Stopped: TypeAlias = tuple[Data | None, Any]
"""The event at which a stretch stopped, and the answer to it."""


class TradingEngine:
    """A composition at work on one account.

    Attributes:
        composition: the recipe, with the parts that are called now.
        books: the account, by algorithm.
        ledger: the account as a whole.
        account: the same as parts see it.
        parts: the parts in the order in which they were started; they are counted from 1.
        quarantined: the parts that are not called any more, by their number.
        halted: the failure after which, by the part's policy, no more events are to be taken.
        others: how many events were no quotes, since the strategy was made.
        came: the channels of these, and of indicators' messages.
        notices: how often something came that the rules of time hold against it: ``late quote`` (older than an event
            before it), ``stale quote`` (older than its symbol's latest, which it does not replace), ``late action`` (a
            split or a dividend after a later quote of its symbol).
        judging: whether policies apply when parts fail; a replay follows the verdicts of the first time instead.

    Args:
        composition: the recipe.
        run: what the ids of the records start with; unique to this account's life.
        log: where parts log, through their context.
        status: where to note which part is called.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self, composition: Composition, *, run: str, log: logging.Logger = _log, status: CallStatus | None = None
    ) -> None:
        self.composition = composition
        self.parts: list[Part] = []
        self.quarantined: dict[int, Quarantine] = {}
        self.halted: PartFailed | None = None
        self.judging = True
        self._status: CallStatus = status if status is not None else [0, 0]
        self._process = os.getpid()
        self._event_id: Any = None
        self.seq = 0
        self.others = 0
        self._manager = manager = OrderManager(composition, run=run, status=self._status, fail=self._record_failure)
        self.books, self.ledger, self.account = manager.books, manager.ledger, manager.account
        self._recorder = manager.recorder
        self._open = manager.book.open
        self._expiring = manager.book.expiring
        self._marks = manager.books.marks
        self._market = manager.books.market
        self._quoted_at = self._market.quoted_at
        self.notices: Counter[str] = Counter()
        self._bars = dict(composition.bars) if composition.rules > 1 else {}
        self._bar_ends: dict[str, int] = {}
        self._booking = {RATES: manager.actions.take_rate, ACTIONS: manager.actions.act}
        self._written = manager.recorder.written
        self._fills = manager.fills
        self._hours = {hours.name: hours for hours in composition.hours}
        self._clock = Clock(composition.timers, composition.hours)
        self._timed: dict[str, int] = {}
        self._derived: deque[Data] = deque()
        self.came: set[str] = set()
        self._answered = 0
        self._left: Iterator[Data] | None = None
        self._last = 0
        self._last_ts: int | None = None
        self._log = log
        self._kept: list[StateKeeper] = []
        self._accounts: list[Account] = []
        self._swaps: dict[int, Swap] = {}
        self._ready: _Ready | None = None
        self._risks = [BoundRisk(self._start(part)) for part in composition.risks]
        self._indicators = [BoundIndicator(self._start(part)) for part in composition.indicators]
        self._sleeves = [self._start_sleeve(sleeve) for sleeve in composition.sleeves]
        manager.open(self._sleeves, self._risks)
        self._guarded = bool(self._risks) or composition.margin is not None
        self._several = bool(self._indicators) or len(self._sleeves) > 1
        self._first = self._status[1] = self._heard_by[0].number
        self._listeners = self._by_channel()
        self._rebalanced = [sleeve for sleeve in self._sleeves if sleeve.observe is not None]

    @property
    def killed(self) -> str | None:
        """Why the kill switch is on; None while it is off."""
        return self._manager.killed

    @property
    def run(self) -> str:
        """What the ids of the records start with."""
        return self._recorder.run

    @property
    def now(self) -> int:
        """The session's time: the largest ``ts`` of the events so far, nanoseconds UTC; 0 before the first."""
        return max(self._market.now, 0)

    @property
    def first(self) -> int:
        """The number of the part that hears of events first."""
        return self._first

    @property
    def called(self) -> int:
        """The number of the part that is called, or was called last; negative while it gives or takes its state."""
        return self._status[1]

    @property
    def channels(self) -> list[str]:
        """The channels that indicators and algorithms listen to, in the order they named them."""
        return list(self._listeners)

    @property
    def inlets(self) -> list[str]:
        """The channels that events are wanted of: those that parts listen to, and those that are booked in any case."""
        booked = (DEFAULT_CHANNEL, ACTIONS) if self.composition.currency is None else (DEFAULT_CHANNEL, ACTIONS, RATES)
        heard = (channel for channel in self._listeners if channel not in self._clock.names)
        return list(dict.fromkeys((*heard, *booked)))

    @property
    def open_orders(self) -> list[OpenOrder]:
        """Orders placed and not yet filled."""
        return [order for orders in self._open.values() for order in orders]

    def step(self, data: Data) -> Sequence[Record]:
        """Take one normalised event and give the records it caused, in the order they came about."""
        self.seq = self._status[0] = self.seq + 1
        channel = data["channel"]
        if data["ts"] > self._market.now and channel not in _BY_THE_CLOCK:
            self._market.now = data["ts"]
        if channel == DEFAULT_CHANNEL:
            if self._bars and channel in self._bars:
                data = self._with_start(data, self._bars[channel])
            self._manager.moment.root = data
            self._mark(data)
            if self._fills:
                self._tell_fills(data)
        else:
            self.others += 1
            self.came.add(channel)
            self._manager.moment.root = data
            if channel == CONTROL:
                self._recorder.open(self.seq, data["ts"])
                self._control(data)
                if self._fills:
                    self._tell_fills(data)
                return self._recorder.take()
            if channel == TIMER:
                self._timed[data["name"]] = data["ts"]
                self._tell(data["name"], _heard(data))
                return self._rest(data) if self._written or self._derived else _NOTHING
            if channel in self._booking:
                self._book(channel, data)
        self._tell(channel, data)
        return self._rest(data) if self._written or self._derived or self._rebalanced else _NOTHING

    @property
    def position(self) -> int:
        """The number of the event that is being taken, also in the midst of `run_through`; fit for other threads."""
        left = self._left
        return self.seq if left is None else self._last - length_hint(left)

    @property
    def timer_names(self) -> list[str]:
        """What the timers are called."""
        return list(self._clock.names)

    @property
    def timed(self) -> bool:
        """Whether there are timers."""
        return bool(self._clock)

    def with_timers(self, events: Sequence[Data], wall: Wall | None = None) -> Sequence[Data]:
        """Give the events that are to be taken next with the timers that are due between them."""
        if not self._clock:
            return events
        if wall is not None:
            now = max(self._market.now, wall.begun + 1)
            return self._clock.with_timers(events, now=now, taken=self._timed, over=wall.over)
        return self._clock.with_timers(events, now=self._market.now, taken=self._timed)

    def timers_due(self, wall: Wall, most: int) -> list[Data]:
        """Give the timers that the wall clock is to tell by now, as events: at most so many, the first ones."""
        now = max(self._market.now, wall.begun + 1)
        return self._clock.due(wall.until, now=now, taken=self._timed, over=wall.over, most=most)

    def next_timer(self, wall: Wall) -> int | None:
        """Give the next moment at which a timer is due; None where there is none."""
        return self._clock.next(now=max(self._market.now, wall.begun + 1), taken=self._timed, over=wall.over)

    def run_through(self, events: Sequence[Data]) -> Iterator[Sequence[Record]]:
        """Take events as `step` does, and give the records of those that caused any.

        `seq` says which event it has come to. The records are that event's; before them may be those of the one before,
        if it placed an order and booked nothing.

        Most events of a history fill no order and are heard by one algorithm that has nothing to say. They take a
        short way here, with nothing looked up twice; what comes of them is the same.
        """
        heard_by = self._listeners
        listeners = heard_by.get(DEFAULT_CHANNEL, _NOBODY)
        if len(listeners) != 1 or self._rebalanced or self._bars or self._manager.moment.rules == 1:
            for event in events:
                if records := self.step(event):
                    yield records
            return
        [only] = listeners
        recorder, written, derived, fills = self._recorder, self._written, self._derived, self._fills
        open_orders, expiring = self._open, self._expiring
        stretch = self._watched_stretch if self._guarded else self._quiet_stretch
        shorts, later = self.composition.margin is not None, self.composition.fill != "same"
        status, number = self._status, only.number
        status[1] = number
        self._left = left = iter(events)
        self._last = last = self.seq + len(events)
        try:
            while True:
                taken = self._one if open_orders or expiring or shorts else stretch
                if taken is stretch:  # which notes nothing
                    status[0], status[1] = self.seq + 1, number
                data, outcome = taken(only, left, last)
                if data is None:
                    break
                self.seq = last - length_hint(left)
                if outcome is not None:
                    self._manager.moment.root = data
                    if type(outcome) is _Raised:
                        self._fail(only, outcome.error, data)
                    else:
                        self._hear(only, outcome, data)
                        if open_orders and later and taken is stretch and not derived and self.halted is None:
                            continue  # an order was placed, and nothing booked
                elif data["channel"] != DEFAULT_CHANNEL:
                    self.seq -= 1
                    if records := self.step(data):
                        yield records
                    if self._listeners is not heard_by:  # a part was swapped: nothing looked up before counts any more
                        for event in left:
                            if records := self.step(event):
                                yield records
                        return
                    continue
                if derived or fills:
                    if records := self._rest(data):
                        yield records
                elif written:
                    yield recorder.take()
            if written:
                yield recorder.take()
        finally:
            self.seq = self._status[0] = last - length_hint(left)
            self._left = None

    # Ways to take quotes that one part hears. Each gives the event at which it stopped, and what the part answered to
    # it; no event where none is left. An event of another channel is given untouched.

    def _quiet_stretch(self, only: BoundSleeve | BoundIndicator, left: Iterator[Data], last: int) -> _Stopped:
        """Take quotes while no order is open, nobody watches the account, and the part is silent."""
        event, marks, channel = only.event, self._marks, DEFAULT_CHANNEL
        market, quoted_at = self._market, self._quoted_at
        now = market.now
        try:
            for data in left:
                if data["channel"] != channel:
                    return data, None
                sid, ts = data["sid"], data["ts"]
                if ts >= now:
                    now = ts
                    marks[sid] = data["quote"]
                    quoted_at[sid] = ts
                else:
                    self.seq = last - length_hint(left)
                    self._mark_late(data)
                try:
                    outcome = event(data)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001  # the same as in `step`
                    return data, _Raised(error)
                if outcome is not None:
                    return data, outcome
        finally:
            market.now = now
        return None, None

    def _watched_stretch(self, only: BoundSleeve | BoundIndicator, left: Iterator[Data], last: int) -> _Stopped:
        """Take quotes while no order is open, risk parts see nothing that matters to them, and the part is silent."""
        event, marks, channel, written = only.event, self._marks, DEFAULT_CHANNEL, self._written
        market, quoted_at, monitor, before = self._market, self._quoted_at, self._manager.monitor, self._last_ts
        now = market.now
        held, low, high, until = monitor.held, monitor.low, monitor.high, monitor.until
        try:
            for data in left:
                if data["channel"] != channel:
                    return data, None
                sid, ts = data["sid"], data["ts"]
                if ts >= now:
                    now = ts
                if ts >= until or ts < now:
                    self._last_ts, self.seq = before, last - length_hint(left)
                    market.now, self._manager.moment.root = now, data
                    self._mark_guarded(sid, data)
                    low, high, until = monitor.low, monitor.high, monitor.until
                else:
                    marks[sid] = quote = data["quote"]
                    quoted_at[sid] = ts
                    if sid in held and not low < quote < high and not monitor.within_thresholds(sid):
                        self.seq = last - length_hint(left)
                        market.now, self._manager.moment.root = now, data
                        self._watch(ts, data)
                        low, high, until = monitor.low, monitor.high, monitor.until
                before = ts
                try:
                    outcome = event(data)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001  # the same as in `step`
                    return data, _Raised(error)
                if outcome is not None or written:
                    return data, outcome
        finally:
            self._last_ts, market.now = before, now
        return None, None

    def _one(self, only: BoundSleeve | BoundIndicator, left: Iterator[Data], last: int) -> _Stopped:
        """Take one quote, which may fill orders."""
        data = next(left, None)
        if data is None or data["channel"] != DEFAULT_CHANNEL:
            return data, None
        self.seq = last - length_hint(left)
        if data["ts"] > self._market.now:
            self._market.now = data["ts"]
        self._manager.moment.root = data
        self._mark(data)
        if self._fills:
            self._tell_fills(data)
        try:
            return data, only.event(data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the same as in `step`
            return data, _Raised(error)

    def cancel_open_orders(self, ts: int) -> Sequence[Record]:
        """Cancel what can no longer fill, at the end of history, and report it."""
        self.seq += 1  # the end is an event of its own, so that its records' ids are new
        self._recorder.open(self.seq, ts)
        self._manager.end()
        return self._recorder.take()

    def leave_if_forked(self) -> None:
        """End this process if a part has forked it, and lets it go on as if it were the first one."""
        if os.getpid() != self._process:
            leave_if_forked(self._process, self.parts[abs(self._status[1]) - 1].label)

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
        self._seat(self._make(number, self.parts[number - 1]))

    # -- parts that take the place of others

    def place(self, kind: str, name: str) -> int:
        """Give the number of the part that is called so.

        Raises:
            BadSwap: there is none, or several.
        """
        places = self.composition.places
        found = [number for number, place in enumerate(places, 1) if place == (kind, name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadSwap(kind, name, f"{len(found)} parts are called so, and nobody knows which is meant")
        names = [each for of, each in places if of == kind]
        there = f"there is {', '.join(names)}" if names else f"the session has no {kind}"
        raise BadSwap(kind, name, f"it is not there{did_you_mean(name, names) or ';'} {there}")

    def prepare(self, event: Data) -> Data:
        """Start the part that a swap asks for, and give the event to be taken next, completed by what the swap does.

        Whatever is wrong with the part is found here, and what was there goes on; taken, the event cannot fail. In a
        replay it is taken as it is, and the part is started then.

        Raises:
            BadSwap: there is no such place, or the old part's state cannot be kept.
            PartFailed: the new part cannot be made or initialised, or refuses the state.
            IntuitionError: there is no such plugin, or it does not take these parameters.
        """
        swap = msgspec.convert(data := dict(event), Swap)
        number = self.place(swap.kind, swap.name)
        before = self.parts[number - 1]
        started = self._start_instead(number, swap)
        after = started.part
        swap = replace(swap, use=after.use or swap.use)
        data |= {
            **msgspec.to_builtins(swap),
            "place": number,
            "before": before.to_json(),
            "after": after.to_json(),
        }
        self._ready = _Ready(self.seq, data, started)
        return data

    def _control(self, data: Data) -> None:
        """Apply a control event."""
        if data["action"] == "swap":
            self._swap(data)
        elif data["action"] == "rules":
            self._take_rules(data)
        elif data["action"] == "upgrade":
            told = {key: data[key] for key in ("kind", "name", "before", "after")}
            self._recorder.write("control", None, action="upgrade", by=data.get("by"), **told)
        else:
            self._manager.interventions.control(data)

    def _take_rules(self, data: Data) -> None:
        """Fill orders by other rules from now on; those that are open are taken as decided at this moment."""
        rules, manager = data["rules"], self._manager
        before, manager.moment.rules = manager.moment.rules, rules
        self.books.go_by(rules)
        self.composition = replace(self.composition, rules=rules)
        self._bars = dict(self.composition.bars)
        manager.book.begin(self._market.now)
        self._recorder.write("control", None, action="rules", by=data.get("by"), rules=rules, before=before)

    def _swap(self, data: Data) -> None:
        """Replace a part by the one that a swap names."""
        ready, self._ready = self._ready, None
        swap = msgspec.convert(data, Swap)
        if ready is not None and ready.event == data and ready.seq == self.seq - 1:
            started = ready.started
        else:
            started = self._start_instead(self.place(swap.kind, swap.name), swap)
        self._seat(started)
        self._swaps[started.number] = swap
        self._recorder.write(
            "control",
            None,
            action="swap",
            by=data.get("by"),
            **msgspec.structs.asdict(swap),
            place=started.number,
            before=data["before"],
            after=data["after"],
            channels=self.channels,
        )

    def _start_instead(self, number: int, swap: Swap) -> StartedPart:
        """Create and check the part that a swap names."""
        before, maker = self.parts[number - 1], self.composition.maker
        if maker is None:
            raise BadSwap(swap.kind, swap.name, "this composition was made of parts at hand, and knows no others")
        part = maker(swap.kind, swap.name, swap.use, swap.params)
        state = self._state_to_go_on_from(number, swap) if swap.keep_state else None
        try:
            started = self._make(number, replace(part, policy=before.policy, deadline=before.deadline))
            check_seatable(started)
            if state is not None:
                if not started.kept.takes:
                    raise BadSwap(swap.kind, swap.name, f"{part.label} has no `restore`, and begins without a state")
                started.kept.take(state)
        finally:
            self._status[0], self._status[1] = self.seq, self._first
        return started

    def _state_to_go_on_from(self, number: int, swap: Swap) -> PartState:
        part, kept = self.parts[number - 1], self._kept[number - 1]
        if number in self.quarantined:
            raise BadSwap(swap.kind, swap.name, f"{part.label} is in quarantine, and its state is not asked for")
        if not kept.gives:
            raise BadSwap(swap.kind, swap.name, f"{part.label} has no `snapshot`, and its state cannot be kept")
        try:
            # As it would come back from the journal, and nothing that both parts could change.
            drawn, own = msgspec.msgpack.decode(msgspec.msgpack.encode(self._state_of(number)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PartFailed(part.label, "snapshot", f"{type(error).__name__}: {error}") from error
        return drawn, own

    def _seat(self, started: StartedPart) -> None:
        """Install a started part in its place."""
        number = started.number
        self._status[1] = self._first
        self.parts[number - 1] = started.part
        self._kept[number - 1] = started.kept
        self._seats[number - 1].holder.take(started)
        self.composition = self.composition.with_part(number, started.part)
        self.quarantined.pop(number, None)
        self._listeners = self._by_channel()
        self._rebalanced = [sleeve for sleeve in self._sleeves if sleeve.observe is not None]
        self._manager.open(self._sleeves, self._risks)
        if self._manager.monitor.needed:
            self._manager.monitor.settle()

    # -- state

    def snapshot(self) -> bytes | None:
        """Give all that the events so far have made, as MessagePack; None where a part keeps state but gives none.

        A part keeps its state by ``snapshot()``, which gives anything MessagePack can carry, and ``restore(state)``.
        A part without attributes of its own needs neither.
        """
        try:
            parts = [self._state_of(number) for number in range(1, len(self.parts) + 1)]
        except (NoSnapshot, KeyboardInterrupt):
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
            last_ts=self._last_ts,
            now=self._market.now,
            timed=self._timed,
            bar_ends=self._bar_ends,
            acted_at=self._market.acted_at,
            moments=self._manager.book.moments,
            reach=self._manager.moment.reach,
            rules=self._manager.moment.rules,
            watch=self._manager.monitor.watch,
            orders=self.open_orders,
            parts=parts,
            quarantined=self.quarantined,
            swaps=self._swaps,
        )
        try:
            return msgspec.msgpack.encode(state)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._log.warning("no snapshot: a part's state cannot be kept: %s", error)
            return None

    def restore(self, content: bytes) -> bool:
        """Take up a snapshot; only before the first event. Say whether it could be used.

        Raises:
            PartFailed: a part refuses the state that it gave, or one that took a place cannot be initialised.
            IntuitionError: the plugin of a part that took a place is not there, or does not take its parameters.
        """
        try:
            state = msgspec.msgpack.decode(content, type=_State)
        except msgspec.DecodeError:
            return False
        if state.version != _STATE_VERSION or len(state.parts) != len(self._kept):
            return False
        for number, swap in state.swaps.items():
            self._seat(self._start_instead(number, replace(swap, keep_state=False)))
        self._swaps = state.swaps
        for number, quarantine in state.quarantined.items():
            self.quarantine(number, quarantine.problem, seq=quarantine.seq)
        self._status[0] = state.seq
        for number, (kept, part) in enumerate(zip(self._kept, state.parts, strict=True), 1):
            if number not in self.quarantined:
                self._status[1] = -number
                kept.take(part)
        self._status[1] = self._first
        self.seq = state.seq
        self.books.restore(state.books)
        self._manager.killed = state.killed
        self._quoted_at.update(state.quoted_at)
        self._bar_ends.update(state.bar_ends)
        self._market.acted_at.update(state.acted_at)
        self._manager.moment.reach.update(state.reach)
        self._manager.book.moments = state.moments
        self._timed.update(state.timed)
        self._last_ts = state.last_ts
        self._market.now = max((state.now, *(each.order.ts for each in state.orders), *state.quoted_at.values()))
        self._manager.moment.rules = state.rules
        self.books.go_by(state.rules)
        self._manager.monitor.settle()
        if state.watch is not None:
            self._manager.monitor.watch = state.watch
        if state.rules > 1 and self.composition.rules != state.rules:
            self.composition = replace(self.composition, rules=state.rules)
            self._bars = dict(self.composition.bars)
        self._manager.book.restore(state.orders)
        return True

    def unkept(self) -> list[Part]:
        """Give the parts that keep state and do not give it, so that there can be no snapshot."""
        found = []
        for number, part in enumerate(self.parts, 1):
            try:
                msgspec.msgpack.encode(self._state_of(number))
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001  # a part may raise anything; what counts is that there is no state
                found.append(part)
        return found

    def _state_of(self, number: int) -> PartState:
        self._status[1] = -number
        try:
            return self._kept[number - 1].state(called=number not in self.quarantined)
        finally:
            self._status[1] = self._first

    # -- from an event to answers

    def _tell(self, channel: str, data: Data) -> None:
        """Call the parts that listen to a channel with an event."""
        for listener in self._listeners.get(channel, _NOBODY):
            if self._several:
                self._status[1] = listener.number
            try:
                outcome = listener.event(data)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(listener, error, data)
            else:
                if outcome is not None:
                    self._hear(listener, outcome, data)

    def _rest(self, data: Data) -> Sequence[Record]:
        """Process derived messages and rebalancing after the listeners, and return the records of the event."""
        if self._fills:
            self._tell_fills(data)
        derived = self._derived
        while derived:
            message = derived.popleft()
            self._tell(message["channel"], message)
        self._answered = 0
        if self._rebalanced and data["channel"] == DEFAULT_CHANNEL:
            self._rebalance(data)
        return self._recorder.take() if self._written else _NOTHING

    def _tell_fills(self, data: Data) -> None:
        """Call `filled` of the parts whose orders were filled; orders they answer with fill at later events."""
        fills, manager = self._fills, self._manager
        self._event_id = data.get("id")
        told = 0
        with manager.moment.waiting():
            while fills:
                sleeve, fill = fills.popleft()
                told += 1
                if told > MAX_TOLD:
                    fills.clear()
                    problem = RecursionError(f"more than {MAX_TOLD} fills at one event answer one another")
                    self._record_failure(sleeve.number, "filled", problem, fill.sid)
                    break
                manager.tell(sleeve, fill, data)
        self._status[1] = self._first

    def _rebalance(self, data: Data) -> None:
        """Show a quote to the portfolios that bet of their own accord."""
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        for sleeve in self._rebalanced:
            self._manager.rebalance(sleeve, data)
        self._status[1] = self._first

    def _book(self, channel: str, data: Data) -> None:
        """Book what is no quote and still changes what the account is worth: a rate, a split, a dividend."""
        ts, monitor = data["ts"], self._manager.monitor
        self._recorder.open(self.seq, ts)
        if self._guarded and ts >= monitor.until:
            self._watch(ts if self._last_ts is None else self._last_ts, data)
        if channel == ACTIONS and self._manager.moment.rules > 1 and ts < self._quoted_at.get(data.get("sid", ""), ts):
            self.notice("late action", f"{data['sid']}'s {data.get('action')} comes after a later quote")
        unquoted = self._manager.actions.unquoted
        known = len(unquoted)
        self._booking[channel](data)
        if known < len(unquoted) <= MAX_NAMED:
            more = "" if len(unquoted) < MAX_NAMED else "; of more symbols such events are counted alone"
            what = "event %d: %s's %s comes before any quote of it; is the symbol spelt as that of its quotes?%s"
            self._log.getChild("unquoted").warning(what, self.seq, data["sid"], data["action"], more)
        if self._guarded:
            self._guard(ts, data, changed=bool(monitor.held))

    def _mark(self, data: Data) -> None:
        """Fill orders with a quote, and set the mark of its symbol."""
        sid = data["sid"]
        if self._guarded:
            self._mark_guarded(sid, data)
            return
        if sid in self._open or self._expiring:
            self._recorder.open(self.seq, data["ts"])
            self._manager.fill(sid, data)
        self._quote(sid, data)

    def _quote(self, sid: str, data: Data) -> None:
        """Take a quote as its symbol's latest, unless a later one is known."""
        if self._manager.moment.rules > 1:
            if data["ts"] < self._market.now:
                self._mark_late(data)
                return
            self._quoted_at[sid] = data["ts"]
        self._marks[sid] = data["quote"]

    def _mark_late(self, data: Data) -> None:
        """Take a quote that is older than the session's time as its symbol's latest, unless a later one is known."""
        sid, ts = data["sid"], data["ts"]
        if ts < self._quoted_at.get(sid, ts) or ts < self._market.acted_at.get(sid, ts):
            self.notice("stale quote", f"{sid}'s quote is older than the one before it, which stays its latest")
            return
        self.notice(
            "late quote", f"{sid}'s quote is older than an event before it; orders decided since wait for others"
        )
        self._marks[sid] = data["quote"]
        self._quoted_at[sid] = ts

    @property
    def told(self) -> dict[str, int]:
        """How often the rules of time have left something out, by what it was; see `notices`.

        ``lost open`` are fills at the close of a bar that did not say when it began, ``unquoted action`` splits and
        dividends of symbols without a quote.
        """
        more = {"lost open": self._manager.broker.lost_opens, "unquoted action": sum(self.unquoted.values())}
        return {**self.notices, **{kind: count for kind, count in more.items() if count}}

    @property
    def unquoted(self) -> dict[str, int]:
        """How many splits and dividends there were of each symbol that has no quote so far."""
        return {sid: count for sid, count in self._manager.actions.unquoted.items() if sid not in self._marks}

    def notice(self, kind: str, what: str) -> None:
        """Count something that is left out by the rules of time, and tell of the first."""
        self.notices[kind] += 1
        if self.notices[kind] == 1:
            self._log.warning("event %d: %s; more of these are counted alone", self.seq, what)

    def _with_start(self, data: Data, length: int) -> Data:
        """Give a bar that does not say when it began with its start, by the length that is configured."""
        if not loses_open(data):
            return data
        sid, ts = data["sid"], data["ts"]
        start = max(ts - length, self._bar_ends.get(sid, ts - length))
        self._bar_ends[sid] = max(ts, self._bar_ends.get(sid, ts))
        return {**data, "start": min(start, ts)}

    def _mark_guarded(self, sid: str, data: Data) -> None:
        """Let a quote fill orders and mark its symbol where there are risk parts, or short positions may be."""
        manager, monitor = self._manager, self._manager.monitor
        ts = data["ts"]
        if ts >= monitor.until:
            self._watch(ts if self._last_ts is None else self._last_ts, data)
        filled = sid in self._open or bool(self._expiring)
        if filled:
            self._recorder.open(self.seq, ts)
            manager.fill(sid, data)
        self._quote(sid, data)
        self._last_ts = ts
        if manager.moment.rules == 1:
            self._quoted_at[sid] = ts
        self._guard(ts, data, changed=filled or sid in monitor.held)

    def _guard(self, ts: int, data: Data, *, changed: bool) -> None:
        """Check margins, and show the account to risk parts if the event may have crossed a threshold."""
        monitor = self._manager.monitor
        if self.composition.margin is not None:
            self._recorder.open(self.seq, ts)
            self._manager.interventions.call_margins()
        quoted = data["sid"] if data["channel"] == DEFAULT_CHANNEL else None
        if monitor.needed and (ts >= monitor.until or (changed and not monitor.within_thresholds(quoted))):
            self._watch(ts, data)

    def _watch(self, ts: int, data: Data) -> None:
        """Show the account to risk parts."""
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        self._manager.monitor.show(ts, data.get("sid"))
        self._status[1] = self._first

    def _fail(self, listener: BoundSleeve | BoundIndicator, error: BaseException, data: Data) -> None:
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        self._record_failure(listener.number, "event", error, data.get("sid"))

    def _hear(self, listener: BoundSleeve | BoundIndicator, outcome: Any, data: Data) -> None:
        """Process what a part has answered to an event."""
        if os.getpid() != self._process:
            leave_if_forked(self._process, self.parts[listener.number - 1].label)
        self._recorder.open(self.seq, data["ts"])
        self._event_id = data.get("id")
        if type(outcome) is Signal and type(listener) is BoundSleeve:
            self._manager.signal(listener, outcome, data)
            self._status[1] = listener.number
            return
        try:
            given = answers(outcome)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # an iterable may raise anything
            self._record_failure(listener.number, "event", error, data.get("sid"))
            return
        if isinstance(listener, BoundIndicator):
            for answer in given:
                self._derive(listener, answer, data)
        else:
            self._manager.answer_all(listener, given, data)
        self._status[1] = listener.number

    def _derive(self, indicator: BoundIndicator, answer: object, data: Data) -> None:
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
            content = as_json("data", answer.data)
            if "sid" in content:
                check_sid(content["sid"])
        except (BadData, TypeError, ValueError, RecursionError) as error:
            self._record_failure(indicator.number, "event", error, data.get("sid"))
        else:
            self._answered += 1
            self.came.add(channel)
            self._derived.append({**content, "channel": channel, "ts": data["ts"]})

    # -- records of failure

    def failed(self, error: BaseException) -> PartFailed:
        """Give what to raise in place of an error that was no answer to be recorded, such as a KeyboardInterrupt."""
        what = f"{type(error).__name__}, at event {self.position}{_line_of(error)}"
        return PartFailed(self.parts[abs(self.called) - 1].label, "event", what)

    def _record_failure(self, number: int, method: str, error: BaseException, sid: str | None) -> None:
        part = self.parts[number - 1]
        leave_if_forked(self._process, part.label, error)
        what = str(error) if isinstance(error, _Spared) else f"{type(error).__name__}: {error}"
        problem = str(PartFailed(part.label, method, what))
        where = f"event {self.seq}" if self._event_id is None else f"event {self.seq} (id {self._event_id!r:.60})"
        close = self._log.isEnabledFor(logging.DEBUG)
        line = "" if isinstance(error, _Spared) else _line_of(error)
        advice = "" if close or not line else " (-v shows how it came there)"
        failures = self._log.getChild("failures")  # a log of their own, for those who tell of them otherwise
        failures.warning("%s: %s%s%s", where, problem, line, advice, exc_info=error if close else None)
        if self.judging and not isinstance(error, _Spared):
            if part.policy == "quarantine":
                self.quarantine(number, problem)
            elif part.policy == "raise":
                self.halted = PartFailed(part.label, method, f"{what}, at {where}{line}")
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
    def _seats(self) -> list[BoundPart]:
        """The places of the parts in the order of `parts`."""
        seats = [BoundPart(risk, ("check", "observe")) for risk in self._risks]
        seats += [BoundPart(indicator, ("event",)) for indicator in self._indicators]
        for sleeve in self._sleeves:
            seats += (
                BoundPart(sleeve, ("event", "filled")),
                BoundPart(sleeve, ("optimize", "release", "observe", "portfolio_filled")),
            )
        return seats

    @property
    def _heard_by(self) -> Sequence[BoundSleeve | BoundIndicator]:
        """Who hears of events, in the order in which they do."""
        return [*self._indicators, *self._sleeves]

    def _by_channel(self) -> dict[str, list[BoundSleeve | BoundIndicator]]:
        listeners: dict[str, list[BoundSleeve | BoundIndicator]] = {}
        for listener in self._heard_by:
            for channel in listener.channels:
                listeners.setdefault(channel, []).append(listener)
        return listeners

    def _start_sleeve(self, sleeve: Sleeve) -> BoundSleeve:
        ledger = self.books.ledgers[sleeve.algorithm.name]
        account = self.account
        if ledger is not self.ledger:
            working, name = self._manager.book.open, sleeve.algorithm.name
            account = LedgerView(ledger, quoted_at=self._quoted_at, working=working, algorithm=name)
        algorithm = self._start(sleeve.algorithm, account)
        return BoundSleeve(algorithm, self._start(sleeve.portfolio, account), ledger, account)

    def _start(self, part: Part, account: Account | None = None) -> StartedPart:
        """Take a part on: make it, and give it with what `initialize` answered."""
        self.parts.append(part)
        self._accounts.append(account if account is not None else self.account)
        started = self._make(len(self.parts), part)
        self._kept.append(started.kept)
        return started

    def _make(self, number: int, part: Part) -> StartedPart:
        """Make a part and initialise it."""
        self._status[0] = 0
        self._status[1] = number
        return start(
            number,
            part,
            seed=self.composition.seed,
            account=self._accounts[number - 1],
            log=self._log,
            timers=lambda timer: self._clock.put(timer, self._hours),
        )


def _heard(timer: Data) -> Data:
    """Give a timer as parts hear it."""
    name, due = timer["name"], timer["ts"]
    return {"channel": name, "ts": due, "id": f"{name}:{due}", "missed": timer["missed"]}


def _line_of(error: BaseException) -> str:
    """Say in which line of which file a part has raised; nothing where its answer made no sense."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] != "intuition_core"
    ]
    return f" ({frames[0][0]}, line {frames[0][1]})" if frames else ""


class _Spared(Exception):
    """Raised in place of a part that is not called for an event."""


def _spared(problem: str) -> Callable[..., Any]:
    def stand_in(*_: Any) -> None:
        raise _Spared(f"not called for this event: {problem}")

    return stand_in


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy between two events."""

    version: int
    seq: int
    books: BooksState
    killed: str | None
    quoted_at: dict[str, int]
    orders: list[OpenOrder]
    parts: list[PartState]
    quarantined: dict[int, Quarantine] = {}
    swaps: dict[int, Swap] = {}
    last_ts: int | None = None
    watch: Watch | None = None
    now: int = BEGINNING
    bar_ends: dict[str, int] = {}
    acted_at: dict[str, int] = {}
    moments: tuple[int, int] = (BEGINNING, BEGINNING)
    reach: dict[str, int] = {}
    timed: dict[str, int] = {}
    rules: int = 1


_STATE_VERSION: Final = 2
