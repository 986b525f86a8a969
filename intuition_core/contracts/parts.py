"""The methods of each kind of part, and what parts find: the account, their context, the backend of a connector."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import Logger, LoggerAdapter
from pathlib import Path
from random import Random
from typing import Any, Protocol, runtime_checkable

import msgspec

from intuition_core.contracts.values import (
    ClosedTrade,
    Data,
    Holding,
    Message,
    Metric,
    Order,
    Outcome,
    Params,
    Rejection,
    Signal,
    Stake,
)


@runtime_checkable
class Account(Protocol):
    """A read-only view of the account, in floats for convenience; the ledger alone holds the exact amounts."""

    @property
    def cash(self) -> float:
        """Cash that can be bet: what is reserved for open orders or has to cover short positions is taken off."""

    @property
    def equity(self) -> float:
        """All cash, reserved or not, and all positions at their latest marks."""

    @property
    def positions(self) -> Mapping[str, float]:
        """Units held, by symbol, negative for what was sold short; symbols without a position are absent."""

    @property
    def holdings(self) -> Mapping[str, Holding]:
        """Each position with its average cost and since when it is open, by symbol."""

    @property
    def values(self) -> Mapping[str, float]:
        """What each position is worth at its latest quote, in the account's currency; negative where sold short.

        A position that cannot be valued yet, for want of a quote or a rate, counts at cost.
        """

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders that open a position and are not filled yet, by symbol; symbols without are absent.

        For a buy that is what it may cost, for a short sale its margin less what it brings.
        """

    @property
    def orders(self) -> Sequence[Order]:
        """The orders at work, closing ones included, each as what of it is not filled yet."""

    @property
    def marks(self) -> Mapping[str, float]:
        """The latest quote, by symbol."""

    @property
    def quoted_at(self) -> Mapping[str, int]:
        """When each symbol was last quoted, nanoseconds UTC; only kept where there are risk parts."""

    def worth(self, sid: str, price: float | None = None) -> float:
        """Return the worth of one unit of a symbol in the account's currency: price * multiplier * rate.

        Args:
            sid: the symbol.
            price: in the currency that the symbol is quoted in; its latest quote where None.

        Returns:
            The worth; nan where there is no quote, or no rate of the currency is known yet.
        """

    @property
    def closed_trades(self) -> Sequence[ClosedTrade]:
        """The latest trades that were closed, oldest first; at most 1,000."""


def _no_timers(*_: Any, **__: Any) -> str:
    raise RuntimeError("timers are asked for in `initialize` of an algorithm or an indicator")


class Context(msgspec.Struct, frozen=True):
    """What a part may use besides its parameters, for parts whose `initialize` takes a second parameter."""

    name: str
    """The name under which the composition knows the part."""
    rng: Random
    """The only randomness a part may use; seeded from the session's seed and the part's name."""
    account: Account
    log: "Logger | LoggerAdapter[Logger]"
    at: Callable[..., str] = _no_timers
    """Asks for a timer, in `initialize` of an algorithm or an indicator: ``at("every 1h")``, ``at("month end")``,
    ``at("close - 10m", calendar="XNYS")``. It gives the name of the timer, ``<part>.<when>`` unless ``name`` says
    another: the channel on which the part hears it, with ``ts`` the moment at which it was due. ``missed`` is as in
    ``[[timers]]``: ``"once"``, ``"skip"`` or ``"all"``."""


class Algorithm(Protocol):
    """Is this worth acting on? May also take a `Context` as a second parameter of `initialize`.

    ``filled(fill)`` is told each `Fill` of the algorithm's orders once, after it was booked and before the event that
    brought it, and may answer as `event` does. What it answers is decided at that event and fills at a later one.
    """

    def initialize(self, params: Params, /) -> Sequence[str] | None:
        """Prepare, and name the channels to listen to; None means ``["quotes"]``."""

    def event(self, data: Data, /) -> Outcome:
        """Return what an event of those channels is worth acting on; None for nothing."""


