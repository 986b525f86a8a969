"""The contract of trading calendars as tests to subclass."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar, Final, TypeAlias

from intuition_core.account.hours import Hours
from intuition_core.errors import IntuitionError
from intuition_core.testing.contract import Made, must, skip
from intuition_core.testing.example import missing_params
from intuition_core.testing.starting import StartingContract

Spans: TypeAlias = list[tuple[int, int]]

_COMMON: Final = ("XNYS", "XLON", "XTKS", "24/7")
"""Calendars of which a part may know one, where it does not say which it knows."""

_MOST: Final = 3
"""The number of calendars that are checked where a part names more."""

_UNKNOWN: Final = "no such calendar"
_YEAR: Final = 365 * 86_400 * 10**9


class CalendarContract(StartingContract):
    """The checks of trading calendars.

    ::

        class TestMyCalendar(CalendarContract):
            part = MyCalendar
            calendars = ("XLON",)

    Attributes:
        calendars: the names to ask for; where empty, the first that the part's ``names()`` gives, or else whatever it
            knows of some common ones.
    """

    kind: ClassVar[str] = "calendar"
    asked: ClassVar[str] = "sessions"
    calendars: ClassVar[Sequence[str]] = ()

    def names(self) -> Sequence[str]:
        """Return names of calendars that the part knows.

        Raises:
            SkipTest: none is known.
        """
        if self.calendars:
            return self.calendars
        live = self.make().live
        if callable(getattr(live, "names", None)):
            return [*islice(live.names(), _MOST)]
        known = [name for name in _COMMON if _knows(live, name)]
        if not known:
            skip(
                f"it knows none of {', '.join(_COMMON)}: set `calendars` in this class to names that it knows, or"
                " define `names()`, which gives them"
            )
        return known[:_MOST]

    def exercise(self, made: Made) -> None:
        """Ask the part for the hours of a calendar."""
        for name in self.names()[:1]:
            _hours(made.live, name)

    # -- the checks

    def test_works_without_parameters(self) -> None:
        """A configuration names a calendar's plugin and no parameters of it."""
        missing = missing_params(self.factory, {})
        must(
            not missing,
            f"it needs `{'`, `'.join(missing)}`, and a calendar is given no parameters: give each a default, or put"
            " what differs into the name that it is asked for",
        )

    def test_sessions_are_in_order(self) -> None:
        """Sessions are pairs of times in nanoseconds UTC, one after the other; there are some."""
        for name in self.names():
            sessions = self._spans(name, "sessions")
            must(
                bool(sessions), f"`sessions({name!r})` gives none: raise `LookupError` where it knows no such calendar"
            )
            try:
                Hours(name, sessions)
            except IntuitionError as error:
                raise AssertionError(f"{error}: give sessions in order, each closed before the next opens") from None
            must(
                abs(sessions[-1][1]) >= _YEAR or abs(sessions[0][0]) >= _YEAR,
                f"`sessions({name!r})` gives nothing but times around the first of January 1970, such as"
                f" {sessions[-1][1]}: give nanoseconds UTC",
            )

    def test_breaks_are_within_sessions(self) -> None:
        """Each break lies within one session."""
        if not callable(getattr(self.make().live, "breaks", None)):
            skip("it has no `breaks`, so it trades from the opening of each session to its close")
        for name in self.names():
            sessions = self._sessions(name)
            breaks = self._spans(name, "breaks")
            try:
                Hours(name, (), breaks)
            except IntuitionError as error:
                raise AssertionError(f"`breaks`: {error}".replace("session", "break")) from None
            opens = [first for first, _ in sessions]
            for first, last in breaks:
                number = bisect_right(opens, first) - 1
                must(
                    number >= 0 and last <= sessions[number][1],
                    f"`breaks({name!r})` gives one from {first} to {last}, which is not within a session",
                )

    def test_gives_the_same_again(self) -> None:
        """A second part returns the same sessions and breaks, as a replay must see those of the run."""
        for name in self.names():
            self._sessions(name)
            must(
                _hours(self.make().live, name) == _hours(self.make().live, name),
                f"another part gives other hours of `{name}`: a replay must see what the run saw; do not begin or end"
                " with today, and draw nothing",
            )

    def test_no_wall_clock(self) -> None:
        """The part does not read the clock: tomorrow's replay would see other sessions."""
        for name in self.names():
            self._sessions(name)
        self._without("clock", "give sessions between two fixed days, as far in the future as they are known")

    def test_no_global_randomness(self) -> None:
        """The part draws from no generator that it shares with others."""
        for name in self.names():
            self._sessions(name)
        self._without("randomness", "hours are known, not drawn")

    def test_unknown_names_are_refused(self) -> None:
        """An unknown name of a calendar raises a `LookupError` with that name."""
        try:
            found = [*self.make().live.sessions(_UNKNOWN)]
        except LookupError as error:
            must(
                str(error).strip("'\"") not in ("", _UNKNOWN),
                f"`sessions({_UNKNOWN!r})` raises {type(error).__name__} without a word on what is wrong: say that"
                " there is no such calendar, and which there are",
            )
            return
        except Exception as error:
            raise AssertionError(
                f"`sessions({_UNKNOWN!r})` raises {type(error).__name__} ({error}): make it a `LookupError`, which"
                " tells a misspelt name from a fault"
            ) from error
        raise AssertionError(
            f"`sessions({_UNKNOWN!r})` gives {len(found)} sessions: raise `LookupError` for names that it does not"
            " know, or a misspelt one changes how orders end"
        )

    def _sessions(self, name: str) -> Spans:
        """Return the sessions of a calendar.

        Raises:
            SkipTest: there is something wrong with them.
        """
        try:
            sessions = self._spans(name, "sessions")
            Hours(name, sessions)
        except (AssertionError, IntuitionError):
            skip("it cannot be judged before its sessions are right, see test_sessions_are_in_order")
        return sessions

    def _spans(self, name: str, method: str) -> Spans:
        """Return the sessions or the breaks that a new part gives."""
        asked: Callable[[str], Iterable[Any]] = getattr(self.make().live, method)
        try:
            given = list(asked(name))
        except Exception as error:
            raise AssertionError(f"`{method}({name!r})` raises {type(error).__name__}: {error}") from error
        for span in given:
            fits = isinstance(span, Sequence) and len(span) == 2 and all(type(edge) is int for edge in span)
            must(
                fits,
                f"`{method}({name!r})` gives {span!r:.80}: give pairs of `int`, nanoseconds UTC, when it begins and"
                " when it ends",
            )
        return [(first, last) for first, last in given]


def _knows(live: Any, name: str) -> bool:
    try:
        return bool([*islice(live.sessions(name), 1)])
    except Exception:  # noqa: BLE001  # what else it raises is told where an unknown name is checked
        return False


def _hours(live: Any, name: str) -> tuple[list[Any], list[Any]]:
    """Return the sessions and the breaks of a calendar."""
    breaks = live.breaks(name) if callable(getattr(live, "breaks", None)) else ()
    return [*live.sessions(name)], [*breaks]
