"""When bars began: a bar's length before its time, or when the one before it ended, whichever is later."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from intuition_core.recordings import DAY, FEWEST_DISTANCES, bar_length
from intuition_source_sql.moments import Moments

_PRICES = ("open", "high", "low")


class Bars:
    """Finds out how long the bars of a result last, and when each began.

    Args:
        moments: reads times.
        stated: how long bars are said to last, in nanoseconds.
    """

    def __init__(self, moments: Moments, *, stated: int | None = None) -> None:
        self._moments = moments
        self._stated = stated
        self._last: dict[str, int] = {}
        self._lengths: dict[str, int] = {}
        self._longest: int | None = None
        self._known = self._barred = False
        self.doubles: dict[str, int] = {}
        """Symbols that have several bars of one time, and that time: nothing tells then when any of them began."""
        self.told = ""
        """What is to be told of how long bars last."""

    @property
    def length(self) -> int:
        """How long bars last at most, in nanoseconds; 0 where there are none, or nothing tells."""
        return (self._longest or 0) if self._barred else 0

    def learn(self, times: Sequence[object], symbols: Sequence[Any], *, barred: bool) -> None:
        """Set from the first rows how long bars last, and whether all times are dates alone.

        Args:
            times: as they are written.
            symbols: of each row.
            barred: whether rows may have more than one price of a time.

        Raises:
            BadData: they do not last as long as was said.
        """
        if self._known or not times:
            return
        self._known = True
        moments = self._moments
        try:
            if self._stated is None or self._stated % DAY == 0:
                moments.alone = all(map(moments.is_day, times))
            known = [moments.read(value) for value in times]
            dates = moments.alone or any(moments.day(value) is not None for value in times)
        except ValueError:  # it is told with its row
            return
        self._barred = barred or dates or self._stated is not None
        before: dict[Any, int] = {}
        distances: dict[Any, list[int]] = {}
        for ts, sid in zip(known, symbols, strict=True):
            if (last := before.get(sid)) is not None:
                distances.setdefault(sid, []).append(round((ts - last) / DAY) * DAY if dates else ts - last)
            before[sid] = ts
        everything = list(chain.from_iterable(distances.values()))
        self._longest, self.told = bar_length(everything, self._stated, dates=dates)
        if self._stated is None:
            fewest = FEWEST_DISTANCES if dates else 1
            found = {
                str(sid).strip(): bar_length(apart, dates=dates)[0]
                for sid, apart in distances.items()
                if len(apart) >= fewest
            }
            self._lengths = {sid: length for sid, length in found.items() if length is not None}
            self._longest = max((*self._lengths.values(), self._longest or 0)) or None

    def begin(self, events: Sequence[dict[str, Any]], times: Sequence[object]) -> None:
        """Return each bar its start: those with a date alone, with further prices of their time, or with its volume."""
        moments, last = self._moments, self._last
        began: list[tuple[dict[str, Any], int]] = []
        for event, value in zip(events, times, strict=True):
            day = moments.day(value)
            if day is None and self._stated is None and not _is_bar(event):
                continue
            sid, ts = event["sid"], event["ts"]
            before = last.get(sid)
            last[sid] = ts
            if before == ts:
                self.doubles.setdefault(sid, ts)
            length = self._lengths.get(sid, self._longest)
            if length is None:
                continue
            start = moments.begin(day) if day is not None else moments.back(ts, length)
            if day is not None and length > DAY and self._stated != moments.shift:
                start = moments.back(moments.begin(day) + DAY, length)
            began.append((event, min(ts, start if before is None else max(start, before))))
        for event, start in began:
            if event["sid"] not in self.doubles:
                event["start"] = start


def _is_bar(event: dict[str, Any]) -> bool:
    return any(event.get(key) is not None for key in _PRICES) or (
        event.get("volume") is not None and event.get("close") is not None
    )
