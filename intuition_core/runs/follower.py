"""A composition that follows a session: it takes the session's journaled events, with an account of its own."""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial

import msgspec

from intuition_core.account.amounts import EXACT
from intuition_core.account.statement import Statement
from intuition_core.backtest.equity import EquityCurve
from intuition_core.cli.monitor import Monitor
from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.errors import IntuitionError
from intuition_core.history import History
from intuition_core.runs.places import Places, places
from intuition_core.session.journal import Journal
from intuition_core.session.recovery import replayed_events, restored
from intuition_core.trading.composition import Composition, difference
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record
from intuition_core.trading.timers import TIMER


class NotAtBoundary(IntuitionError):
    """A variant that cannot begin where another version of a part of the session was taken up."""

    def __init__(self, name: str, boundary: int, key: str, *, dropped: bool = False) -> None:
        self.name = name
        self.boundary = boundary
        self.key = key
        why = (
            f"events up to {boundary} are not kept any more"
            if dropped
            else f"another version of a part was taken up after event {boundary}"
        )
        super().__init__(
            f"{name}: {why}, and comparisons begin there, with the account as it was: its `{key}` cannot be another; "
            "vary algorithms, portfolios and their parameters"
        )


class VersionChanged(IntuitionError):
    """A session that was followed until it took up another version of a part, which this process does not have."""

    def __init__(self, name: str, boundary: int) -> None:
        self.name = name
        self.boundary = boundary
        super().__init__(
            f"{name}: another version of a part was taken up after event {boundary}; start the comparison again: it "
            "begins there"
        )