class Portfolio(Protocol):
    """How much do we bet on it? May also define `initialize(params[, context])` and two methods more.

    ``release(signal, account)`` sizes what a signal takes back: a sell of a symbol that is held, or a buy of one that
    was sold short. Without it the whole position is closed.

    ``observe(data, account)`` is shown every quote after the algorithm has had it, and may answer with bets of its own,
    each naming its ``sid`` and ``side``: how a portfolio moves to new weights on a schedule, by the time of events.

    ``filled(fill, account)`` is told each `Fill` of the orders that it has sized, after the algorithm, and may answer
    as ``observe`` does.
    """

    def optimize(self, signal: Signal, account: Account, /) -> Stake:
        """Size what a signal puts at stake: a buy, or, where the account may sell short, a sell of what is not held."""


class Risk(Protocol):
    """Are we allowed to? May also define `initialize(params[, context])`.

    Risk parts see the account as a whole, of all algorithms. One that must know how the account fares between orders
    also defines ``observe(account, ts)``, which is called after each quote of a symbol that is held and after each
    fill; a text that it returns is the reason for which the kill switch is turned on there and then. A `Watch` that it
    returns spares the calls at which nothing could happen, and with them most of what observing costs.

    One that lets everything pass that closes a position may have an attribute ``opening_only`` that is true, which is
    looked at after `initialize`; it is asked about orders that open a position alone then.
    """

    def check(self, order: Order, account: Account, /) -> Order | Rejection:
        """Return the order to let it pass, a smaller one, or a refusal with its reason."""


class Indicator(Protocol):
    """What does it amount to? Also takes a `Context` as a second parameter of `initialize`, if it has one."""

    def initialize(self, params: Params, /) -> Sequence[str] | None:
        """Prepare, and name the channels to listen to; None means ``["quotes"]``."""

    def event(self, data: Data, /) -> Message | Iterable[Message] | None:
        """Return the messages that follow from an event of those channels; None as long as there is too little data.

        A message's ``data`` is a mapping; with a ``sid`` it is about that symbol. Algorithms that listen to the
        message's channel receive it as an event, with the ``ts`` of the event that caused it.
        """


class Source(Protocol):
    """What happened in the market? May also define `initialize(params)`.

    Two methods more make a source of recorded events fast and its progress visible. ``batches()`` gives the same
    events as `events` in lists of some hundreds, each a plain dict of its own that is already as `Data` says:
    ``channel``, ``sid``, prices as finite floats, ``ts`` in nanoseconds UTC that never goes back; nobody checks them
    again. ``progress()`` says which part of all the events has been given, from 0 to 1, or None where that is not
    known. Where its parameters declare ``start`` and ``end`` (nanoseconds UTC, the second not included) or
    ``symbols``, the source leaves out what is not asked for.

    ``taken()`` says how recorded data was read, as far as it was: a list of `intuition_core.recordings.Taken`, of
    which commands print a line. ``files()`` names the files that are read, as paths: a run keeps their hashes.

    ``fetch(sid, start, end)`` makes one request for the events of a symbol from ``start`` up to ``end`` and not with
    it, nanoseconds UTC, and returns an `intuition_core.recordings.Page`: the first of them, oldest first, and up to
    when nothing is missing. It raises `intuition_core.recordings.TryLater` where it has to wait. An attribute
    ``pause`` is the seconds that the venue wants between two requests. ``intuition data fetch`` keeps what comes.

    An attribute ``live`` that is true says that it gives what happens now, in the order of arrival: its ``ts`` may go
    back where one event has overtaken another.
    """

    def events(self) -> Iterable[Mapping[str, Any]]:
        """Return the events in order, historical or live, each with its ``ts``."""


