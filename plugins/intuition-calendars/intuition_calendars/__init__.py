"""Trading calendars of exchanges, by exchange_calendars."""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from intuition_core.errors import IntuitionError, did_you_mean

FIRST: Final = "1990-01-01"
LAST: Final = "2040-12-31"
"""The days between which sessions are given, as far as a calendar reaches. They are fixed: the library's own default
moves with today's date, and a replay next year would have other sessions than the run."""

_NO_TIME: Final = -(2**63)
"""The library's mark for a session without a break."""


class UnknownCalendar(IntuitionError, LookupError):
    """A name of which exchange_calendars knows no calendar."""

    def __init__(self, name: str, hint: str) -> None:
        self.name = name
        super().__init__(
            f"exchange_calendars knows no calendar `{name}`{hint or '; they have names such as XNYS or XLON'}"
        )


class Exchange:
    """The calendars of exchanges: ISO 10383 codes such as ``XNYS``, and common names such as ``NYSE``."""

    def sessions(self, name: str) -> Iterator[tuple[int, int]]:
        """Yield the opening and the closing time of each session, nanoseconds UTC.

        Raises:
            UnknownCalendar: there is no calendar of that name.
        """
        calendar = _calendar(name)
        return zip(calendar.opens_nanos.tolist(), calendar.closes_nanos.tolist(), strict=True)

    def breaks(self, name: str) -> Iterator[tuple[int, int]]:
        """Yield the beginning and the end of each break within sessions, such as over noon, nanoseconds UTC.

        Raises:
            UnknownCalendar: there is no calendar of that name.
        """
        calendar = _calendar(name)
        pauses = zip(calendar.break_starts_nanos.tolist(), calendar.break_ends_nanos.tolist(), strict=True)
        return (pause for pause in pauses if pause[0] != _NO_TIME)


@cache
def _calendar(name: str) -> Any:
    with warnings.catch_warnings():
        # exchange_calendars 4.13 uses what pandas 3 deprecates, about which nobody here can do anything.
        warnings.simplefilter("ignore", DeprecationWarning)
        import exchange_calendars  # takes most of a second, and only who names a calendar needs it

        try:
            bounds = exchange_calendars.get_calendar(name)
        except exchange_calendars.errors.InvalidCalendarName:
            raise UnknownCalendar(name, did_you_mean(name.upper(), exchange_calendars.get_calendar_names())) from None
        least, most = bounds.bound_min(), bounds.bound_max()
        return exchange_calendars.get_calendar(
            name,
            start=FIRST if least is None else max(FIRST, str(least.date())),
            end=LAST if most is None else min(LAST, str(most.date())),
        )
