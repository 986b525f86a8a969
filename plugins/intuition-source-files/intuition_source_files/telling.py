"""What is told of how a file was read."""

import re
from typing import Final

from intuition_core.recordings import (
    DAY,
    DIVIDEND_COLUMNS,
    SPLIT_COLUMNS,
    Taken,
    opening_note,
    plain_name,
    shown_length,
)
from intuition_source_files.opened import Opened
from intuition_source_files.paths import stem
from intuition_source_files.reader import Reader

_ODD: Final = re.compile(r"\d{6}| \(\d+\)$|_[a-z]+\b|^(?i:data|download|export|historical.*|prices|quotes)$")
"""What is in names of files that are hardly a symbol's: a download's number, a date, a plain word."""


def tell(file: Opened, reader: Reader) -> Taken:
    """Return how a file was read, as far as it was."""
    columns, params, layout = file.columns, file.params, file.layout
    left_out = [f"the column {name or 'without a name'}" for name in columns.left_out]
    left_out += [f"the line `{title[:60]}`" for title in file.titles]
    if reader.gaps:
        count = reader.gaps.total()
        left_out.append(f"{count:,} row{'s' if count > 1 else ''} without a price")
    if params.actions in ("adjusted", "ignore", "dividends"):
        unbooked = SPLIT_COLUMNS if params.actions == "dividends" else SPLIT_COLUMNS | DIVIDEND_COLUMNS
        left_out += [f"the column {name}, unbooked" for name in file.table.names if plain_name(name) in unbooked]
    notes = []
    if file.backwards:
        notes.append("rows went back in time and are turned round")
    if params.sort:
        notes.append("rows are put in the order of time")
    if columns.fixed:
        notes.append("prices are whole numbers of billionths")
    if not reader.rows:
        notes.append("there are no rows")
    if file.columns.symbol is None and reader.seen == {stem(file.table.path)} and _ODD.search(file.sid) is not None:
        notes.append("the symbol is the file's name; `sid` says another")
    if getattr(file.table, "unended", False):
        notes.append("the last line has no end, as where a file was cut")
    if reader.crossed:
        bars = "1 bar has" if reader.crossed == 1 else f"{reader.crossed:,} bars have"
        notes.append(f"{bars} a high below the low")
    guessed = layout.preset is None and params.stamp is None and params.close_at is None
    if guessed and reader.lengths and max(reader.lengths) < DAY:
        notes.append(opening_note(max(reader.lengths)))
    prices = dict.fromkeys(filter(None, (columns.quote, *_prices(file))))
    return Taken(
        data=file.table.path.name,
        preset=None if layout.preset is None else layout.preset.name,
        time=" and ".join(filter(None, (columns.time or "without a name", columns.clocks))),
        zone="as written" if reader.zoned else file.rule.zone,
        unit=reader.units,
        stamp="date" if reader.alone else "tick" if reader.ticks else params.stamp or "close",
        bars=tuple(map(shown_length, reader.lengths)),
        prices=tuple(prices) or tuple(columns.wide),
        kind="" if layout.preset is None else layout.preset.prices,
        adjusted=layout.adjusted,
        symbols=tuple(sorted(reader.seen)),
        rows=reader.rows,
        events=reader.events,
        first=reader.first,
        last=reader.last,
        left_out=tuple(left_out),
        notes=tuple(notes),
    )


def _prices(file: Opened) -> list[str]:
    return [name for key, name in file.columns.numbers.items() if key != "volume"]
