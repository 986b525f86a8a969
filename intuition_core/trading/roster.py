"""The live parts of a composition, each in its place: started, called, set aside, replaced."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_core.trading.calls import CallStatus, Raised, attempt
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.failures import not_called
from intuition_core.trading.order_manager import OrderManager
from intuition_core.trading.parts import (
    BoundIndicator,
    BoundPart,
    BoundRisk,
    BoundSleeve,
    PartState,
    StartedPart,
    StateKeeper,
    check_methods,
    start,
)
from intuition_core.trading.timers import SessionTimers
from intuition_core.trading.view import LedgerView

Listener: TypeAlias = BoundIndicator | BoundSleeve
"""A part that hears events: an indicator, or the algorithm of a sleeve."""


class Quarantine(NamedTuple):
    """Why a part is not called any more, and the event at which that was decided."""

    seq: int
    problem: str


class Roster:
    """The parts of an engine by their number, and the listeners of each channel.

    Attributes:
        composition: the recipe, with the parts that are called now.
        parts: the parts in the order in which they were started, counted from 1; always the same list.
        quarantined: the parts that are not called any more, by their number; always the same object.
        risks: the risk parts, in their order.
        indicators: the indicators, in their order.
        sleeves: the algorithms with their portfolios, in their order.
        listeners: the indicators and algorithms that hear a channel, in the order in which they hear it.
        observing: the sleeves whose portfolios are shown every quote.
        several: whether there is more than one listener.
        first: the number of the listener that hears first.

    Args:
        composition: the recipe.
        manager: trades for the sleeves.
        timers: takes up the timers that parts ask for.
        status: where to note which part is called.
        log: where parts log, through their context.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        composition: Composition,
        *,
        manager: OrderManager,
        timers: SessionTimers,
        status: CallStatus,
        log: logging.Logger,
    ) -> None:
        self.composition = composition
        self.parts: list[Part] = []
        self.quarantined: dict[int, Quarantine] = {}
        self._manager = manager
        self._timers = timers
        self._status = status
        self._log = log
        self._kept: list[StateKeeper] = []
        self._accounts: list[Account] = []
        self.risks = [BoundRisk(self._start(part)) for part in composition.risks]
        self.indicators = [BoundIndicator(self._start(part)) for part in composition.indicators]
        self.sleeves = [self._start_sleeve(sleeve) for sleeve in composition.sleeves]
        self.several = bool(self.indicators) or len(self.sleeves) > 1
        self.first = self._status[1] = self._in_order[0].number
        self._open()

    @property
    def called(self) -> int:
        """The number of the part that is called, or was called last; negative while it gives or takes its state."""
        return self._status[1]

    # -- starting and binding

    def make(self, number: int, part: Part) -> StartedPart:
        """Make a part for a place and initialise it; it is not called before it is bound.

        Raises:
            PartFailed: it cannot be made or initialised.
        """
        self._status[0] = 0
        self._status[1] = number
        return start(
            number,
            part,
            seed=self.composition.seed,
            account=self._accounts[number - 1],
            log=self._log,
            timers=self._timers.put,
        )

    def bind(self, started: StartedPart) -> None:
        """Call a started part in its place from now on."""
        number = started.number
        self._status[1] = self.first
        self.parts[number - 1] = started.part
        self._kept[number - 1] = started.kept
        self._bound[number - 1].holder.take(started)
        self.composition = self.composition.with_part(number, started.part)
        self.quarantined.pop(number, None)
        self._open()
        if self._manager.monitor.needed:
            self._manager.monitor.settle()

    def put(self, number: int, part: Part, *, seq: int) -> None:
        """Start a part in the place of another, with no event of its own.

        Args:
            number: the place.
            part: the part.
            seq: the number of the last event.

        Raises:
            PartFailed: it cannot be made or initialised, or lacks a method of its kind.
        """
        with self.between(seq):
            started = self.make(number, part)
            check_methods(started)
        self.bind(started)

    @contextmanager
    def between(self, seq: int) -> Iterator[None]:
        """Note at the end that parts are called for events again, of which the last one has this number."""
        try:
            yield
        finally:
            self._status[0], self._status[1] = seq, self.first

    def _open(self) -> None:
        """Look up who hears, who is shown quotes, and whom to trade for."""
        listeners: dict[str, list[Listener]] = {}
        for listener in self._in_order:
            for channel in listener.channels:
                listeners.setdefault(channel, []).append(listener)
        self.listeners: Mapping[str, Sequence[Listener]] = listeners
        self.observing = [sleeve for sleeve in self.sleeves if sleeve.observe is not None]
        self._manager.open(self.sleeves, self.risks)

    def _start_sleeve(self, sleeve: Sleeve) -> BoundSleeve:
        manager, name = self._manager, sleeve.algorithm.name
        ledger, account = manager.books.ledgers[name], manager.account
        if ledger is not manager.ledger:
            quoted_at, working = manager.books.market.quoted_at, manager.book.open
            account = LedgerView(ledger, quoted_at=quoted_at, working=working, algorithm=name)
        algorithm = self._start(sleeve.algorithm, account)
        return BoundSleeve(algorithm, self._start(sleeve.portfolio, account), ledger, account)

    def _start(self, part: Part, account: Account | None = None) -> StartedPart:
        self.parts.append(part)
        self._accounts.append(account if account is not None else self._manager.account)
        started = self.make(len(self.parts), part)
        self._kept.append(started.kept)
        return started

    @property
    def _in_order(self) -> Sequence[Listener]:
        """Those who may hear events, in the order in which they do."""
        return [*self.indicators, *self.sleeves]

    @property
    def _bound(self) -> list[BoundPart]:
        """The places of the parts in the order of `parts`."""
        bound = [BoundPart(risk, ("check", "observe")) for risk in self.risks]
        bound += [BoundPart(indicator, ("event",)) for indicator in self.indicators]
        for sleeve in self.sleeves:
            bound += (
                BoundPart(sleeve, ("event", "filled")),
                BoundPart(sleeve, ("optimize", "release", "observe", "portfolio_filled")),
            )
        return bound

    # -- parts that are not called

    @contextmanager
    def without(self, failed: Mapping[int, str]) -> Iterator[None]:
        """Call none of these parts meanwhile; where one would have been, its problem is recorded.

        Args:
            failed: the problem of each part, by its number.
        """
        restored = [self._bound[number - 1].set_aside(not_called(problem)) for number, problem in failed.items()]
        try:
            yield
        finally:
            for restore in reversed(restored):
                restore()

    def quarantine(self, number: int, problem: str, seq: int) -> None:
        """Never call a part again. What it should have checked is refused, what it should have sized is not placed.

        Args:
            number: the part.
            problem: why it is not called any more.
            seq: the event at which that was decided.
        """
        if number in self.quarantined:
            return
        self.quarantined[number] = Quarantine(seq, problem)
        part = self.parts[number - 1]
        stand_in = _refusing(part) if part.kind == "risk" else _nothing
        self._bound[number - 1].set_aside(stand_in)

    def release(self, number: int) -> None:
        """Call a part again that is in quarantine. It begins anew, and knows nothing of the events before.

        The state of a part in quarantine is not kept, so that a replay comes to the same.

        Raises:
            PartFailed: it cannot be made or initialised.
        """
        if number in self.quarantined:
            self.bind(self.make(number, self.parts[number - 1]))

    # -- their state

    def keeper(self, number: int) -> StateKeeper:
        """Return what gives and takes the state of a part."""
        return self._kept[number - 1]

    def states(self) -> list[PartState]:
        """Return the states of all parts, in their order.

        Raises:
            NoSnapshot: a part keeps state and gives none.
        """
        return [self.state_of(number) for number in range(1, len(self.parts) + 1)]

    def state_of(self, number: int) -> PartState:
        """Return the state of a part; of one in quarantine that of its generator alone.

        Raises:
            NoSnapshot: the part keeps state and gives none.
        """
        self._status[1] = -number
        try:
            return self._kept[number - 1].state(called=number not in self.quarantined)
        finally:
            self._status[1] = self.first

    def restore(self, seq: int, states: Sequence[PartState]) -> None:
        """Restore the state of each part that is called, as of the event of this number.

        Raises:
            PartFailed: a part refuses its state.
        """
        self._status[0] = seq
        for number, (kept, state) in enumerate(zip(self._kept, states, strict=True), 1):
            if number not in self.quarantined:
                self._status[1] = -number
                kept.take(state)
        self._status[1] = self.first

    def unkept(self) -> list[Part]:
        """Return the parts that keep state and do not give it, so that there can be no snapshot."""

        def encode(number: int) -> bytes:
            return msgspec.msgpack.encode(self.state_of(number))

        return [part for number, part in enumerate(self.parts, 1) if isinstance(attempt(encode, number), Raised)]


def _refusing(part: Part) -> Callable[..., Any]:
    """Return what answers in place of a risk part in quarantine: it refuses every order."""
    refusal = Rejection(f"{part.label} is in quarantine, and what cannot be checked is not placed")
    return lambda order, *_: refusal if isinstance(order, Order) else None


def _nothing(*_: Any) -> None:
    """Return no answer."""