class Broker(Protocol):
    """What did the market give us? Fills come back as events.

    An order's ``id`` is the id of its decision, and unique. A session submits an order again until it is confirmed, so
    a broker keeps the id and the intention durably before it sends anything, and sends the id as the client order id.
    After a crash, a timeout or a lost reply it asks the venue by client order id before it sends again. A venue that
    knows neither client order ids nor a way to ask cannot be traded exactly once by anybody.

    `intuition_core.testing.broker.BrokerContract` checks all this.

    To be driven by ``intuition trade``, a broker has four methods more, since version 1.1. Each raises
    `intuition_core.errors.VenueUnavailable` where the venue did not answer, and never answers with nothing instead.

    - ``traits()`` returns the `Traits` of the venue.
    - ``cancel(order_id)`` asks the venue to cancel an order; one that is over, or unknown there, is no error.
    - ``fills(since)`` returns a list of `VenueTrade`, oldest first, and a cursor as text: given as ``since`` the next
      time, it goes on from there; overlaps are allowed, gaps are not. None asks for all trades since the account's
      beginning with this broker.
    - ``account()`` returns a `VenueAccount`.

    ``submit`` may return what `query` would of the order then. What `query` returns has two keys more: ``filled``, the
    units that were filled in all, as text or `Decimal`, and, where the order has ended otherwise, ``reason``.
    ``open_orders()``, if there is one, returns the ids of the orders that are open at the venue, and saves questions.
    ``listen(tell)``, if there is one, calls ``tell()`` from any thread whenever there may be something new to ask for.
    """

    def submit(self, order: Mapping[str, Any], /) -> Mapping[str, Any] | None:
        """Place an order; returns once it is known that the venue took or refused it.

        Submitting the same ``id`` again places nothing twice. A refusal is final: it is kept, reported by `query`, and
        not tried again.

        Raises:
            VenueUnavailable: it is not known whether the order arrived; submit it again under the same id.
        """

    def query(self, order_id: str, /) -> Mapping[str, Any] | None:
        """Return the state of an order at the venue, or None where the venue does not know it.

        The answer's ``state`` is ``open``, ``filled``, ``cancelled``, ``expired`` or ``rejected``.

        Raises:
            VenueUnavailable: the venue did not answer, which is not the same as not knowing the order.
        """


class Instruments(Protocol):
    """What is known of symbols besides their price? May also define `initialize(params)`."""

    def instruments(self) -> Iterable[Mapping[str, Any]]:
        """Return the instruments at each start; fields as in `intuition_core.account.instruments.Instrument`."""


class Calendar(Protocol):
    """When is an exchange open? May also define `initialize(params)`.

    ``breaks(name)``, if there is one, gives when trading pauses within sessions and when it goes on; ``names()`` gives
    the names that it knows, by which its contract tries it.
    """

    def sessions(self, name: str, /) -> Iterable[tuple[int, int]]:
        """Return the open and the close of each session, in order, nanoseconds UTC; asked at each start.

        The same name always gives the same sessions: a replay asks again.

        Raises:
            LookupError: it knows no calendar of that name.
        """


class Report(Protocol):
    """What did it come to? May also define `initialize(params)`. Looks at a `intuition_core.history.History`."""

    def metrics(self, history: Any, /) -> Sequence[Metric]:
        """Compute the figures of a run."""

    def write(self, history: Any, path: Path, /) -> None:
        """Write a report for people, metrics included, as one file."""


class Connector(Protocol):
    """How do events come in and decisions go out? Must also define `initialize(params)`."""

    def initialize(self, params: Params, /) -> None:
        """Take the address and the credentials; connect nothing yet."""

    def run(self, backend: "Backend", /) -> None:
        """Carry events to the backend and its records to the world until `stop` is called or the process ends."""

    def stop(self) -> None:
        """End `run` soon, from a signal handler or another thread."""


class Backend(Protocol):
    """An algorithm, local or far away, as a connector sees it. Only `initialize` and `event` are always there."""

    @property
    def address(self) -> str:
        """Where it is, for messages to people."""

    def offers(self, method: str, /) -> bool:
        """Whether the backend has a method of that name; asks it once."""

    def call(self, method: str, /, *args: Any) -> Any:
        """Call a method.

        Raises:
            BackendLost: the backend did not answer in time or went away; the call may or may not have run.
            BackendRefused: the backend answered with an error.
        """

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
