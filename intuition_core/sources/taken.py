"""What was taken from recorded data: how its times and prices were read, and what was left out."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from intuition_core.epoch import NAMES
from intuition_core.sources.stamps import DAY

_SHOWN: Final = 5
"""How many symbols or columns are named in a line."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """How one piece of recorded data was read: a file, a table, or the answer to a query.

    Times are nanoseconds UTC.
    """

    data: str
    """Its name, as it may be shown."""
    preset: str | None = None
    """Whose layout it has."""
    time: str
    """The columns of times."""
    zone: str
    """The zone in which times without an offset were read; ``as written`` where they have offsets."""
    unit: str = ""
    """What times that are numbers count since 1970: ``s``, ``ms``, ``us`` or ``ns``; several where that changes."""
    stamp: str
    """What a time says of a bar: its ``open``, its ``close``, or the ``date`` of its day; ``tick`` where none are."""
    bars: tuple[str, ...] = ()
    """How long bars last, such as ``1m``."""
    prices: tuple[str, ...] = ()
    """The columns of prices, that of the quote first."""
    kind: str = ""
    """What kind of prices they are, such as ``bids``, where that is known."""
    adjusted: str = "not told whether prices are adjusted"
    """Whether prices are adjusted for splits and dividends, in words."""
    symbols: tuple[str, ...] = ()
    """The symbols that it has."""
    rows: int = 0
    """How many rows were read."""
    events: int = 0
    """How many events came of them."""
    first: int | None = None
    """The time of the first event."""
    last: int | None = None
    """The time of the last event."""
    left_out: tuple[str, ...] = ()
    """What was left out, in words."""
    notes: tuple[str, ...] = ()
    """What else was done, in words, such as that rows were put in the order of time."""

    def line(self) -> str:
        """Return it as one line."""
        return "; ".join(filter(None, (f"{self.data}: {self._how()}", self._what(), self._without())))

    def _how(self) -> str:
        layout = f"layout {self.preset}, " if self.preset is not None else ""
        zone = self.zone if self.zone == "as written" else f"in {self.zone}"
        if self.unit:
            *others, last = (NAMES.get(unit, unit) for unit in self.unit.split())
            zone = f"in {' and '.join(filter(None, (', '.join(others), last)))} since 1970"
        length = f" of {_some(self.bars)}" if self.bars else ""
        stamp = {
            "open": f"bars{length} stamped at the open",
            "close": f"bars{length} stamped at the close" if self.bars else "stamped when known",
            "date": f"dates of whole days{'' if self.bars in ((), ('1d',)) else length}",
        }.get(self.stamp, "single prices")
        return f"{layout}time `{self.time}` {zone}, {stamp}"

    def _what(self) -> str:
        kind = f" ({self.kind})" if self.kind else ""
        prices = f"prices {_some(self.prices)}{kind}, {self.adjusted}; " if self.prices else ""
        symbols = "1 symbol" if len(self.symbols) == 1 else f"{len(self.symbols):,} symbols"
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        span = ""
        if self.first is not None and self.last is not None:
            first, last = (
                _day(ts, self.zone) if self.stamp == "date" else _shown(ts) for ts in (self.first, self.last)
            )
            span = f" from {first} to {last}"
        events = "" if self.events == self.rows else ", 1 event" if self.events == 1 else f", {self.events:,} events"
        return f"{prices}{symbols} ({_some(self.symbols)}), {rows}{events}{span}"

    def _without(self) -> str:
        parts = list(self.notes)
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)


def opening_note(length: int) -> str:
    """Return the note on bars whose times are taken for those of their closes, which nobody said."""
    sizes = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9}
    bar = next((f" source.bar={length // size}{unit}" for unit, size in sizes.items() if length % size == 0), "")
    return f"if bars are stamped when they open, as those of most vendors are, say source.stamp=open{bar}"


def together(taken: Iterable[Taken]) -> list[Taken]:
    """Put together what was read alike: files that differ by their names, symbols and rows alone."""
    groups: dict[tuple[object, ...], list[Taken]] = {}
    for each in taken:
        key = (
            each.preset,
            each.time,
            each.zone,
            each.unit,
            each.stamp,
            each.bars,
            each.prices,
            each.kind,
            each.adjusted,
        )
        groups.setdefault(key, []).append(each)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def lines(taken: Iterable[Taken]) -> list[str]:
    """Return a line for each way in which data was read."""
    return [each.line() for each in together(taken)]


def _joined(group: Sequence[Taken]) -> Taken:
    names = list(dict.fromkeys(each.data for each in group))
    firsts = [each.first for each in group if each.first is not None]
    lasts = [each.last for each in group if each.last is not None]
    return msgspec.structs.replace(
        group[0],
        data=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        symbols=tuple(dict.fromkeys(sid for each in group for sid in each.symbols)),
        rows=sum(each.rows for each in group),
        events=sum(each.events for each in group),
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        left_out=tuple(dict.fromkeys(one for each in group for one in each.left_out)),
        notes=tuple(dict.fromkeys(one for each in group for one in each.notes)),
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "none"


def _shown(ts: int) -> str:
    """Return nanoseconds UTC to the second, rounded up; the last moment of a day stays in it."""
    return datetime.fromtimestamp(ts // 10**9 if (ts + 1) % DAY == 0 else -(-ts // 10**9), UTC).strftime(
        "%Y-%m-%d %H:%M:%SZ"
    )


def _day(ts: int, zone: str) -> str:
    """Return the day of which a moment is the end, or the end of a session."""
    moment = datetime.fromtimestamp(ts // 10**9, UTC) - timedelta(hours=12)
    return f"{moment if zone == 'as written' else moment.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
