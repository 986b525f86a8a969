"""The kinds of events of an account: who books each, who hears of it, and which records booking it leaves.

`EVENTS` is the table of them, by channel. Whatever comes on another channel is a `MESSAGE`.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from intuition_core.account.actions import ACTIONS
from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL, RATES
from intuition_core.trading.booking import Booking
from intuition_core.trading.controls import Controls
from intuition_core.trading.decisions import CONTROL, UNHEARD
from intuition_core.trading.executions import EXECUTIONS
from intuition_core.trading.timers import TIMER, SessionTimers, heard
from intuition_core.trading.venue_booking import VenueBooking


class Bookers(NamedTuple):
    """Those who book the events of one engine."""

    market: Booking
    people: Controls
    timers: SessionTimers
    venue: VenueBooking | None = None


class EventKind(msgspec.Struct, frozen=True):
    """How the events of a channel are taken.

    Attributes:
        channel: where they come.
        booker: returns what books an event, given its number and the event; None where nothing is booked.
        heard: returns the event as its listeners hear it, on the channel where they listen; None where it has none.
        is_timed: whether the session's time is at least its ``ts`` from then on; what people decide has the time of a
            clock instead.
        fills: whether booking one may fill orders; their owners are told before anybody hears the event.
        records: the types of the records that booking one may leave.
    """

    channel: str
    booker: Callable[[Bookers], Callable[[int, Data], None]] | None
    heard: Callable[[Data], Data] | None
    is_timed: bool = True
    fills: bool = False
    records: tuple[str, ...] = ()


def as_it_is(data: Data) -> Data:
    """Return the event itself."""
    return data


def no_venue(seq: int, data: Data) -> None:
    """Book nothing: what a venue says is nothing to a session on paper."""


QUOTE: Final = EventKind(
    DEFAULT_CHANNEL,
    lambda by: by.market.take_quote,
    as_it_is,
    fills=True,
    records=("fill", "rejection", "decision", "control", "error"),
)
_RATE: Final = EventKind(
    RATES,
    lambda by: by.market.take_rate,
    as_it_is,
    records=("rejection", "decision", "control", "error"),
)
_ACTION: Final = EventKind(
    ACTIONS,
    lambda by: by.market.take_action,
    as_it_is,
    records=("action", "rejection", "decision", "control", "error"),
)
_DECISION: Final = EventKind(
    CONTROL,
    lambda by: by.people.take,
    None,
    is_timed=False,
    fills=True,
    records=("control", "rejection", "decision", "fill"),
)
_EXECUTION: Final = EventKind(
    EXECUTIONS,
    lambda by: by.venue.take if by.venue is not None else no_venue,
    None,
    is_timed=False,
    fills=True,
    records=("execution", "fill", "rejection", "cancel", "decision", "control"),
)
_NO_DECISION: Final = EventKind(UNHEARD, None, None, is_timed=False)
_TIMER: Final = EventKind(TIMER, lambda by: by.timers.take, heard)

MESSAGE: Final = EventKind("", None, as_it_is)
"""What parts and publishers send on channels of their own: it books nothing."""

EVENTS: Final[Mapping[str, EventKind]] = {
    kind.channel: kind for kind in (QUOTE, _RATE, _ACTION, _DECISION, _EXECUTION, _NO_DECISION, _TIMER)
}
"""The kinds of events that are more than messages, by channel."""
