"""The live parts of a composition: made, initialised, and bound where their methods are called."""

import inspect
import logging
import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.account.ledger import Ledger
from intuition_core.contracts import Account, Bet, Context, Data, Fill, Order, Signal
from intuition_core.data import DEFAULT_CHANNEL, check_channel
from intuition_core.determinism.apart import Apart, leave_if_forked, unchanged
from intuition_core.determinism.randomness import restore_rng, rng_state
from intuition_core.errors import BadData, PartFailed
from intuition_core.trading.calls import failing
from intuition_core.trading.composition import Part
from intuition_core.trading.timers import Missed, Timer, read_timer

PartState = tuple[list[Any], Any]
"""What a part's generator has come to, and what the part itself gives as its state."""


class NoSnapshot(Exception):
    """A part keeps state and cannot say which."""


def is_stateless(live: Any) -> bool:
    """Return whether a live part has no attributes of its own, so that there is no state to be kept."""
    return not getattr(live, "__dict__", None) and not getattr(type(live), "__slots__", None)


class StateKeeper:
    """A live part and its generator, as far as they are state."""

    __slots__ = ("_live", "_part", "_rng")

    def __init__(self, part: Part, live: Any, rng: Random) -> None:
        self._part = part
        self._live = live
        self._rng = rng

    def state(self, *, called: bool) -> PartState:
        """Return the state; of a part that is not called that of its generator alone.

        Raises:
            NoSnapshot: the part has attributes, and no ``snapshot``.
        """
        if not called:
            return rng_state(self._rng), None
        snapshot = getattr(self._live, "snapshot", None)
        if snapshot is not None:
            own = os.getpid()
            try:
                with unchanged():
                    return rng_state(self._rng), snapshot()
            finally:
                leave_if_forked(own, self._part.label)
        if not is_stateless(self._live):
            raise NoSnapshot
        return rng_state(self._rng), None

    @property
    def gives(self) -> bool:
        """Whether the part says what it has come to."""
        return callable(getattr(self._live, "snapshot", None))

    @property
    def takes(self) -> bool:
        """Whether the part goes on from what another has come to."""
        return callable(getattr(self._live, "restore", None))

    def take(self, state: PartState) -> None:
        """Restore a state.

        Raises:
            PartFailed: the part refuses it.
        """
        drawn, own = state
        restore_rng(self._rng, drawn)
        restore = getattr(self._live, "restore", None)
        if restore is None:
            return
        process = os.getpid()
        try:
            with failing(self._part, "restore"), unchanged():
                restore(own)
        except PartFailed as error:
            leave_if_forked(process, self._part.label, error.__cause__)
            raise
        leave_if_forked(process, self._part.label)


class StartedPart(NamedTuple):
    """A live part, its number, what its `initialize` answered, and what of it is state."""

    number: int
    part: Part
    live: Any
    answer: Any
    kept: StateKeeper


def start(
    number: int, part: Part, *, seed: int, account: Account, log: logging.Logger, timers: Callable[[Timer], None]
) -> StartedPart:
    """Make a part and initialise it.

    Args:
        number: which part it is, counted from 1.
        part: what makes it, and its parameters.
        seed: the composition's.
        account: what the part may see of the account.
        log: where it logs.
        timers: takes up the timers that it asks for.

    Raises:
        PartFailed: it cannot be made or initialised.
    """
    own = os.getpid()
    try:
        with unchanged():
            started = _started(number, part, seed=seed, account=account, log=log, timers=timers)
    except PartFailed as error:
        leave_if_forked(own, part.label, error.__cause__)
        raise
    leave_if_forked(own, part.label)
    return started


def _started(
    number: int, part: Part, *, seed: int, account: Account, log: logging.Logger, timers: Callable[[Timer], None]
) -> StartedPart:
    with failing(part, "__init__"):
        live = part.factory()
    rng = Random(f"{seed}:{part.kind}:{part.name}")  # noqa: S311  # draws, not secrets
    kept = StateKeeper(part, live, rng)
    initialize = getattr(live, "initialize", None)
    if initialize is None:
        return StartedPart(number, part, live, None, kept)
    own: list[str] = []

    def at(when: str, *, name: str | None = None, calendar: str | None = None, missed: Missed = "once") -> str:
        every = when.removeprefix("every ") if when.startswith("every ") else None
        name = check_channel(name if name is not None else f"{part.name}.{when}")
        moment = None if every is not None else when
        timers(read_timer(name, every=every, at=moment, calendar=calendar, missed=missed))
        own.append(name)
        return name

    context = Context(name=part.name, rng=rng, account=account, log=logging.LoggerAdapter(log, {"part": part.name}))
    if part.kind in ("algorithm", "indicator"):
        context = msgspec.structs.replace(context, at=at)
    with failing(part, "initialize"):
        answer = initialize(part.params, context) if _takes_context(initialize) else initialize(part.params)
    if own and (answer is None or (isinstance(answer, Sequence) and not isinstance(answer, str))):
        answer = [*((DEFAULT_CHANNEL,) if answer is None else answer), *own]
    return StartedPart(number, part, live, answer, kept)


