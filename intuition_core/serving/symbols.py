"""The number of symbols that a session knows at most: each one takes memory of the core for good."""

import logging
from collections.abc import Container, Iterable, Sized
from typing import Protocol

from intuition_core.data import Event
from intuition_core.errors import BadData

_log = logging.getLogger("intuition")


class _Known(Container[str], Sized, Protocol):
    """The symbols that have a price."""


class TooManySymbols(BadData):
    """A quote of a symbol that is one too many."""

    def __init__(self, sid: str, limit: int) -> None:
        self.sid = sid
        self.limit = limit
        super().__init__(
            f"{sid} would be one more than the {limit:,} symbols that a session knows at most; raise `symbols` in "
            "[worker], or find out who publishes so many",
            field="sid",
        )


class SymbolLimit:
    """Refuses quotes of new symbols beyond a number.

    Args:
        limit: the number.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._fresh: set[str] = set()  # those of payloads that were let in and may not have run yet
        self._told = False

    def check(self, events: Iterable[Event], known: _Known) -> None:
        """Refuse the events of a payload that has a symbol too many.

        Args:
            events: the events.
            known: the symbols that have a price.

        Raises:
            TooManySymbols: one of them has a new symbol, and there are enough.
        """
        new = {event["sid"] for event in events if event["channel"] == "quotes" and event["sid"] not in known}
        new -= self._fresh
        if not new:
            return
        if len(known) + len(self._fresh) + len(new) > self._limit:
            self._fresh = {sid for sid in self._fresh if sid not in known}
        if len(known) + len(self._fresh) + len(new) > self._limit:
            error = TooManySymbols(min(new), self._limit)
            if not self._told:
                self._told = True
                _log.warning("quotes of new symbols are refused from now on: %s", error)
            raise error
        self._fresh |= new
