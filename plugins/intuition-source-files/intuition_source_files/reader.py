"""One file's rows, from its columns to chunks that are checked and in order."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from intuition_core.data import DEFAULT_CHANNEL, MAX_PRICE, MIN_PRICE, RATES, check_channel, check_sid
from intuition_core.errors import BadData, BadParameter, IntuitionError
from intuition_core.recordings import ACTIONS, PRICE_FIELDS, rank_in_moment
from intuition_source_files.actions import ACT, check_actions, is_mixed, with_actions
from intuition_source_files.arrays import objects, places
from intuition_source_files.cells import read_floats, read_names, read_prices
from intuition_source_files.chunk import NO_START, Chunk, join
from intuition_source_files.clock import Clock, Times
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadCell, BadLine, BadRow, UnreadableFile
from intuition_source_files.params import FileParams
from intuition_source_files.rows import Rows, join_rows
from intuition_source_files.rule import Rule
from intuition_source_files.starts import Starts
from intuition_source_files.table import Table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BEGINNING: Final = -(2**63)
_MOST_HELD: Final = 1 << 20
"""How many rows are held at most until it is known how long bars last."""


class Reader:
    """Reads one file once, from its first row to its last.

    Args:
        table: the file.
        columns: what its columns mean.
        sid: the symbol of a file that has no column of symbols.
        rule: how times are read.
        params: what is wanted.
        dates: whether times may all be dates alone.
    """

    def __init__(
        self, table: Table, columns: Columns, *, sid: str, rule: Rule, params: FileParams, dates: bool = True
    ) -> None:
        self.table = table
        self._dates = dates
        self._columns = columns
        self._sid = sid
        self._rule = rule
        self._clock = Clock(rule)
        self._params = params
        self._last = self._last_written = _BEGINNING
        self._codes: dict[Any, int] = {}
        """The number of each symbol, or of each of its series."""
        self.mixed = is_mixed(columns, params)
        self._keys: dict[str, str] = {}
        """What columns of splits and dividends are called in events, where that is not their name."""
        if params.channel == ACTIONS or self.mixed:
            written = {name: name.strip().lower() for name in columns.extras}
            self._keys = {name: key for name, key in written.items() if key in ACT and key not in written}
        self.gaps: Counter[str] = Counter()
        self.crossed = 0
        """How many bars have a high below their low."""
        """How many wanted rows had no price, by symbol."""
        self.seen: set[str] = set()
        """The symbols that the file was found to have."""
        self.rows = self.events = 0
        """How many rows were read, and how many of them are given."""
        self.first: int | None = None
        self.last: int | None = None
        """The times of the first and the last row that is given."""
        self.alone = self.ticks = False
        """Whether times are dates alone, and whether no row is a bar."""
        self.lengths: tuple[int, ...] = ()
        """How long bars last, in nanoseconds."""
        self.told: list[str] = []
        """What is to be told of the file, once."""

    @property
    def units(self) -> str:
        """The units of times that are numbers, by name; nothing where they are not."""
        return self._clock.units

    @property
    def zoned(self) -> bool:
        """Whether times are moments as they are written."""
        return self._clock.zoned

    @property
    def barred(self) -> bool:
        """Whether rows may be bars."""
        return self._columns.barred

    def chunks(self, *, share: int) -> Iterator[Chunk]:
        """Return the wanted rows in the order of time; those of equal time as they are in the file.

        Rows on the channel of quotes that have no price are left out. Where rows may be of several kinds, those of one
        moment come by kind.

        Args:
            share: how many files are read at the same time, and share the memory.

        Raises:
            BadParameter: bars do not last as long as was said.
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: the file is damaged.
        """
        alone, offsets = self._dates_alone(share)
        self.alone = alone
        self._clock = Clock(self._rule, alone=alone, offsets=offsets)
        starts = Starts(self._clock, self._rule)
        read = self._read(share, starts)
        if self._params.sort:
            parts = list(read)
            read = iter(())
            if parts:
                whole = join_rows(parts)
                read = iter((whole.take(whole.chunk.ts.argsort(kind="stable")),))
        for chunk in self._by_kind(read, starts) if self.mixed else self._begun(read, starts):
            if self.first is None:
                self.first = int(chunk.ts[0])
            self.last = int(chunk.ts[-1])
            self.events += len(chunk.ts)
            yield chunk
        self.lengths, self.ticks = starts.lengths, not starts.any
        if starts.double is not None and self._columns.series is None:
            code, ts = starts.double
            sid = next((sid for sid, known in self._codes.items() if known == code), self._sid)
            self.told.append(
                f"{self.table.path}: {sid} has several bars of {_shown(ts)}, so that nothing tells when they began, "
                "and orders have their closes alone; say which column tells them apart with the option `series`"
            )

    def _read(self, share: int, starts: Starts) -> Iterator[Rows]:
        """Return all rows."""
        import pyarrow as pa

        row = 0
        end = None if self._params.sort else self._params.end
        try:
            for batch in self.table.batches(self._columns, share=share):
                if not len(batch):
                    continue
                clocks = None if self._columns.clocks is None else batch.column(self._columns.clocks)
                times = self._clock.read(batch.column(self._columns.time), clocks, self._owner(batch))
                rows = self._wide(batch, times) if self._columns.wide else self._long(batch, times)
                if not self._params.sort and len(rows.chunk.ts):
                    self._see_order(rows)
                yield rows
                row += len(batch)
                self.rows = row
                if end is not None and self._last >= end and (starts.settled or not starts.any):
                    return
        except BadLine as error:
            raise BadRow(self.table.path, self.table.place(error.index), error.problem) from None
        except BadCell as error:
            raise BadRow(self.table.path, self.table.place(row + error.index), error.problem) from None
        except pa.ArrowException as error:
            raise UnreadableFile(self.table.path, " ".join(str(error).split())) from None

    def _dates_alone(self, share: int) -> tuple[bool, bool]:
        """Return whether all times are midnights, and of their own offsets; mostly the first one is none."""
        columns = self._columns
        if not self._rule.daily or not self._dates:
            return False, False
        clock, there = Clock(self._rule), False
        try:
            for batch in self.table.batches(Columns(time=columns.time, clocks=columns.clocks), share=share):
                if not len(batch):
                    continue
                column = batch.column(columns.time)
                clocks = None if columns.clocks is None else batch.column(columns.clocks)
                first = None if clocks is None else clocks.slice(0, 1)
                if not there and not clock.midnights(column.slice(0, 1), first):
                    return False, False
                if not clock.midnights(column, clocks):
                    return False, False
                there = True
        except (BadCell, IntuitionError):
            return False, False  # it is told with its row when that is read
        return there, clock.offsets

    def _owner(self, batch: "pa.RecordBatch") -> Callable[[int], object] | None:
        """Return what tells the symbol and the series of a row, where rows are bars; else None."""
        columns = self._columns
        if not columns.barred and self._rule.length is None:
            return None
        names = [batch.column(name) for name in (columns.symbol, columns.series) if name is not None]
        return lambda row: tuple(column[row].as_py() for column in names)

    def _see_order(self, rows: Rows) -> None:
        """Refuse rows that go back in time.

        Raises:
            BadCell: the first of them.
        """
        # Of one date there may be rows of its beginning and of its end, in any order.
        ts = rows.times.begins if self.mixed else rows.chunk.ts
        back = ts[1:] < ts[:-1]
        index = 0 if ts[0] < self._last else int(back.argmax()) + 1 if back.any() else None
        if index is not None:
            written = rows.times.begins  # of a date alone, the date rather than its end
            before = written[index - 1] if index else self._last_written
            problem = f"{_shown(written[index])} comes after {_shown(before)}"
            raise BadCell(
                index, f"{problem}; put the rows in the order of time, or have it done with the option `sort`"
            )
        self._last, self._last_written = int(ts[-1]), int(rows.times.begins[-1])

    def _begun(self, read: Iterator[Rows], starts: Starts) -> Iterator[Chunk]:
        """Return the wanted rows with the starts of bars, as soon as it is known how long these last."""
        for rows, before in self._learned(read, starts):
            chunk = rows.chunk if before is None else self._with_starts(rows, before, starts)
            if not rows.keep.all():
                chunk = chunk.take(rows.keep)
            if len(chunk.ts):
                yield chunk

    def _learned(self, read: Iterator[Rows], starts: Starts) -> "Iterator[tuple[Rows, np.ndarray[Any, Any] | None]]":
        """Return the rows, and the times of the bars before; the first ones once it is known how long bars last."""
        held: list[tuple[Rows, np.ndarray[Any, Any] | None]] = []
        count = 0
        for rows in read:
            before = None
            if rows.bars is not None and rows.bars.any():
                bars = rows if rows.bars.all() else rows.take(rows.bars)
                before = starts.before(bars.times.ts, bars.codes)
                if starts.learning:
                    starts.learn(bars.times, before, bars.codes)
            elif not held:
                yield rows, None
                continue
            if starts.settled:
                yield rows, before
                continue
            held.append((rows, before))
            count += len(rows.keep)
            if not starts.learning or count > _MOST_HELD:
                self._settle(starts)
                yield from held
                held.clear()
        if held:
            self._settle(starts)
            yield from held

    def _settle(self, starts: Starts) -> None:
        try:
            told = starts.settle()
        except BadData as error:
            raise BadParameter(self._params.part, "bar", f"{error.problem} in {self.table.path}") from None
        if told:
            self.told.append(
                f"{self.table.path}: {told}; if they last longer than that, orders have prices from before them"
            )

    def _with_starts(self, rows: Rows, before: "np.ndarray[Any, Any]", starts: Starts) -> Chunk:
        import numpy as np

        whole = rows.bars is None or rows.bars.all()
        bars = rows if whole or rows.bars is None else rows.take(rows.bars)
        began = starts.give(bars.times, before, bars.codes)
        if not whole:
            of_all = np.full(len(rows.keep), NO_START)
            of_all[rows.bars] = began
            began = of_all
        return rows.chunk._replace(starts=began)

    def _by_kind(self, read: Iterator[Rows], starts: Starts) -> Iterator[Chunk]:
        """Return the wanted rows in the order of time, and those of one moment by kind.

        What is later than a row that was read last may not be all of its time, and is held back.
        """
        import numpy as np

        mark = _BEGINNING

        def marked() -> Iterator[Rows]:
            nonlocal mark
            for rows in read:
                mark = int(rows.times.begins[-1]) if len(rows.keep) else mark
                yield rows

        held: Chunk | None = None
        for chunk in self._begun(marked(), starts):
            whole = chunk if held is None else join([held, chunk])
            whole = whole.take(np.lexsort((ranks(whole, self._params.channel), whole.ts)))
            cut = int(whole.ts.searchsorted(mark))
            if cut:
                yield whole.take(slice(0, cut))
            held = whole.take(slice(cut, None)) if cut < len(whole.ts) else None
        if held is not None:
            yield held

    def _long(self, batch: "pa.RecordBatch", times: Times) -> Rows:
        import numpy as np

        columns, params = self._columns, self._params
        sids, keep, codes = self._symbols(batch)
        channels = None if columns.channels is None else self._channels(batch, columns.channels)
        if channels is None:
            kinds: Any = params.channel
            quoted = np.full(len(keep), kinds == DEFAULT_CHANNEL)
        else:
            kinds, quoted = channels, channels == DEFAULT_CHANNEL
        keep |= kinds == RATES  # what is wanted may need them
        early = (kinds == RATES) | (kinds == ACTIONS)  # a date alone is the beginning of its day then, not its end
        ts = times.ts
        if times.dates is not None and np.any(early):
            ts = np.where(early, times.begins, ts)
            times = times._replace(ts=ts)
        keep &= self._within(ts)
        numbers = {name: read_prices(batch.column(name), name, columns) for name in columns.numeric}
        quotes = np.full(len(ts), np.nan) if columns.quote is None else numbers[columns.quote]
        gaps = np.isnan(quotes) & keep & quoted
        if gaps.any():
            self.gaps.update([sids] * int(gaps.sum()) if isinstance(sids, str) else sids[gaps].tolist())
            keep &= ~gaps
        if columns.quote is not None:
            self._check(quotes, keep, columns.quote)
        fields = {}
        for key, name in columns.numbers.items():
            fields[key] = numbers[name]
            if key in PRICE_FIELDS and name != columns.quote:
                self._check(numbers[name], keep, name)
        if "high" in fields and "low" in fields:
            self.crossed += int(((fields["high"] < fields["low"]) & keep).sum())
        for name in columns.extras:
            values = self.table.values(batch.column(name))
            if values is not None:
                fields[self._keys.get(name, name)] = values
        if np.any(kinds == ACTIONS):
            check_actions((kinds == ACTIONS) & keep, sids, fields)
        if columns.series is not None:
            codes = self._series(codes, batch.column(columns.series))
        chunk = Chunk(ts, sids, quotes, fields, channels)
        rows = Rows(chunk, keep, times, codes, self._bars(times, quoted, fields))
        if columns.dividends is None and columns.splits is None:
            return rows
        return with_actions(rows, quoted & keep, numbers, columns, params, within=self._within)

    def _bars(
        self, times: Times, quoted: "np.ndarray[Any, Any]", fields: "dict[str, np.ndarray[Any, Any]]"
    ) -> "np.ndarray[Any, Any] | None":
        """Return which rows are bars: those with a date alone, with further prices of a time, or with its volume."""
        import numpy as np

        if self._rule.length is not None or (times.dates is not None and times.dates.all()):
            return quoted
        bars = None if times.dates is None else times.dates
        if self._columns.barred:
            prices = [fields[key] for key in ("open", "high", "low") if key in fields]
            if "volume" in fields and "close" in fields:
                prices.append(fields["volume"] + fields["close"])
            for column in prices:
                there = ~np.isnan(column)
                bars = there if bars is None else bars | there
                if bars.all():
                    break
        return None if bars is None else bars & quoted

    def _wide(self, batch: "pa.RecordBatch", times: Times) -> Rows:
        import numpy as np

        names, ts, bars = self._columns.wide, times.ts, None
        if self._params.channel in (RATES, ACTIONS):
            ts = times.begins
        elif self._params.channel == DEFAULT_CHANNEL:
            bars = np.ones(len(ts), bool) if self._rule.length is not None else times.dates
        prices = np.column_stack([read_floats(batch.column(name), name) for name in names])
        within = self._within(ts)
        gaps = np.isnan(prices) & within[:, np.newaxis]
        for name, count in zip(names, gaps.sum(axis=0).tolist(), strict=True):
            if count:
                self.gaps[name] += count
        self.seen.update(names)
        keep = ~np.isnan(prices) & within[:, np.newaxis]
        for index, name in enumerate(names):
            self._check(prices[:, index], keep[:, index], name)
            self._codes.setdefault(name, index)
        # Gaps tell of how far rows are apart, too, whatever columns are asked for.
        rows, codes = np.repeat(np.arange(len(ts)), len(names)), np.tile(np.arange(len(names)), len(ts))
        chunk = Chunk(ts[rows], objects(names)[codes], prices.ravel(), {})
        times = Times(ts, times.dates, times.begins).take(rows)
        return Rows(chunk, keep.ravel(), times, codes, None if bars is None else bars[rows])

    def _series(self, codes: "np.ndarray[Any, Any] | None", column: "pa.Array") -> "np.ndarray[Any, Any]":
        """Return the number of each row's symbol and series."""
        import numpy as np
        import pyarrow as pa

        names = column.cast(pa.string()).dictionary_encode()
        values = names.dictionary.to_pylist()
        of = places(names.indices, none=len(values))
        values.append("")
        pairs = np.stack([np.zeros(len(of), np.int64) if codes is None else codes, of], axis=1)
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        known = [self._code(("series", code, values[value])) for code, value in unique.tolist()]
        numbers: np.ndarray[Any, Any] = np.array(known, np.int64)[inverse.reshape(-1)]
        return numbers

    def _code(self, of: Any) -> int:
        return self._codes.setdefault(of, len(self._codes))

    def _symbols(
        self, batch: "pa.RecordBatch"
    ) -> "tuple[str | np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any] | None]":
        """Return each row's symbol, whether it is wanted, and its number; None if all have the same."""
        import numpy as np

        if self._columns.symbol is None:
            self.seen.add(self._sid)
            wanted = not self._params.symbols or self._sid in self._params.symbols
            return self._sid, np.full(len(batch), wanted), None
        names, codes = read_names(batch.column(self._columns.symbol), check_sid)
        self.seen.update(names)
        wanted_ = np.array([not self._params.symbols or name in self._params.symbols for name in names], dtype=bool)
        numbers = np.array([self._code(name) for name in names], np.int64)
        return objects(names)[codes], wanted_[codes], numbers[codes]

    def _channels(self, batch: "pa.RecordBatch", column: str) -> "np.ndarray[Any, Any]":
        """Return each row's channel."""
        names, codes = read_names(batch.column(column), check_channel, missing=self._params.channel)
        channels: np.ndarray[Any, Any] = objects(names)[codes]
        return channels

    def _within(self, ts: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return which moments are asked for."""
        import numpy as np

        within = np.ones(len(ts), dtype=bool)
        if self._params.start is not None:
            within &= ts >= self._params.start
        if self._params.end is not None:
            within &= ts < self._params.end
        return within

    def _check(self, prices: "np.ndarray[Any, Any]", keep: "np.ndarray[Any, Any]", name: str) -> None:
        """Refuse prices that no market gives; NaN is no price.

        Raises:
            BadCell: the first of them among the rows to keep.
        """
        import numpy as np

        sizes = np.abs(prices) if self._params.negative_prices else prices
        bad = ((sizes < MIN_PRICE) | (sizes > MAX_PRICE)) & keep
        if self._params.negative_prices:
            bad &= prices != 0
        if not bad.any():
            return
        index = int(bad.argmax())
        price = float(prices[index])
        if price <= 0 and not self._params.negative_prices:
            problem = "is not above zero; if it may be so, say it with the option `negative_prices`"
        else:
            problem = f"is beyond what a price can be ({MIN_PRICE} to {MAX_PRICE})"
        raise BadCell(index, f"`{name}` is {price:g}, which {problem}")


def ranks(chunk: Chunk, channel: str) -> "np.ndarray[Any, Any]":
    """Return the place of each row within its moment, as `intuition_core.sources.merge.rank` does."""
    import numpy as np

    channels = np.full(len(chunk.ts), channel, object) if chunk.channels is None else chunk.channels
    places_ = np.full(len(chunk.ts), rank_in_moment({"channel": "", "ts": 0}))
    for name in (RATES, ACTIONS):
        places_[channels == name] = rank_in_moment({"channel": name, "ts": 0})
    if chunk.starts is not None:
        ended = (channels == DEFAULT_CHANNEL) & (chunk.starts != NO_START) & (chunk.starts < chunk.ts)
        places_[ended] = rank_in_moment({"channel": DEFAULT_CHANNEL, "ts": 1, "start": 0})
    return places_


def _shown(ts: int) -> str:
    """Return nanoseconds UTC as a person reads them."""
    import numpy as np

    return f"{str(np.datetime64(int(ts), 'ns')).rstrip('0').rstrip('.')}Z"
