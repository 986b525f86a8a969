"""Who is told of committed records: the console, hooks, and whatever else listens to a session."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from intuition_core.trading.records import Record

_log: Final = logging.getLogger(__name__)

Listener = Callable[[Sequence[Record]], None]
"""Called with the records of each committed batch that has some, in their order."""


class Listeners:
    """Tells listeners of records one by one; an error of one of them changes nothing for the others."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Tell a listener of all records from now on."""
        self._listeners.append(listener)

    def tell(self, records: Sequence[Record]) -> None:
        """Tell all listeners of what was committed."""
        for listener in self._listeners:
            try:
                listener(records)
            except Exception as error:  # noqa: BLE001  # what is committed is answered, whoever cannot take note of it
                _log.error(
                    "seq %d: %s failed with %s: %s; the records are kept all the same",
                    records[-1]["seq"],
                    type(listener).__name__,
                    type(error).__name__,
                    error,
                    exc_info=error if _log.isEnabledFor(logging.DEBUG) else None,
                )
