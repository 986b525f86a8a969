"""From Arrow to NumPy and back without pandas, which Arrow's own ways load wherever it is installed, for a second."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def integers(column: "pa.Array") -> "np.ndarray[Any, Any]":
    """Return a column without nulls as 64-bit integers; times as what they count."""
    import numpy as np
    import pyarrow as pa

    return np.from_dlpack(column.cast(pa.int64()))


def places(column: "pa.Array", *, none: int) -> "np.ndarray[Any, Any]":
    """Return a column of integers as 64-bit integers, its nulls as a number of your choice."""
    import numpy as np
    import pyarrow as pa

    values = pa.Array.from_buffers(column.type, len(column), [None, column.buffers()[1]], offset=column.offset)
    return np.where(truths(column.is_null()), none, integers(values))


def floats(column: "pa.Array") -> "np.ndarray[Any, Any]":
    """Return a column of numbers as 64-bit floats, its nulls as NaN.

    Raises:
        pyarrow.ArrowException: the column holds no numbers.
    """
    import numpy as np
    import pyarrow as pa

    column = column.cast(pa.float64(), safe=False)  # large whole numbers may be rounded
    if column.null_count:
        none = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(np.array([np.nan]))])
        column = column.fill_null(none[0])
    return np.from_dlpack(column)


def truths(column: "pa.Array") -> "np.ndarray[Any, Any]":
    """Return a column of truths without nulls."""
    import numpy as np
    import pyarrow as pa

    return np.from_dlpack(column.cast(pa.uint8())).astype(bool)


def objects(values: Sequence[Any]) -> "np.ndarray[Any, Any]":
    """Return any values as an array."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_column(values: "np.ndarray[Any, Any]", kind: "pa.DataType") -> "pa.Array":
    """Return 64-bit integers as a column of what they count."""
    import numpy as np
    import pyarrow as pa

    values = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)]).cast(kind)
