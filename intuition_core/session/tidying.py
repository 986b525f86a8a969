"""When the journal of a session drops what it is not to keep: between batches, a little at a time."""

import logging
import time
from typing import Final

from intuition_core.session.errors import BadJournal, JournalFailed
from intuition_core.session.journal import Journal

EVERY: Final = 0.05
"""Seconds after which a session that is never idle has another step."""
AGAIN: Final = 1.0
"""Seconds after which a step that could not be done is tried again."""

_log = logging.getLogger("intuition")


class Tidying:
    """The steps of a journal's retention.

    Args:
        journal: the journal of the session.

    Attributes:
        beginning: the last event before those that the journal holds, for any thread.
    """

    def __init__(self, journal: Journal) -> None:
        self.beginning = journal.beginning
        self._journal = journal
        self._retention = journal.retention
        self._at = time.monotonic()

    def is_due(self, seq: int) -> bool:
        """Return whether a segment of the journal is to end with this event, the last one that was run."""
        return self._retention is not None and self._retention.is_due(seq)

    def tell_no_state(self) -> None:
        """Note that a part gives no state, so that no segment can end."""
        if self._retention is not None:
            self._retention.tell_no_state()

    def step(self) -> float | None:
        """Take a step; return in how many seconds to take the next one, None for never."""
        if self._retention is None:
            return None
        self._at = time.monotonic()
        try:
            wait = self._retention.step()
        except (JournalFailed, BadJournal) as error:
            _log.warning("nothing of the journal is dropped at the moment: %s", error)
            return AGAIN
        self.beginning = self._journal.beginning
        return wait

    def step_if_time(self) -> None:
        """Take a step where none was taken for a while."""
        if self._retention is not None and time.monotonic() - self._at >= EVERY:
            self.step()
