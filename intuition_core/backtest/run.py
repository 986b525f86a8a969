"""A composition at work on recorded events: the same strategy as everywhere, and what is kept of its course."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from intuition_core.account.statement import Statement
from intuition_core.backtest.equity import EquityCurve
from intuition_core.backtest.trades import Trades
from intuition_core.contracts import Data
from intuition_core.determinism.apart import passing
from intuition_core.history import History
from intuition_core.trading.composition import Composition
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.order_manager import NO_MORE
from intuition_core.trading.records import (
    Record,
    Written,
    as_mappings,
    ends_an_order,
    fills_of,
    refuses_an_event,
)

RUN: Final = ""
"""What the ids of its records start with: no executor ever sees them, so they need not be unique."""

_UNKNOWN: Final = 0.05
"""Which part of all the events the first ones are taken for, where nobody knows."""

_NUMBER: Final = re.compile(r"[0-9][0-9.,]*(?:e[-+]?[0-9]+)?")
"""What is left out of reasons, so that those alike are counted together."""

_AT_ONCE: Final = 1000
"""How many records are kept before they are passed on."""


class Backtest:
    """Takes recorded events, and keeps the account's course, its trades and the hash of its decisions.

    Attributes:
        engine: the live parts.

    Args:
        composition: the recipe.
        benchmark: the symbol to compare with; None for equal amounts of all symbols.
        listen: called with the records, in order, some at once.
        engine: makes the live parts; `TradingEngine`, or one that tells what they do.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        composition: Composition,
        *,
        benchmark: str | None = None,
        listen: Callable[[Sequence[Record]], None] | None = None,
        engine: Callable[..., TradingEngine] = TradingEngine,
    ) -> None:
        self.engine = engine(composition, run=RUN)
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.unbooked: Counter[str] = Counter()
        self.shut_out: Counter[str] = Counter()
        self._benchmark = benchmark
        self._listen = listen
        self._curve = EquityCurve(self.engine.ledger, benchmark=benchmark)
        self._digest = Digest(RUN)
        self._kept = self.engine.recorder.written
        self._trades = Trades()
        self._expected = 0.0
        self._first_ts: int | None = None
        self._last_ts: int | None = None

    @property
    def decisions_sha256(self) -> str:
        """The hash of what the events so far led to; see `Digest`."""
        self._pass_on()
        return self._digest.hexdigest()

    def take(self, events: Sequence[Data], *, part: float | None = None) -> None:
        """Take the next events, in the order of their time.

        Args:
            events: all of them of at least the last one's time.
            part: which part of all the events has been given with these, from 0 to 1, where that is known.

        Raises:
            PartFailed: a part failed whose policy is to end the run.
        """
        if not events:
            return
        events = self.engine.timers.between(events)
        with passing():
            self._take(events, part)
        self.engine.leave_if_forked()

    def _take(self, events: Sequence[Data], part: float | None) -> None:
        if self._first_ts is None:
            self._first_ts = events[0]["ts"]
        self._last_ts = events[-1]["ts"]
        # A source may count what it has read ahead, so that the first batch looks like much of it.
        span = (self._last_ts - self._first_ts) / (part or _UNKNOWN)
        if span > 2 * self._expected and (part or not self._expected):
            self._expected = span
            self._curve.expect(span)
        curve = self._curve
        start = 0
        while True:
            end = curve.stretch(events, start)
            if end > start:
                self._run(events if end - start == len(events) else events[start:end])
            if end == len(events):
                return
            curve.turn(events[end]["ts"], events[end].get("start"))
            start = end

    def _run(self, events: Sequence[Data]) -> None:
        engine, curve, books = self.engine, self._curve, self.engine.books
        others, moves = engine.others, books.moves
        before = engine.seq + 1
        seen = 0
        kept, failures = self._kept, engine.failures
        if books.market.has_instruments:  # a rate changes what everything is worth, and leaves no record
            self._run_each(events)
            return
        for _ in engine.play(events):
            if books.moves != moves:
                moves = books.moves
                at = engine.seq - before
                if at > seen:
                    curve.look(events, seen, at, only_quotes=engine.others == others)
                curve.settle(events[at])
                seen = at + 1
            if failures.halted is not None:
                raise failures.halted
        curve.look(events, seen, len(events), only_quotes=engine.others == others)
        if len(kept) >= _AT_ONCE:
            self._pass_on()

    def _run_each(self, events: Sequence[Data]) -> None:
        """Take events and read the account after each of them."""
        for data in events:
            self._kept += self.engine.step(data)
            self._curve.settle(data)
            if self.engine.halted is not None:
                raise self.engine.halted
        if len(self._kept) >= _AT_ONCE:
            self._pass_on()

    def _pass_on(self) -> None:
        """Hash, count and hand on the records that were kept for it: many at once cost less."""
        written = self.engine.recorder.take_written()
        self._digest.add(written)
        self._count(written)
        self._trades.extend(fills_of(written))

    def _count(self, written: Sequence[Written]) -> None:
        types = [record["type"] if isinstance(record, dict) else record.type for record in written]
        self.counts.update(types)
        if "rejection" in types:
            rejections = [record for record, type_ in zip(written, types, strict=True) if type_ == "rejection"]
            for record in as_mappings(rejections):
                self._count_rejection(record)
        if self._listen is not None and written:
            self._listen(as_mappings(written))

    def _count_rejection(self, record: Record) -> None:
        """Count what refuses an order, what ends one that was placed, and what is no order, each with its reasons."""
        if refuses_an_event(record):
            self.counts["rejection"] -= 1
            self.unbooked[record["reason"]] += 1
        elif ends_an_order(record):
            self.counts["rejection"] -= 1
            self.counts["ended"] += 1
            if record["reason"].startswith(f"{NO_MORE}: "):
                self.shut_out[record["reason"]] += 1
        else:
            reason = record["reason"].replace(str(record["sid"]), "…")
            self.refusals[_NUMBER.sub("…", reason)] += 1

    def finish(self, *, source: str, complete: bool = True) -> History:
        """Cancel what can no longer fill, and say what the run came to.

        Args:
            source: where the events came from, in a few words.
            complete: whether all events were taken.
        """
        engine = self.engine
        events = engine.seq
        if self._last_ts is not None:
            self._pass_on()
            self._count(engine.cancel_open_orders(self._last_ts))
        self._curve.finish()
        composition = engine.composition
        names = " and ".join(f"{line.algorithm.name} with {line.portfolio.name}" for line in composition.sleeves)
        return History(
            title=names,
            composition=composition.to_json(),
            source=source,
            events=events,
            first_ts=self._first_ts,
            last_ts=self._last_ts,
            deposits=engine.ledger.deposits,
            equity=engine.ledger.equity,
            slices=self._curve.slices,
            days=self._curve.days,
            priced=self._curve.priced,
            benchmark=self._benchmark or "equal amounts of all symbols, held",
            trades=self._trades,
            counts=self.counts,
            statement=Statement.of(engine.ledger, events).to_json(),
            complete=complete,
            notices=engine.told,
            unquoted=engine.booking.unquoted,
            refusals=dict(self.refusals.most_common()),
            unbooked=dict(self.unbooked.most_common()),
            shut_out=dict(self.shut_out.most_common()),
        )
