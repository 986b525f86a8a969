"""What events of the market do to the account: orders fill, symbols are marked, rates and splits are booked."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.trading.calls import CallStatus, Raised
from intuition_core.trading.composition import Composition
from intuition_core.trading.failures import Failures
from intuition_core.trading.matching import loses_open
from intuition_core.trading.order_manager import OrderManager

MAX_NAMED: Final = 20
"""Of how many symbols without a quote a split or a dividend is told by name."""


class Booking:
    """Books events of the market, and shows the account to risk parts where it may matter to them.

    Attributes:
        last_ts: the ``ts`` of the latest quote, nanoseconds UTC, kept where risk parts or margins are; None before it.
        bars: how many nanoseconds the bars of a channel last that do not say when they began.
        bar_ends: when each symbol's latest bar ended that did not say when it began, nanoseconds UTC; the same object.
        notices: how often an event came that the rules of time hold against it: ``late quote`` (older than an event
            before it), ``stale quote`` (older than its symbol's latest, which it does not replace), ``late action`` (a
            split or a dividend after a later quote of its symbol).

    Args:
        composition: the recipe.
        manager: fills the orders.
        failures: notes the event at which parts are called.
        status: where to note which part is called.
        first: the number of the part that hears of events first; it is noted once risk parts have seen the account.
        log: the engine's.
    """

    def __init__(
        self,
        composition: Composition,
        manager: OrderManager,
        failures: Failures,
        *,
        status: CallStatus,
        first: int,
        log: logging.Logger,
    ) -> None:
        self.last_ts: int | None = None
        self.bar_ends: dict[str, int] = {}
        self.notices: Counter[str] = Counter()
        self.bars = dict(composition.bars) if composition.rules > 1 else {}
        self._manager = manager
        self._failures = failures
        self._moment, self._monitor = manager.moment, manager.monitor
        self._recorder = manager.recorder
        self._open = manager.book.open
        self._expiring = manager.book.expiring
        self._market = manager.books.market
        self._marks = self._market.marks
        self._quoted_at = self._market.quoted_at
        self._margin = composition.margin is not None
        self._watched = bool(composition.risks) or self._margin
        self._status = status
        self._first = first
        self._log = log

    # -- quotes

    def with_start(self, data: Data) -> Data:
        """Return a bar that does not say when it began with its start, by the length that is configured."""
        length = self.bars.get(data["channel"])
        if length is None or not loses_open(data):
            return data
        sid, ts = data["sid"], data["ts"]
        start = max(ts - length, self.bar_ends.get(sid, ts - length))
        self.bar_ends[sid] = max(ts, self.bar_ends.get(sid, ts))
        return {**data, "start": min(start, ts)}

    def take_quote(self, seq: int, data: Data) -> None:
        """Fill orders with a quote, and mark its symbol."""
        sid, ts, monitor = data["sid"], data["ts"], self._monitor
        watched = self._watched
        if watched and ts >= monitor.until:
            self._watch(seq, ts if self.last_ts is None else self.last_ts, data)
        filled = sid in self._open or bool(self._expiring)
        if filled:
            self._recorder.open(seq, ts)
            self._manager.fill(sid, data)
        self._mark(seq, sid, ts, data)
        if watched:
            self.last_ts = ts
            if self._moment.rules == 1:
                self._quoted_at[sid] = ts
            self._guard(seq, ts, data, changed=filled or sid in monitor.held)

    def _mark(self, seq: int, sid: str, ts: int, data: Data) -> None:
        """Take a quote as its symbol's latest, unless a later one is known."""
        if self._moment.rules > 1:
            if ts < self._market.now:
                if ts < self._quoted_at.get(sid, ts) or ts < self._market.acted_at.get(sid, ts):
                    stale = f"{sid}'s quote is older than the one before it, which stays its latest"
                    self._notice(seq, "stale quote", stale)
                    return
                late = f"{sid}'s quote is older than an event before it; orders decided since wait for others"
                self._notice(seq, "late quote", late)
            self._quoted_at[sid] = ts
        self._market.requoted.append(sid)
        self._marks[sid] = data["quote"]

    def stretch(self, ask: Callable[[Data], Any], events: Iterator[Data]) -> tuple[Data | None, Any]:
        """Mark quotes and call the only part that hears them, until it answers or something has to be booked.

        Only for rules 2, without open orders and without a margin.

        This is what `take_quote` does with such a quote, and a call of the part, with nothing looked up twice: 1.3
        times as fast, as most events of a history are such quotes.

        Args:
            ask: the method `event` of the part.
            events: those of the history that are left.

        Returns:
            The event at which the stretch ended, and the part's answer or a `Raised`; without an answer, the event is
            to be taken as any other. No event where none is left.
        """
        marks, quoted_at, market, monitor = self._marks, self._quoted_at, self._market, self._monitor
        channel, now, sid, requoted = DEFAULT_CHANNEL, market.now, None, market.requoted.append
        held = monitor.held if monitor.needed else None
        low, high, until = monitor.low, monitor.high, monitor.until
        try:
            for data in events:
                if data["channel"] != channel or not now <= (ts := data["ts"]) < until:
                    return data, None
                sid = data["sid"]
                requoted(sid)
                marks[sid] = quote = data["quote"]
                quoted_at[sid] = now = ts
                if held and sid in held and not low < quote < high:
                    if not monitor.within_thresholds(sid):
                        return data, None
                    low, high = monitor.low, monitor.high
                try:
                    outcome = ask(data)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001  # as `attempt`, whose call costs 3 % of such an event
                    return data, Raised(error)
                if outcome is not None:
                    return data, outcome
        finally:
            market.now = now
            if self._watched and sid is not None:
                self.last_ts = now
        return None, None

    # -- rates, splits and dividends

    def take_rate(self, seq: int, data: Data) -> None:
        """Book a rate between two currencies."""
        self._begin(seq, data)
        self._manager.actions.take_rate(data)
        self._end(seq, data)

    def take_action(self, seq: int, data: Data) -> None:
        """Book a split or a dividend."""
        self._begin(seq, data)
        ts = data["ts"]
        if self._moment.rules > 1 and ts < self._quoted_at.get(data.get("sid", ""), ts):
            self._notice(seq, "late action", f"{data['sid']}'s {data.get('action')} comes after a later quote")
        unquoted = self._manager.actions.unquoted
        known = len(unquoted)
        self._manager.actions.act(data)
        if known < len(unquoted) <= MAX_NAMED:
            more = "" if len(unquoted) < MAX_NAMED else "; of more symbols such events are counted alone"
            what = "event %d: %s's %s comes before any quote of it; is the symbol spelt as that of its quotes?%s"
            self._log.getChild("unquoted").warning(what, seq, data["sid"], data["action"], more)
        self._end(seq, data)

    def _begin(self, seq: int, data: Data) -> None:
        ts = data["ts"]
        self._recorder.open(seq, ts)
        if self._watched and ts >= self._monitor.until:
            self._watch(seq, ts if self.last_ts is None else self.last_ts, data)

    def _end(self, seq: int, data: Data) -> None:
        if self._watched:
            self._guard(seq, data["ts"], data, changed=bool(self._monitor.held))

    # -- those who watch the account

    def _guard(self, seq: int, ts: int, data: Data, *, changed: bool) -> None:
        """Check margins, and show the account to risk parts if the event may have crossed a threshold."""
        monitor = self._monitor
        if self._margin:
            self._recorder.open(seq, ts)
            self._manager.interventions.call_margins()
        quoted = data["sid"] if data["channel"] == DEFAULT_CHANNEL else None
        if monitor.needed and (ts >= monitor.until or (changed and not monitor.within_thresholds(quoted))):
            self._watch(seq, ts, data)

    def _watch(self, seq: int, ts: int, data: Data) -> None:
        """Show the account to risk parts."""
        self._failures.begin(seq, data)
        self._monitor.show(ts, data.get("sid"))
        self._status[1] = self._first

    # -- what is left out

    @property
    def told(self) -> dict[str, int]:
        """How often the rules of time have left something out, by the kind of it; see `notices`.

        ``lost open`` are fills at the close of a bar that did not say when it began, ``unquoted action`` splits and
        dividends of symbols without a quote.
        """
        more = {"lost open": self._manager.broker.lost_opens, "unquoted action": sum(self.unquoted.values())}
        return {**self.notices, **{kind: count for kind, count in more.items() if count}}

    @property
    def unquoted(self) -> dict[str, int]:
        """How many splits and dividends there were of each symbol that has no quote so far."""
        return {sid: count for sid, count in self._manager.actions.unquoted.items() if sid not in self._marks}

    def _notice(self, seq: int, kind: str, what: str) -> None:
        """Count something that is left out by the rules of time, and tell of the first."""
        self.notices[kind] += 1
        if self.notices[kind] == 1:
            self._log.warning("event %d: %s; more of these are counted alone", seq, what)
