"""Variants beside a session, and their comparison as it goes on."""

from collections.abc import Callable, Sequence

from intuition_compare.comparison import Comparison, Drawing
from intuition_compare.differences import Difference, difference
from intuition_compare.runs import run_of
from intuition_compare.variants import Variant
from intuition_core.runs import FollowedSession


class Following:
    """The comparison of a session with variants on the events that the session has taken.

    Args:
        session: the session; its own recipe is followed first.
        variants: the recipes beside it.
        drawing: the options of the intervals.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(self, session: FollowedSession, variants: Sequence[Variant], drawing: Drawing) -> None:
        self._session = session
        self._drawing = drawing
        session.follow(session.name)
        for name, composition in variants:
            session.follow(name, composition)
        self._days = -1
        self._differences: list[Difference] = []

    def catch_up(self, ended: Callable[[], bool]) -> bool:
        """Run the committed events of the session through all variants; return whether there were any.

        Args:
            ended: asked now and then; once it is true, the rest is left for the next call.

        Raises:
            SessionChanged: the variants were made from an earlier state of the session's configuration.
            ReplayDiffers: the session's own parts decide otherwise than its journal says.
            BadJournal: the journal cannot be read.
        """
        return self._session.catch_up(ended)

    def comparison(self) -> Comparison:
        """Return the comparison so far; a day counts for the intervals once another one has begun."""
        name = self._session.name
        runs = [run_of(each.name, each.history(name), each.decisions_sha256) for each in self._session.followers]
        days = len(runs[0].history.days)
        if days != self._days:
            self._days = days
            self._differences = [difference(runs[0], run, **self._drawing._asdict(), open_day=True) for run in runs[1:]]
        return Comparison(runs, self._differences, self._drawing)
