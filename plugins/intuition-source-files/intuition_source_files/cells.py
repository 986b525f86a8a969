"""Columns of Arrow's as what a file is read for: numbers, and names that are few."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from intuition_core.errors import BadData
from intuition_source_files.arrays import floats, integers, places
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadCell

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BILLION: Final = 10**9
_UNDEFINED: Final = 2**63 - 1
_EXACT: Final = 2**53
_LARGEST: Final = 100_000_000


def read_floats(column: "pa.Array", name: str) -> "np.ndarray[Any, Any]":
    """Return a column of numbers as floats; none is NaN.

    Raises:
        BadCell: the column, or the first value that is at fault, holds no numbers.
    """
    import pyarrow as pa

    try:
        if pa.types.is_boolean(column.type):
            raise BadCell(0, f"the column `{name}` holds `bool`, not numbers")
        return floats(column)
    except pa.ArrowException:
        raise BadCell(0, f"the column `{name}` holds `{column.type}`, not numbers") from None


def read_prices(column: "pa.Array", name: str, columns: Columns) -> "np.ndarray[Any, Any]":
    """Return a column of prices or amounts as floats, those in billionths as what they come to; none is NaN.

    Raises:
        BadCell: the column, or the first value that is at fault, holds no numbers, or none like those before.
    """
    import numpy as np

    if name in columns.fixed:
        return _read_billionths(column, name)
    values = read_floats(column, name)
    if columns.undefined is None or name == columns.numbers.get("volume"):
        return values
    undefined = values == columns.undefined
    large = (values > _LARGEST) & ~undefined
    if large.any():
        index = int(large.argmax())
        problem = f"`{name}` is {values[index]:.0f}, where those before have a decimal point; is it in billionths?"
        raise BadCell(index, problem)
    return np.where(undefined, np.nan, values)


def _read_billionths(column: "pa.Array", name: str) -> "np.ndarray[Any, Any]":
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_int64(column.type):
        values = read_floats(column, name) / _BILLION
        return np.where(values >= _UNDEFINED / _BILLION, np.nan, values)
    counts = integers(column.fill_null(_UNDEFINED))
    values = counts / _BILLION
    beyond = np.abs(counts) > _EXACT
    if beyond.any():  # which no float holds: a quotient of Python's integers is rounded once
        exact = [np.nan if count == _UNDEFINED else count / _BILLION for count in counts[beyond].tolist()]
        values[beyond] = exact
    return values


def read_names(
    column: "pa.Array", check: Callable[[str], str], *, missing: str = ""
) -> "tuple[list[str], np.ndarray[Any, Any]]":
    """Return the few different names of a column, and the place of each row's among them.

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
