"""The source itself: candles of a span of time, page by page, those alone that are finished."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from intuition_core.data import check_channel, check_sid
from intuition_core.errors import BadData, BadParameter
from intuition_core.recordings import Asking, Page, Taken, merge
from intuition_source_candles.errors import NotBounded, NotKept
from intuition_source_candles.venues import VENUES
from intuition_source_candles.web import Web

_PART: Final = "source candles"
_SECOND: Final = 10**9
_SETTLED: Final = 2 * _SECOND
"""How long after its end a candle may still change, or be missing from an answer."""

_MARGIN: Final = 10
"""How many candles later than the first one that is left to begin is advised, since meanwhile others are dropped."""


class CandlesParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which candles, and of which venue."""

    venue: Annotated[
        Literal["binance", "kraken"], msgspec.Meta(description="The venue, by whose interface it is asked.")
    ] = "binance"
    interval: Annotated[str, msgspec.Meta(description="How long a candle is, such as 1m, 1h or 1d.")] = "1m"
    url: Annotated[
        str | None, msgspec.Meta(description="Where the venue is, https://host; without one, its public place.")
    ] = None
    timeout: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=600)],
        msgspec.Meta(description="Seconds after which a venue that says nothing is given up."),
    ] = 20.0
    pause: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=600)] | None,
        msgspec.Meta(description="Seconds between two requests; without it, what the venue's limits ask for."),
    ] = None
    start: Annotated[int | None, msgspec.Meta(description="Leave out what is before this, in nanoseconds UTC.")] = None
    end: Annotated[int | None, msgspec.Meta(description="Leave out what is not before this.")] = None
    symbols: Annotated[tuple[str, ...], msgspec.Meta(description="The symbols to give, such as BTCUSDT.")] = ()
    channel: Annotated[str, msgspec.Meta(description="The channel of the events.")] = "quotes"


class Candles:
    """Source of the candles of a public venue, which needs no key.

    An event is a finished candle: ``quote``, ``open``, ``high``, ``low``, ``close`` in the second currency of the
    pair, ``volume`` in the first, ``start`` and ``ts``, when it began and when the next one does, nanoseconds UTC.
    """

    Params = CandlesParams

    def initialize(self, params: CandlesParams) -> None:
        """Check the parameters; nothing is asked yet.

        Raises:
            BadParameter: one makes no sense, or the venue does not know it.
        """
        self._venue = VENUES[params.venue]
        if params.interval not in self._venue.intervals:
            known = ", ".join(self._venue.intervals)
            raise BadParameter(_PART, "interval", f"{params.venue} has no `{params.interval}`, only {known}")
        try:
            check_channel(params.channel)
            for sid in params.symbols:
                check_sid(sid)
        except BadData as error:
            raise BadParameter(_PART, "channel" if error.field == "channel" else "symbols", error.problem) from None
        url = self._venue.url if params.url is None else params.url
        _check(url)
        self._params = params
        self._length = self._venue.intervals[params.interval]
        self._web = Web(url, timeout=params.timeout)
        self.pause = self._venue.pause if params.pause is None else params.pause
        self._seen: dict[str, int] = {}
        self._span: tuple[int | None, int | None] = (None, None)
        self._cut: int | None = None
        """From when on candles are not finished yet."""

    def fetch(self, sid: str, start: int, end: int) -> Page:
        """Return the first finished candles of a symbol that are known from ``start`` on and before ``end``.

        Raises:
            BadAnswer: the venue gives what cannot be.
            NotKept: it does not keep what is asked for.
            TryLater: it cannot answer now.
            VenueRefused: it refuses to.
        """
        venue, length = self._venue, self._length
        path, query = venue.query(sid, self._params.interval, start - length, end - length)
        answer = self._web.get(path, query)
        candles = venue.candles(answer.content, length)
        full = len(candles) >= venue.limit
        if full and venue.latest and candles[0].begin >= start:
            advice = candles[0].end + _MARGIN * length
            raise NotKept(venue.name, sid, self._params.interval, _shown(candles[0].end), _shown(advice))
        bound = min(end, answer.now - _SETTLED + 1)
        upto = max(min(bound, candles[-1].end + 1) if full else bound, start)
        events = [
            {
                "channel": self._params.channel,
                "sid": sid,
                "quote": candle.close,
                "open": candle.open,
                "high": candle.high,
                "low": candle.low,
                "close": candle.close,
                "volume": candle.volume,
                "start": candle.begin,
                "ts": candle.end,
            }
            for candle in candles
            if start <= candle.end < upto
        ]
        return Page(events, upto, last=upto >= bound and bound < end)

    def events(self) -> Iterator[dict[str, Any]]:
        """Return the candles of all symbols in the order of time; those of one time in the order of the symbols given.

        Raises:
            BadAnswer: the venue gives what cannot be.
            NotBounded: there is no start, no end or no symbol.
            NotKept: the venue does not keep what is asked for.
            TryLater: the venue did not answer, however often it was asked.
            VenueRefused: the venue refuses to answer.
        """
        params = self._params
        options = (("--from", params.start), ("--to", params.end), ("--symbols", params.symbols or None))
        missing = [option for option, value in options if value is None]
        if params.start is None or params.end is None or missing:
            raise NotBounded(" and ".join(missing))
        self._seen, self._span, self._cut = dict.fromkeys(params.symbols, 0), (None, None), None
        asking = Asking(self.pause)
        pages = [self._pages(asking, sid, params.start, params.end) for sid in params.symbols]
        for batch in merge(pages):
            for event in batch:
                self._seen[event["sid"]] += 1
                self._span = (event["ts"] if self._span[0] is None else self._span[0], event["ts"])
                yield event

    def taken(self) -> list[Taken]:
        """Return how candles were read, as far as they were."""
        count = sum(self._seen.values())
        return [
            Taken(
                data=f"{self._venue.name} {self._params.interval}",
                time="begin",
                zone="UTC",
                stamp="open",
                bars=(self._params.interval,),
                prices=("close", "open", "high", "low"),
                adjusted="as traded",
                symbols=tuple(self._seen),
                rows=count,
                events=count,
                first=self._span[0],
                last=self._span[1],
                left_out=() if self._cut is None else (f"what is after {_shown(self._cut)}Z, which is not over yet",),
            )
        ]

    def _pages(self, asking: Asking, sid: str, start: int, end: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the candles of a symbol page by page."""
        last = False
        while start < end and not last:
            events, start, last = asking.ask(partial(self.fetch, sid, start, end))
            if last:
                self._cut = start
            if events:
                yield list(map(dict, events))


def _check(url: str) -> None:
    """Check that an address is a venue's.

    Raises:
        BadParameter: it is none.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    else:
        good = good and not (parts.query or parts.fragment or parts.username or parts.password) and url.isascii()
    if not good or not url.isprintable() or " " in url:
        raise BadParameter(_PART, "url", "expected https://host or http://host:port, without a user or a query")


def _shown(ts: int) -> str:
    """Return nanoseconds UTC as options take them, to the next minute."""
    return datetime.fromtimestamp(-(-ts // (60 * _SECOND)) * 60, UTC).strftime("%Y-%m-%dT%H:%M")
