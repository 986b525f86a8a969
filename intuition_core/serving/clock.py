"""Timers that fall due by the wall clock, told among the calls of a session."""

import logging
from typing import Final

from intuition_core.session.errors import Halted, JournalFailed, Stopping
from intuition_core.session.session import Session

LONGEST: Final = 1.0
"""Seconds until timers are looked at again at the latest: the clock may be set, and parts bring timers along."""
AGAIN: Final = 1.0
"""Seconds until timers are told again that could not be kept."""
AGAIN_AFTER_A_DEFECT: Final = 60.0

_log = logging.getLogger("intuition")


class TimerClock:
    """Tells the timers of a session that goes by the wall clock.

    Args:
        session: the session, which has its wall clock.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def tell(self) -> float | None:
        """Tell the timers that are due; return in how many seconds to call again, None for never.

        It is called by the one thread that owns the parts, and raises nothing.
        """
        try:
            wait = self._session.tell_timers()
        except (Halted, Stopping):
            return None
        except JournalFailed as error:
            _log.warning("timers wait: %s", error)
            return AGAIN
        except Exception as error:  # noqa: BLE001  # the thread is that of all calls, which go on
            _log.error("timers wait: %s", error, exc_info=error if _log.isEnabledFor(logging.DEBUG) else None)
            return AGAIN_AFTER_A_DEFECT
        return LONGEST if wait is None else min(wait, LONGEST)
