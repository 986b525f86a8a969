"""A composition that runs beside a session: the session's journaled events, an account of its own in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy

from intuition_compare.places import places
from intuition_compare.runs import Run, run_of
from intuition_core.composition import Composition
from intuition_core.contracts import Data
from intuition_core.curve import Curve
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.digest import Digest
from intuition_core.errors import IntuitionError
from intuition_core.history import History
from intuition_core.journal import Journal
from intuition_core.ledger import Statement
from intuition_core.records import Record
from intuition_core.session import replayed_events
from intuition_core.strategy import Strategy


class Shadow:
    """Follows a journal, and keeps the account's course.

    Args:
        name: how the comparison calls it.
        composition: the recipe.
        run: the session's run, with which the ids of records begin.
        session: the session's recipe; None where this is the session itself, and every record must be the journal's.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(self, name: str, composition: Composition, *, run: str, session: Composition | None = None) -> None:
        self.name = name
        self._strategy = _Announcing(composition, run=run)
        self._strategy.announce = self._before
        self._original = session is None
        self._places = places(composition, session or composition)
        self._curve = Curve(self._strategy.ledger)
        self._event: Data = {}
        self._digest = Digest(run)
        self._counts: Counter[str] = Counter()
        self._first_ts: int | None = None
        self._last_ts: int | None = None

    @property
    def seq(self) -> int:
        """The number of the last event taken."""
        return self._strategy.seq

    def take(self, journal: Journal, *, until: int) -> None:
        """Take the journal's events after the last one taken; what befell parts of the same name befalls these.

        Args:
            journal: of the session.
            until: the number of the last event to take.

        Raises:
            ReplayDiffers: the session's own parts decide otherwise than its journal says.
        """
        strategy = self._strategy
        try:
            for records in replayed_events(strategy, journal, after=self.seq, until=until, compare=self._original):
                self._after(records)
        except IntuitionError as error:
            error.args = (f"{self.name}: {error}",)
            raise

    def result(self, source: str) -> Run:
        """Give what it has come to so far; it can go on."""
        curve = copy(self._curve)
        curve.slices, curve.days = [*curve.slices], [*curve.days]
        curve.finish()
        strategy = self._strategy
        history = History(
            title=self.name,
            composition=strategy.composition.plain(),
            source=source,
            events=strategy.seq,
            first_ts=self._first_ts,
            last_ts=self._last_ts,
            deposits=strategy.ledger.deposits,
            equity=strategy.ledger.equity,
            slices=curve.slices,
            days=curve.days,
            priced=curve.priced,
            benchmark="equal amounts of all symbols, held",
            trades=(),  # no figure of a comparison is about single trades
            counts=dict(self._counts),
            statement=Statement.of(strategy.ledger, strategy.seq).plain(),
            complete=True,
        )
        return run_of(self.name, history, self._digest.hexdigest())

    def _before(self, event: Data) -> Data:
        """End a slice and a day of the curve while the account still is as the event finds it; give what to take."""
        self._event = event
        ts = self._last_ts = event["ts"]
        if self._first_ts is None:
            self._first_ts = ts
        if not self._curve.stretch((event,), 0):
            self._curve.turn(ts)
        return event if self._original else self._places.event(event)

    def _after(self, records: Sequence[Record]) -> None:
        curve, event = self._curve, self._event
        if records or event["channel"] != DEFAULT_CHANNEL:  # the positions may have changed
            curve.settle(event)
            self._digest.add(records)
            self._counts.update(record["type"] for record in records)
        else:
            curve.look((event,), 0, 1)


class _Announcing(Strategy):
    """A strategy that tells of each event before it takes it, or another in its stead."""

    announce: Callable[[Data], Data]

    def step(self, data: Data) -> Sequence[Record]:
        return super().step(self.announce(data))
