"""A session under observation: its journal, read now and then, and the shadows that follow it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from intuition_compare.comparison import Comparison, Drawing
from intuition_compare.differences import Difference, difference
from intuition_compare.shadow import Shadow
from intuition_compare.variants import Variant
from intuition_core.cli.interruption import Interruption
from intuition_core.cli.monitor import Monitor
from intuition_core.errors import IntuitionError
from intuition_core.session.journal import Journal

_AT_ONCE: Final = 10_000
"""Events that a shadow takes at once; in between nothing of the journal is held, and Ctrl-C counts."""

_DECIDING: Final = ("run", "configuration")
"""What of a session's notes the shadows are made from."""


class SessionChanged(IntuitionError):
    """A session that is not any more what it was when the comparison began."""

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"{session} was begun anew, or given another configuration; start the comparison again")


class Watched:
    """A session and its shadows.

    The journal is opened to be read and closed again each time, so that the session is never kept from tidying it up.

    Args:
        path: the session's journal.
        notes: what the journal has noted of the session.
        variants: the session's own recipe first.
        drawing: how the intervals are drawn.
        monitor: what shows parts to the process in front.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        path: Path,
        notes: Mapping[str, Any],
        variants: Sequence[Variant],
        drawing: Drawing,
        *,
        monitor: Monitor | None = None,
    ) -> None:
        self._path = path
        self._notes = {key: notes[key] for key in _DECIDING}
        self._drawing = drawing
        session = variants[0].composition
        self._shadows = [
            Shadow(name, composition, run=notes["run"], session=session if n else None, monitor=monitor)
            for n, (name, composition) in enumerate(variants)
        ]
        self._days = -1
        self._differences: list[Difference] = []

    def catch_up(self, interruption: Interruption) -> bool:
        """Let the shadows take what the session has committed; say whether that was anything.

        Raises:
            SessionChanged: the shadows were made for what the session was before.
            ReplayDiffers: the session's own parts decide otherwise than its journal says.
            BadJournal: the journal cannot be read.
        """
        before = self._shadows[0].seq
        with Journal(self._path, read_only=True) as journal:
            notes = journal.meta()
            if any(notes[key] != known for key, known in self._notes.items()):
                raise SessionChanged(self._shadows[0].name)
            last = journal.last_seq
            while self._shadows[0].seq < last and not interruption.asked:
                until = min(last, self._shadows[0].seq + _AT_ONCE)
                for shadow in self._shadows:
                    shadow.take(journal, until=until)
        return self._shadows[0].seq > before

    def comparison(self) -> Comparison:
        """Give what is found so far; a day counts for the intervals once another one has begun."""
        runs = [shadow.result(self._shadows[0].name) for shadow in self._shadows]
        days = len(runs[0].history.days)
        if days != self._days:
            self._days = days
            self._differences = [difference(runs[0], run, **self._drawing._asdict(), open_day=True) for run in runs[1:]]
        return Comparison(runs, self._differences, self._drawing)
