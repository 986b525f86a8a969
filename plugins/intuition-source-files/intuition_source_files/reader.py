"""One file's rows, from its columns to chunks that are checked and in order."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from intuition_core.data import DEFAULT_CHANNEL, MAX_PRICE, MIN_PRICE, check_channel, check_sid
from intuition_core.errors import BadData
from intuition_core.market import RATES
from intuition_source_files.arrays import floats, integers, objects, places
from intuition_source_files.chunk import Chunk, join
from intuition_source_files.clock import Clock, Rule
from intuition_source_files.columns import PRICES, Columns
from intuition_source_files.errors import BadCell, BadLine, BadRow, UnreadableFile
from intuition_source_files.params import FileParams
from intuition_source_files.table import Table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BEGINNING: Final = -(2**63)


class Reader:
    """Reads one file once, from its first row to its last.

    Args:
        table: the file.
        columns: what its columns mean.
        sid: the symbol of a file that has no column of symbols.
        rule: how times are read.
        params: what is wanted.
    """

    def __init__(self, table: Table, columns: Columns, *, sid: str, rule: Rule, params: FileParams) -> None:
        self.table = table
        self._columns = columns
        self._sid = sid
        self._clock = Clock(rule)
        self._params = params
        self._last = _BEGINNING
        self.gaps: Counter[str] = Counter()
        """How many wanted rows had no price, by symbol."""
        self.seen: set[str] = set()
        """The symbols that the file was found to have."""

    def chunks(self, *, share: int) -> Iterator[Chunk]:
        """Give the wanted rows in the order of time; those of equal time as they are in the file.

        Rows on the channel of quotes that have no price are left out.

        Args:
            share: how many files are read at the same time, and share the memory.

        Raises:
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: the file is damaged.
        """
        chunks = self._read(share)
        if not self._params.sort:
            yield from chunks
            return
        parts = list(chunks)
        if parts:
            whole = join(parts)
            yield whole.take(whole.ts.argsort(kind="stable"))

    def _read(self, share: int) -> Iterator[Chunk]:
        import pyarrow as pa

        row = 0
        end = None if self._params.sort else self._params.end
        try:
            for batch in self.table.batches(self._columns, share=share):
                if not len(batch):
                    continue
                ts = self._times(batch)
                chunk = self._wide(batch, ts) if self._columns.wide else self._long(batch, ts)
                if len(chunk.ts):
                    yield chunk
                row += len(batch)
                if end is not None and ts[-1] >= end:
                    return
        except BadLine as error:
            raise BadRow(self.table.path, self.table.place(error.index), error.problem) from None
        except BadCell as error:
            raise BadRow(self.table.path, self.table.place(row + error.index), error.problem) from None
        except pa.ArrowException as error:
            raise UnreadableFile(self.table.path, " ".join(str(error).split())) from None

    def _times(self, batch: "pa.RecordBatch") -> "np.ndarray[Any, Any]":
        ts = self._clock.read(batch.column(self._columns.time))
        if self._params.sort:
            return ts
        back = ts[1:] < ts[:-1]
        index = 0 if ts[0] < self._last else int(back.argmax()) + 1 if back.any() else None
        if index is not None:
            before = ts[index - 1] if index else self._last
            problem = f"{_shown(ts[index])} comes after {_shown(before)}"
            raise BadCell(
                index, f"{problem}; put the rows in the order of time, or have it done with the option `sort`"
            )
        self._last = int(ts[-1])
        return ts

    def _long(self, batch: "pa.RecordBatch", ts: "np.ndarray[Any, Any]") -> Chunk:
        import numpy as np

        columns = self._columns
        sids, keep = self._symbols(batch)
        channels = None if columns.channels is None else self._channels(batch, columns.channels)
        keep |= (self._params.channel if channels is None else channels) == RATES  # what is wanted may need them
        keep &= self._within(ts)
        numbers = {name: _floats(batch.column(name), name) for name in columns.numeric}
        quotes = np.full(len(ts), np.nan) if columns.quote is None else numbers[columns.quote]
        if channels is not None or self._params.channel == DEFAULT_CHANNEL:
            gaps = np.isnan(quotes) & keep
            if channels is not None:
                gaps &= channels == DEFAULT_CHANNEL
            if gaps.any():
                self.gaps.update([sids] * int(gaps.sum()) if isinstance(sids, str) else sids[gaps].tolist())
                keep &= ~gaps
        if columns.quote is not None:
            self._check(quotes, keep, columns.quote)
        fields = {}
        for key, name in columns.numbers.items():
            fields[key] = numbers[name]
            if key in PRICES and name != columns.quote:
                self._check(numbers[name], keep, name)
        for name in columns.extras:
            values = self.table.values(batch.column(name))
            if values is not None:
                fields[name] = values
        chunk = Chunk(ts, sids, quotes, fields, channels)
        return chunk if keep.all() else chunk.take(keep)

    def _wide(self, batch: "pa.RecordBatch", ts: "np.ndarray[Any, Any]") -> Chunk:
        import numpy as np

        names = self._columns.wide
        prices = np.column_stack([_floats(batch.column(name), name) for name in names])
        within = self._within(ts)
        gaps = np.isnan(prices) & within[:, np.newaxis]
        for name, count in zip(names, gaps.sum(axis=0).tolist(), strict=True):
            if count:
                self.gaps[name] += count
        self.seen.update(names)
        keep = ~np.isnan(prices) & within[:, np.newaxis]
        for index, name in enumerate(names):
            self._check(prices[:, index], keep[:, index], name)
        cells = keep.ravel().nonzero()[0]
        sids = objects(names)
        return Chunk(ts[cells // len(names)], sids[cells % len(names)], prices.ravel()[cells], {})

    def _symbols(self, batch: "pa.RecordBatch") -> "tuple[str | np.ndarray[Any, Any], np.ndarray[Any, Any]]":
        """Give each row's symbol, and whether it is wanted."""
        import numpy as np

        if self._columns.symbol is None:
            self.seen.add(self._sid)
            return self._sid, np.full(len(batch), not self._params.symbols or self._sid in self._params.symbols)
        names, codes = _names(batch.column(self._columns.symbol), check_sid)
        self.seen.update(names)
        wanted = np.array([not self._params.symbols or name in self._params.symbols for name in names], dtype=bool)
        return objects(names)[codes], wanted[codes]

    def _channels(self, batch: "pa.RecordBatch", column: str) -> "np.ndarray[Any, Any]":
        """Give each row's channel."""
        names, codes = _names(batch.column(column), check_channel, missing=self._params.channel)
        channels: np.ndarray[Any, Any] = objects(names)[codes]
        return channels

    def _within(self, ts: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Tell which moments are asked for."""
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


def _floats(column: "pa.Array", name: str) -> "np.ndarray[Any, Any]":
    """Give a column of numbers as floats; none is NaN.

    Raises:
        BadCell: the column, or the first value that is at fault, holds no numbers.
    """
    import pyarrow as pa

    try:
        return floats(column)
    except pa.ArrowException:
        raise BadCell(0, f"the column `{name}` holds `{column.type}`, not numbers") from None


def _names(
    column: "pa.Array", check: Callable[[str], str], *, missing: str = ""
) -> "tuple[list[str], np.ndarray[Any, Any]]":
    """Give the few different names of a column, and the place of each row's among them.

    Raises:
        BadCell: a name cannot be one, or there is none and nothing is said for what is missing.
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    names = [(name or "").strip() or missing for name in column.dictionary.cast(pa.string()).to_pylist()]
    if column.null_count:
        codes = places(column.indices, none=len(names))
        names.append(missing)
    else:
        codes = integers(column.indices)
    for code, name in enumerate(names):
        try:
            check(name)
        except BadData as error:
            rows = codes == code
            if rows.any():
                raise BadCell(int(rows.argmax()), error.problem if name else "there is no symbol") from None
    return names, codes


def _shown(ts: int) -> str:
    """Give nanoseconds UTC as a person reads them."""
    import numpy as np

    return f"{str(np.datetime64(int(ts), 'ns')).rstrip('0').rstrip('.')}Z"
