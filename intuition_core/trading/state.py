"""The state of an engine between two events, as it is kept in a journal."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from intuition_core.account.books import BooksState
from intuition_core.account.market import BEGINNING
from intuition_core.contracts import Watch
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.parts import NoSnapshot, PartState
from intuition_core.trading.roster import Quarantine
from intuition_core.trading.swaps import Swap
from intuition_core.trading.venue_booking import VenueState

if TYPE_CHECKING:
    from intuition_core.trading.engine import TradingEngine

_VERSION: Final = 2


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """An engine between two events; fields with a default were not there in the beginning."""

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


class LiveState(EngineState, frozen=True, kw_only=True):
    """The same of an engine whose orders a venue fills; a snapshot on paper has none of it."""

    venue: VenueState | None = None


def snapshot(engine: "TradingEngine") -> bytes | None:
    """Return all that the events so far have made, as MessagePack; None where a part keeps state but gives none."""
    log = engine.log
    try:
        parts = engine.roster.states()
    except (NoSnapshot, KeyboardInterrupt):
        return None
    except BaseException as error:  # noqa: BLE001  # a part may raise anything; replay serves as well
        log.warning("no snapshot: %s: %s", type(error).__name__, error)
        return None
    manager, booking, market = engine.manager, engine.booking, engine.books.market
    venue = manager.venue
    made: Callable[..., EngineState] = EngineState if venue is None else partial(LiveState, venue=venue.state)
    state = made(
        version=_VERSION,
        seq=engine.seq,
        books=engine.books.snapshot(),
        killed=manager.killed,
        quoted_at=market.quoted_at,
        last_ts=booking.last_ts,
        now=market.now,
        timed=engine.timers.taken,
        bar_ends=booking.bar_ends,
        acted_at=market.acted_at,
        moments=manager.book.moments,
        reach=manager.moment.reach,
        rules=manager.moment.rules,
        watch=manager.monitor.watch,
        orders=engine.open_orders,
        parts=parts,
        quarantined=engine.quarantined,
        swaps=engine.swaps.made,
    )
    try:
        return msgspec.msgpack.encode(state)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        log.warning("no snapshot: a part's state cannot be kept: %s", error)
        return None


def restore(engine: "TradingEngine", content: bytes) -> bool:
    """Restore a snapshot in an engine that has taken no event; return whether it could be used.

    Raises:
        PartFailed: a part refuses the state that it gave, or one that took a place cannot be initialised.
        IntuitionError: the plugin of a part that took a place is not there, or does not take its parameters.
    """
    try:
        state = msgspec.msgpack.decode(content, type=LiveState)
    except msgspec.DecodeError:
        return False
    if state.version != _VERSION or len(state.parts) != len(engine.parts):
        return False
    engine.swaps.repeat(state.swaps, engine.seq)
    for number, quarantine in state.quarantined.items():
        engine.roster.quarantine(number, quarantine.problem, quarantine.seq)
    engine.roster.restore(state.seq, state.parts)
    engine.seq = state.seq
    manager, booking, market = engine.manager, engine.booking, engine.books.market
    engine.books.restore(state.books)
    manager.killed = state.killed
    market.quoted_at.update(state.quoted_at)
    market.acted_at.update(state.acted_at)
    booking.bar_ends.update(state.bar_ends)
    booking.last_ts = state.last_ts
    manager.moment.reach.update(state.reach)
    manager.book.moments = state.moments
    engine.timers.taken.update(state.timed)
    market.now = max((state.now, *(each.order.ts for each in state.orders), *state.quoted_at.values()))
    manager.moment.rules = state.rules
    engine.books.go_by(state.rules)
    manager.monitor.settle()
    if state.watch is not None:
        manager.monitor.watch = state.watch
    if state.rules > 1 and engine.composition.rules != state.rules:
        engine.controls.use(state.rules)
    manager.book.restore(state.orders)
    if manager.venue is not None and state.venue is not None:
        manager.venue.state = state.venue
    return True
