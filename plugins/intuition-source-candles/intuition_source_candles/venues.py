"""The venues: how each is asked for candles, and what it answers."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from intuition_core.errors import BadData
from intuition_core.recordings import TryLater, read_price, time_unit
from intuition_source_candles.errors import BadAnswer, VenueRefused

_SECOND: Final = 10**9
_MILLISECOND: Final = 10**6
_MINUTE: Final = 60 * _SECOND
_LENGTHS: Final = {
    "1s": _SECOND,
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": 60 * _MINUTE,
    "2h": 120 * _MINUTE,
    "4h": 240 * _MINUTE,
    "6h": 360 * _MINUTE,
    "8h": 480 * _MINUTE,
    "12h": 720 * _MINUTE,
    "1d": 1440 * _MINUTE,
    "3d": 3 * 1440 * _MINUTE,
    "1w": 7 * 1440 * _MINUTE,
    "15d": 15 * 1440 * _MINUTE,
}
_LATER: Final = ("EService:", "EGeneral:Too many requests", "EAPI:Rate limit", "EGeneral:Temporary lockout")


class Candle(NamedTuple):
    """A candle, with its times in nanoseconds UTC."""

    begin: int
    end: int
    """When it is known: the beginning of the next one."""
    open: float
    high: float
    low: float
    close: float
    volume: float


class Venue(NamedTuple):
    """A venue's interface for candles.

    ``query`` returns the path and the query that ask for candles which begin from a time on, and before another, both
    nanoseconds UTC; ``rows`` returns the candles of an answer.
    """

    name: str
    url: str
    """Where it is by default."""
    pause: float
    """The seconds between two requests by which its limits are kept."""
    limit: int
    """How many candles an answer has at most."""
    latest: bool
    """Whether of more candles it gives the latest; else the first."""
    intervals: Mapping[str, int]
    """The lengths of its candles, in nanoseconds."""
    query: Callable[[str, str, int, int], tuple[str, dict[str, str]]]
    rows: Callable[[Any], list[list[Any]]]
    place: Mapping[str, int]
    """Where in a row each price and the volume is; the beginning is first."""
    unit: str
    """What its times count."""

    def candles(self, content: Any, length: int) -> list[Candle]:
        """Return the candles of an answer, oldest first.

        Raises:
            BadAnswer: it has something else.
            TryLater: the venue asks to wait.
            VenueRefused: it refuses the request.
        """
        candles: list[Candle] = []
        for row in self.rows(content):
            candle = self._candle(row, length)
            if candles and candle.begin < candles[-1].end:
                raise BadAnswer(self.name, f"a candle of {row[0]} after another that is not over then")
            candles.append(candle)
        return candles

    def _candle(self, row: Any, length: int) -> Candle:
        if not isinstance(row, list) or len(row) <= max(self.place.values()):
            raise BadAnswer(self.name, f"{row!r:.100} where a candle was expected")
        factor = _SECOND if self.unit == "s" else _MILLISECOND
        try:
            if type(row[0]) is not int or time_unit(row[0]) != self.unit:
                raise BadAnswer(self.name, f"a candle of {row[0]!r:.40}, which is no time in {self.unit}")
            prices = {name: read_price(name, row[place]) for name, place in self.place.items() if name != "volume"}
            volume = float(row[self.place["volume"]])
        except (BadData, TypeError, ValueError, OverflowError) as error:
            raise BadAnswer(self.name, f"a candle {row!r:.100} ({error})") from None
        if not 0.0 <= volume < float("inf"):
            raise BadAnswer(self.name, f"a candle {row!r:.100} (its volume cannot be)")
        begin = row[0] * factor
        return Candle(begin, begin + length, volume=volume, **prices)


def _binance(sid: str, interval: str, first: int, end: int) -> tuple[str, dict[str, str]]:
    query = {"symbol": sid, "interval": interval, "limit": "1000"}
    # Both are times of beginnings, and both are included.
    query |= {"startTime": str(-(-first // _MILLISECOND)), "endTime": str((end - 1) // _MILLISECOND)}
    return "/api/v3/klines", query


def _binance_rows(content: Any) -> list[list[Any]]:
    if not isinstance(content, list):
        raise BadAnswer("binance", f"{content!r:.100} where an array of candles was expected")
    return content


def _kraken(sid: str, interval: str, first: int, end: int) -> tuple[str, dict[str, str]]:  # noqa: ARG001  # it has no end
    minutes = _LENGTHS[interval] // _MINUTE
    # What begins after a second is given: a second before the first one.
    return "/0/public/OHLC", {"pair": sid, "interval": str(minutes), "since": str(-(-first // _SECOND) - 1)}


def _kraken_rows(content: Any) -> list[list[Any]]:
    if not isinstance(content, dict):
        raise BadAnswer("kraken", f"{content!r:.100} where an object was expected")
    errors = content.get("error")
    if errors:
        said = ", ".join(map(str, errors))[:200] if isinstance(errors, list) else repr(errors)[:200]
        if said.startswith(_LATER):
            raise TryLater(f"kraken answered with {said}")
        raise VenueRefused("kraken", said, "look at the symbol, such as XBTUSD, and the `interval`")
    result = content.get("result")
    rows = [value for key, value in result.items() if key != "last"] if isinstance(result, dict) else []
    if len(rows) != 1 or not isinstance(rows[0], list):
        raise BadAnswer("kraken", f"{content!r:.100} where candles of one pair were expected")
    return rows[0]


VENUES: Final = {
    "binance": Venue(
        name="binance",
        url="https://data-api.binance.vision",
        pause=0.25,
        limit=1000,
        latest=False,
        intervals={name: length for name, length in _LENGTHS.items() if name != "15d"},
        query=_binance,
        rows=_binance_rows,
        place={"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5},
        unit="ms",
    ),
    "kraken": Venue(
        name="kraken",
        url="https://api.kraken.com",
        pause=1.0,
        limit=720,
        latest=True,
        intervals={name: _LENGTHS[name] for name in ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "15d")},
        query=_kraken,
        rows=_kraken_rows,
        place={"open": 1, "high": 2, "low": 3, "close": 4, "volume": 6},
        unit="s",
    ),
}
"""The venues by name."""
