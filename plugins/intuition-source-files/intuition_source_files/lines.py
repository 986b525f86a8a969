"""Files of JSON lines: one event in its normal form a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.data import DEFAULT_CHANNEL, RATES, Event, normalise
from intuition_core.errors import BadData
from intuition_core.recordings import ACTIONS, TIME_UNITS, Taken, as_nanoseconds, checked_action, read_duration
from intuition_source_files.errors import BadRow, UnreadableFile
from intuition_source_files.packing import DAMAGED, compression_of, told, unpacked
from intuition_source_files.params import JsonLinesParams

_BAR: Final = frozenset({"open", "high", "low"})
_TIMES: Final = ("ts", "start")
_KEYS: Final = (b'"ts"', b'"quote"', b'"sid"', b'"close"')
_BATCH: Final = 512
_LONGEST: Final = 1 << 20
"""How many bytes a line may have; what goes on without an end is no text."""

_BUFFER: Final = 1 << 18
_BEGINNING: Final = -(2**63)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_MARK: Final = b"\xef\xbb\xbf"
"""What some editors put before text in UTF-8."""


class LinesFile:
    """A file of JSON lines, ready to be read as often as wanted; blank lines do not count.

    Raises:
        UnreadableFile: it cannot be opened.
    """

    def __init__(self, path: Path, params: JsonLinesParams) -> None:
        self.path = path
        self._params = params
        self._compression = compression_of(path, params.compression)
        self._raw: Any = None
        self._ended = False
        self._count = self._given = 0
        self._seen: dict[str, None] = {}
        self._span: tuple[int | None, int | None] = (None, None)
        self._units: set[str] = set()
        """The units of times that are numbers."""
        try:
            self.size = path.stat().st_size
            with path.open("rb"):
                pass
        except OSError as error:
            raise UnreadableFile(path, told(error)) from None

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1; what is read ahead counts."""
        if self._ended or self._raw is None or self._raw.closed or not self.size:
            return float(self._ended)
        return min(float(self._raw.tell()) / self.size, 1.0)

    def taken(self) -> Taken:
        """Return what the file had, as far as it was read."""
        first, last = self._span
        bar = self._params.bar
        return Taken(
            data=self.path.name,
            time="ts",
            zone="UTC",
            unit=" ".join(unit for unit in TIME_UNITS if unit in self._units),
            stamp="close" if bar is not None else "tick",
            bars=() if bar is None else (bar,),
            symbols=tuple(self._seen),
            rows=self._count,
            events=self._given,
            first=first,
            last=last,
        )

    def _note(self, batch: list[Event]) -> list[Event]:
        if batch:
            self._given += len(batch)
            self._seen.update(dict.fromkeys([event["sid"] for event in batch if "sid" in event]))
            first = self._span[0]
            self._span = (batch[0]["ts"] if first is None else first, batch[-1]["ts"])
        return batch

    def batches(self) -> Iterator[list[Event]]:
        """Return the wanted events, some hundred at a time.

        Raises:
            BadRow: a line cannot be read, or goes back in time.
            UnreadableFile: the file is damaged.
        """
        self._ended = False
        self._count, self._given, self._span = 0, 0, (None, None)
        self._seen.clear()
        self._units.clear()
        symbols, start, end = frozenset(self._params.symbols), self._params.start, self._params.end
        last = _BEGINNING
        length = None if self._params.bar is None else read_duration(self._params.bar)
        ends: dict[str, int] = {}
        batch: list[Event] = []
        for number, line in enumerate(self._lines(), 1):
            if line.isspace():
                continue
            self._count += 1
            for event in self._read(number, line):
                ts = event["ts"]
                if ts < last:
                    problem = f"its `ts` {ts} is before the last one, {last}; put the lines in the order of time"
                    raise self._bad(number, problem)
                last = ts
                if length is not None and event["channel"] == DEFAULT_CHANNEL:
                    self._begin(event, length, ends)
                if end is not None and ts >= end:
                    continue
                if start is not None and ts < start:
                    continue
                if not symbols or event.get("sid") in symbols or event["channel"] == RATES:
                    batch.append(event)
            if len(batch) >= _BATCH:
                yield self._note(batch)
                batch = []
            if end is not None and last >= end:
                break
        self._ended = True
        if batch:
            yield self._note(batch)

    def _begin(self, event: Event, length: int, ends: dict[str, int]) -> None:
        """Return a bar that does not say when it began with its start; `ends` are those of the last bars, by symbol."""
        if not _BAR.intersection(event):
            return
        sid, ts = event["sid"], event["ts"]
        if "start" not in event:
            event["start"] = max(ts - length, ends.get(sid, ts - length))
        ends[sid] = ts

    def _read(self, number: int, line: bytes) -> list[Event]:
        params = self._params
        try:
            payload = self._timed(msgspec.json.decode(line))
            if any(line.count(key) > 1 for key in _KEYS):
                json.loads(line, object_pairs_hook=_once)
            events = normalise(payload, now=_no_clock, channel=params.channel, negative_prices=params.negative_prices)
            return [checked_action(event) if event["channel"] == ACTIONS else event for event in events]
        except BadData as error:
            raise self._bad(number, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._bad(number, f"is no JSON: {error}") from None

    def _timed(self, payload: Any) -> Any:
        """Return what a line holds, with times in seconds, milliseconds and microseconds as nanoseconds."""
        for item in payload if isinstance(payload, list) else (payload,):
            if not isinstance(item, dict):
                continue
            for key in _TIMES:
                number = item.get(key)
                if type(number) is not int and type(number) is not float:
                    continue
                counted = as_nanoseconds(number)
                if counted is not None:
                    item[key], unit = counted
                    self._units.add(unit)
                elif key == "ts":
                    self._units.add("ns")
        return payload

    def _lines(self) -> Iterator[bytes]:
        import io

        import pyarrow as pa

        try:
            self._raw = pa.OSFile(str(self.path))
            with io.BufferedReader(unpacked(self._raw, self._compression), _BUFFER) as stream:
                line = stream.readline(_LONGEST + 1).removeprefix(_MARK)
                if line.startswith(_UTF_16):
                    raise self._bad(1, "is text in UTF-16; save the file as UTF-8")
                number = 0
                while line:
                    number += 1
                    if len(line) > _LONGEST:
                        raise self._bad(number, f"is longer than {_LONGEST} bytes; are these JSON lines?")
                    yield line
                    line = stream.readline(_LONGEST + 1)
        except DAMAGED as error:
            raise UnreadableFile(self.path, told(error)) from None

    def _bad(self, number: int, problem: str) -> BadRow:
        return BadRow(self.path, f"line {number}", problem)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys are there once.

    Raises:
        BadData: one is there twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadData("is there twice; which one counts is not told", field=key)
        found[key] = value
    return found


def _no_clock() -> int:
    raise BadData("missing, and every event of a source needs one", field="ts")