def check_methods(started: StartedPart) -> None:
    """Check that a live part has the method it is called by.

    Raises:
        PartFailed: it has not, or its `initialize` answered something else than channels.
    """
    part = started.part
    _method(part, started.live, _CALLED_BY[part.kind])
    if part.kind in ("algorithm", "indicator"):
        _channels(part, started.answer)


_CALLED_BY: Final = {"algorithm": "event", "portfolio": "optimize", "indicator": "event", "risk": "check"}


class BoundSleeve:
    """An algorithm and its portfolio, with their methods looked up once, and the book that is theirs."""

    __slots__ = (
        "account",
        "algorithm",
        "channels",
        "checked",
        "event",
        "filled",
        "ledger",
        "names",
        "number",
        "observe",
        "optimize",
        "portfolio",
        "portfolio_filled",
        "release",
    )

    def __init__(self, algorithm: StartedPart, portfolio: StartedPart, ledger: Ledger, account: Account) -> None:
        self.ledger = ledger
        self.account = account
        self.number = algorithm.number  # the portfolio's number is the next one
        self.algorithm = algorithm.part
        self.portfolio = portfolio.part
        self.names: tuple[str, str]
        self.checked: Bet | None = None  # the latest bet, where the portfolio gave one that was in order
        self.channels: tuple[str, ...]
        self.event: Callable[[Data], Any]
        self.optimize: Callable[[Signal, Account], Any]
        self.release: Callable[[Signal, Account], Any] | None
        self.observe: Callable[[Data, Account], Any] | None
        self.filled: Callable[[Fill], Any] | None
        self.portfolio_filled: Callable[[Fill, Account], Any] | None
        self.take(algorithm)
        self.take(portfolio)

    def take(self, started: StartedPart) -> None:
        """Call this live part from now on."""
        number, part, live, answer, _ = started
        if number == self.number:
            self.event = _apart(self, "event", _method(part, live, "event"))
            self.filled = _apart(self, "filled", getattr(live, "filled", None))
            self.channels = _channels(part, answer)
            self.algorithm = part
        else:
            self.optimize = _apart(self, "optimize", _method(part, live, "optimize"))
            self.release = _apart(self, "release", getattr(live, "release", None))
            self.observe = _apart(self, "observe", getattr(live, "observe", None))
            self.portfolio_filled = _apart(self, "portfolio_filled", getattr(live, "filled", None))
            self.portfolio = part
        self.names = self.algorithm.name, self.portfolio.name


class BoundIndicator:
    """An indicator, with its method looked up once."""

    __slots__ = ("channels", "event", "number")

    def __init__(self, started: StartedPart) -> None:
        self.number = started.number
        self.event: Callable[[Data], Any]
        self.channels: tuple[str, ...]
        self.take(started)

    def take(self, started: StartedPart) -> None:
        """Call this live part from now on."""
        self.event = _apart(self, "event", _method(started.part, started.live, "event"))
        self.channels = _channels(started.part, started.answer)


class BoundRisk:
    """A risk part, with its methods looked up once, and whether it is asked about orders that open a position alone."""

    __slots__ = ("check", "number", "observe", "opening_only", "part")

    def __init__(self, started: StartedPart) -> None:
        self.number = started.number
        self.part = started.part
        self.check: Callable[[Order, Account], Any]
        self.observe: Callable[[Account, int], Any] | None
        self.opening_only: bool
        self.take(started)

    def take(self, started: StartedPart) -> None:
        """Call this live part from now on."""
        self.check = _apart(self, "check", _method(started.part, started.live, "check"))
        self.opening_only = bool(getattr(started.live, "opening_only", False))
        self.observe = _apart(self, "observe", getattr(started.live, "observe", None))
        self.part = started.part


class BoundPart(NamedTuple):
    """A live part's methods, where they are called."""

    holder: BoundSleeve | BoundIndicator | BoundRisk
    methods: tuple[str, ...]

    def set_aside(self, stand_in: Callable[..., Any]) -> Callable[[], None]:
        """Replace the part by a function, and return a function that puts the part back."""
        live = {method: getattr(self.holder, method) for method in self.methods}
        for method, function in live.items():
            if function is not None:
                setattr(self.holder, method, stand_in)

        def restore() -> None:
            for method, function in live.items():
                setattr(self.holder, method, function)

        return restore


def _apart(holder: object, name: str, method: Any) -> Any:
    """Return a method of a part as one that leaves the decimal context alone; None where the part has none."""
    if method is None:
        return None

    def replace(apart: object, bare: Callable[..., Any]) -> None:
        if getattr(holder, name) is apart:  # unless a stand-in was put there since
            setattr(holder, name, bare)

    return Apart(method, replace)


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