class Follower:
    """A run that takes the events of a session's journal and keeps the course of its own account, in memory.

    After an upgrade of the session, events before the boundary are never run again, and those that were dropped cannot
    be: the follower begins after them, with the session's account, open orders and state of parts. Parts of its own
    take their places there and begin anew, as after a swap.

    Attributes:
        name: the name in messages and as title of the history.

    Args:
        name: the same.
        composition: the recipe.
        run: the session's run, with which the ids of records begin.
        session: the session's recipe; None where the follower is the session itself, and each record must be the
            journal's.
        monitor: shows the parts to the process in front; None where nothing looks after them.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        name: str,
        composition: Composition,
        *,
        run: str,
        session: Composition | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self.name = name
        self._monitor = monitor if monitor is not None else Monitor()
        self._run = run
        self._composition = composition
        self._session = session
        self._original = session is None
        self._places = places(composition, session or composition)
        self._begun = 0
        self._why = ""
        self._open(composition)
        self._event: Data = {}
        self._digest = Digest(run)
        self._counts: Counter[str] = Counter()
        self._first_ts: int | None = None
        self._last_ts: int | None = None

    def _open(self, composition: Composition) -> None:
        engine = partial(_AnnouncingEngine, status=self._monitor.words)
        with self._monitor.starting(composition):
            self._engine = engine(composition, run=self._run)
        self._engine.announce = self._before
        self._curve = EquityCurve(self._engine.ledger)
        self._deposits = self._worth = self._engine.ledger.deposits

    @property
    def seq(self) -> int:
        """The number of the last event taken."""
        return self._engine.seq

    @property
    def decisions_sha256(self) -> str:
        """The SHA-256 of all decisions so far, in hexadecimal, as each command prints it."""
        return self._digest.hexdigest()

    def take(self, journal: Journal, *, until: int) -> None:
        """Take the journal's events after the last one taken, with what was decided about parts that failed.

        Args:
            journal: of the session.
            until: the number of the last event to take.

        Raises:
            ReplayDiffers: the session's own parts decide otherwise than its journal says.
            NotAtBoundary: it differs in more than parts from a session that has to be begun with in its midst.
            VersionChanged: the session has gone on with another version of a part meanwhile.
            BehindBoundary, SegmentUnreadable: the session's state there cannot be taken up.
            BeforeBeginning: the follower has fallen behind what the session keeps.
        """
        if not self.seq and journal.start:
            self._begin_at(journal.start, journal)
        elif (boundary := journal.boundary) > self._begun:
            raise VersionChanged(self.name, boundary)
        engine = self._engine
        try:
            with self._monitor.watching(engine):
                for records in replayed_events(engine, journal, after=self.seq, until=until, compare=self._original):
                    self._after(records)
        except IntuitionError as error:
            error.args = (f"{self.name}: {error}",)
            raise

    def history(self, source: str) -> History:
        """Return the course of the account so far; the follower can go on. Single trades are left out.

        Args:
            source: a short text for people that names the origin of the events.
        """
        curve = copy(self._curve)
        curve.slices, curve.days = [*curve.slices], [*curve.days]
        curve.finish()
        engine = self._engine
        return History(
            title=self.name,
            composition=engine.composition.to_json(),
            source=source if not self._begun else f"{source} from event {self._begun + 1} on{self._why}",
            events=engine.seq - self._begun,
            first_ts=self._first_ts,
            last_ts=self._last_ts,
            deposits=EXACT.add(self._worth, EXACT.subtract(engine.ledger.deposits, self._deposits)),
            equity=engine.ledger.equity,
            slices=curve.slices,
            days=curve.days,
            priced=curve.priced,
            benchmark="equal amounts of all symbols, held",
            trades=(),
            counts=dict(self._counts),
            statement=Statement.of(engine.ledger, engine.seq).to_json(),
            complete=True,
        )

    def _begin_at(self, boundary: int, journal: Journal) -> None:
        """Begin with the session's state at the boundary of an upgrade, or where its events are kept from."""
        session, own = self._session or self._composition, self._composition
        terms = msgspec.structs.replace(own, sleeves=session.sleeves)
        if (key := difference(session.to_json(), terms.to_json())) is not None:
            raise NotAtBoundary(self.name, boundary, key, dropped=boundary > journal.boundary)
        self._open(session)
        engine = self._engine
        self._why = ", with another version" if boundary == journal.boundary else ""
        self._begun = restored(engine, journal, wanted=False)
        for (kind, name), before, part in zip(session.places, session.parts, own.parts, strict=True):
            if (kind, name) in self._places.own:
                # The place keeps the name that the session's account knows it by.
                named = part if kind != "algorithm" else msgspec.structs.replace(part, name=before.name)
                engine.roster.put(engine.swaps.place(kind, name), named, seq=engine.seq)
        self._places = Places({}, self._places.own)
        ledger = engine.ledger
        self._deposits, self._worth = ledger.deposits, ledger.equity
        event: Data = {"channel": TIMER, "ts": engine.now}  # the latest one is not kept any more
        if boundary > journal.beginning:
            ((event, *_), _) = next(journal.batches(boundary - 1))
        # The account is seen once at its present equity, so that the course does not begin with its cash alone.
        self._curve.turn(event["ts"])
        self._curve.settle(event)
        self._curve.finish()
        self._curve.slices, self._curve.days = [], []

    def _before(self, event: Data) -> Data:
        """End a slice and a day of the curve while the account is as the event finds it; return the event to take."""
        self._event = event
        ts = self._last_ts = event["ts"]
        if self._first_ts is None:
            self._first_ts = ts
        if not self._curve.stretch((event,), 0):
            self._curve.turn(ts, event.get("start"))
        return event if self._original else self._places.event(event)

    def _after(self, records: Sequence[Record]) -> None:
        curve, event = self._curve, self._event
        if records or event["channel"] != DEFAULT_CHANNEL:  # the positions may have changed
            curve.settle(event)
            self._digest.add(records)
            self._counts.update(record["type"] for record in records)
        else:
            curve.look((event,), 0, 1)


class _AnnouncingEngine(TradingEngine):
    """An engine that announces each event before taking it, and takes the one that is returned."""

    announce: Callable[[Data], Data]

    def step(self, data: Data) -> Sequence[Record]:
        return super().step(self.announce(data))
