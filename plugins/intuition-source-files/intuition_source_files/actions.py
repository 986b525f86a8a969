"""Splits and dividends in a file of prices: rows of their own, or columns beside the prices."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from intuition_core.errors import BadData
from intuition_core.recordings import ACTIONS, checked_action
from intuition_source_files.arrays import objects
from intuition_source_files.chunk import Chunk, join
from intuition_source_files.clock import Times
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadCell
from intuition_source_files.params import FileParams
from intuition_source_files.rows import Rows
from intuition_source_files.starts import joined

if TYPE_CHECKING:
    import numpy as np

ACT: Final = ("action", "ratio", "amount", "currency")
"""What events of the channel `actions` say."""


def is_mixed(columns: Columns, params: FileParams) -> bool:
    """Whether rows of one moment may be of several kinds, and those of one date of several moments."""
    books = params.actions in ("book", "dividends") and (columns.dividends is not None or columns.splits is not None)
    return columns.channels is not None or books


def check_actions(
    rows: "np.ndarray[Any, Any]",
    sids: "str | np.ndarray[Any, Any]",
    fields: "dict[str, np.ndarray[Any, Any]]",
) -> None:
    """Refuse splits and dividends that cannot be booked, and write the others as they are read.

    Raises:
        BadCell: the first of them.
    """
    for index in rows.nonzero()[0].tolist():
        event: dict[str, Any] = {"sid": sids if isinstance(sids, str) else sids[index]}
        for key in ACT:
            value: Any = fields[key][index] if key in fields else None
            if hasattr(value, "item"):
                value = value.item()
            if value is not None and not (isinstance(value, float) and math.isnan(value)):
                event[key] = value
        try:
            spelled = checked_action(event)
        except BadData as error:
            raise BadCell(index, str(error)) from None
        for key, value in spelled.items():
            if key in fields and event[key] is not value:
                fields[key] = fields[key].astype(object)
                fields[key][index] = value


def with_actions(
    rows: Rows,
    quoted: "np.ndarray[Any, Any]",
    numbers: "dict[str, np.ndarray[Any, Any]]",
    columns: Columns,
    params: FileParams,
    *,
    within: "Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]",
) -> Rows:
    """Refuse what columns of dividends and splits beside prices say, or make it rows of its own.

    Raises:
        BadCell: the first row that says something, where that is to be refused or cannot be booked.
    """
    import numpy as np

    found = _found(rows, quoted, numbers, columns, params)
    if params.actions not in ("book", "dividends"):
        return rows
    chunk, count = rows.chunk, len(rows.keep)
    channels = np.full(count, params.channel, object) if chunk.channels is None else chunk.channels
    fields = {**chunk.fields, **{key: np.full(count, None, object) for key in ("action", "ratio", "amount")}}
    rows = rows._replace(chunk=chunk._replace(channels=channels, fields=fields))
    if not found:
        return rows
    places = [index for index, _, _ in found]
    if rows.times.dates is None or not rows.times.dates[places].all():
        raise BadCell(
            min(places), "splits and dividends are booked beside dates alone; give them in a file of their own"
        )
    more = rows.take(np.array(places, np.int64))
    ts, none = more.times.begins, np.full(len(found), np.nan)
    told: dict[str, list[Any]] = {"action": [], "ratio": [], "amount": []}
    if "currency" in fields and fields["currency"].dtype.kind == "O":  # of a dividend's amount, as of the row's price
        told["currency"] = fields["currency"][places].tolist()
    for index, action, value in found:
        told["action"].append(action)
        told["ratio"].append(_ratio(index, value) if action == "split" else None)
        told["amount"].append(value if action == "dividend" else None)
    fields = {
        key: objects(told[key])
        if key in told
        else (none if column.dtype.kind == "f" else np.full(len(found), None, object))
        for key, column in rows.chunk.fields.items()
    }
    actions = Chunk(ts, more.chunk.sids, none, fields, np.full(len(found), ACTIONS, object))
    order = np.argsort(np.concatenate([np.arange(count), np.array(places) - 0.5]), kind="stable")
    times = joined([rows.times, Times(ts, more.times.dates, ts)])
    bars = rows.bars if rows.bars is not None else np.zeros(count, bool)
    return Rows(
        join([rows.chunk, actions]),
        np.concatenate([rows.keep, within(ts) & more.keep]),
        times,
        None if rows.codes is None else np.concatenate([rows.codes, rows.codes[places]]),
        np.concatenate([bars, np.zeros(len(found), bool)]),
    ).take(order)


def _found(
    rows: Rows,
    quoted: "np.ndarray[Any, Any]",
    numbers: "dict[str, np.ndarray[Any, Any]]",
    columns: Columns,
    params: FileParams,
) -> list[tuple[int, str, float]]:
    """Return the rows that say a split or a dividend, which of them, and its factor or amount.

    Raises:
        BadCell: the first that says something, where that is to be refused.
    """
    import numpy as np

    book = params.actions in ("book", "dividends")
    found: list[tuple[int, str, float]] = []
    for action, column in (("split", columns.splits), ("dividend", columns.dividends)):
        if column is None:
            continue
        values = numbers[column]
        said = quoted & ~np.isnan(values) & (values != 0)
        if action == "split":
            said &= values != 1
            if params.actions == "adjusted":
                _see_adjusted(rows, values, said, column)
        if params.actions == "adjusted" or (action == "split" and params.actions == "dividends"):
            continue
        if said.any() and not book:
            index = int(said.argmax())
            raise BadCell(
                index,
                f"`{column}` is {values[index]:g}, and a price does not tell whether it is adjusted for that; say "
                "with the option `actions` to `ignore` such columns, to `book` them, or to book `dividends` alone",
            )
        found += [(index, action, float(values[index])) for index in said.nonzero()[0].tolist()]
    return found


def _see_adjusted(rows: Rows, values: "np.ndarray[Any, Any]", said: "np.ndarray[Any, Any]", column: str) -> None:
    """Refuse prices that jump by a split, and so are not adjusted for it.

    Raises:
        BadCell: the first split by which they do.
    """
    quotes = rows.chunk.quotes
    for index in said.nonzero()[0].tolist():
        before = quotes[index - 1] if index else math.nan
        if math.isnan(before) or math.isnan(quotes[index]) or min(before, quotes[index], values[index]) <= 0:
            continue
        jump, factor = math.log(before / quotes[index]), math.log(float(values[index]))
        if abs(jump - factor) < abs(jump):
            raise BadCell(
                index,
                f"`{column}` is {values[index]:g} and the price goes from {before:g} to {quotes[index]:g}, so that "
                "prices are not adjusted for splits; say with the option `actions` to `book` them",
            )


def _ratio(index: int, factor: float) -> str:
    """Write a factor, new for old, as a split's ratio.

    Raises:
        BadCell: it is none of whole numbers.
    """
    ratio = Fraction(factor).limit_denominator(100) if 0 < factor < math.inf else Fraction(0)
    if not ratio or abs(float(ratio) / factor - 1) > 1e-5:
        raise BadCell(index, f"a split of {factor:g} is none of new for old in whole numbers")
    return f"{ratio.numerator}:{ratio.denominator}"
