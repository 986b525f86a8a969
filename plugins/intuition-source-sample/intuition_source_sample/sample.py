"""The source itself: recorded rows become events in the order in which the market gave them."""

from collections.abc import Iterator
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from intuition_core.errors import BadParameter, did_you_mean
from intuition_source_sample.table import Row, rows

_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16)


class Sample:
    """Daily bars of AAPL, FB, GOOG, IBM and MSFT from 1 March 2000 to 1 March 2013; GOOG and FB begin when listed.

    Prices are in US dollars as they were quoted, not adjusted for splits or dividends: a position held over a split
    seems to lose half. The stocks were picked by hand long afterwards, so they show how things work, not what a
    strategy is worth.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Which events, and how many."""

        symbols: Annotated[
            tuple[str, ...],
            msgspec.Meta(description="The symbols to give, such as GOOG; none given means all."),
        ] = ()
        limit: Annotated[
            Annotated[int, msgspec.Meta(ge=1)] | None,
            msgspec.Meta(description="Stop after so many events; without it, all are given."),
        ] = None

    def initialize(self, params: Params) -> None:
        """Read the recorded table and put it in order.

        Raises:
            BadParameter: a symbol that was not recorded.
            NoTable: the recorded table is not installed.
        """
        table = list(rows())
        recorded = sorted({row.sid for row in table})
        for symbol in params.symbols:
            if symbol not in recorded:
                hint = did_you_mean(symbol, recorded)
                raise BadParameter("sample", "symbols", f"no `{symbol}` there, only {', '.join(recorded)}{hint}")
        wanted = set(params.symbols or recorded)
        self._rows = sorted((row for row in table if row.sid in wanted), key=attrgetter("date", "sid"))
        self._limit = params.limit

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the bars as events, in the order of time, and of the symbols' names within one session.

        An event holds ``channel`` (quotes), ``sid``, ``quote`` (the close), ``open``, ``high``, ``low``, ``close``,
        ``volume`` (shares), ``start`` and ``ts``. A bar begins when its session does and is known when that ends, so
        ``start`` and ``ts`` are 9:30 and 16:00 in New York of its date, in nanoseconds UTC; on the few days on which
        the market closed early, that is later than it was known, never earlier.
        """
        return map(_event, islice(self._rows, self._limit))


def _event(row: Row) -> dict[str, Any]:
    close = float(row.close)
    start, end = _session(row.date)
    return {
        "channel": "quotes",
        "sid": row.sid,
        "quote": close,
        "open": float(row.open),
        "high": float(row.high),
        "low": float(row.low),
        "close": close,
        "volume": int(row.volume),
        "start": start,
        "ts": end,
    }


@lru_cache(maxsize=1)  # the rows come by date
def _session(day: str) -> tuple[int, int]:
    """Return 9:30 and 16:00 in New York of an ISO date, in nanoseconds UTC."""
    opens, closes = (
        datetime.combine(date.fromisoformat(day), clock, ZoneInfo("America/New_York")) for clock in (_OPEN, _CLOSE)
    )
    return int(opens.timestamp()) * 1_000_000_000, int(closes.timestamp()) * 1_000_000_000
