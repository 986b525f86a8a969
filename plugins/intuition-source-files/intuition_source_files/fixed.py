"""Times that are all written alike, digit by digit: read many at once."""

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_WIDTHS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
_LIMITS: Final = {"H": 23, "M": 59, "S": 59}
_DATES: Final = ("%Y-%m-%d", "%Y.%m.%d", "%Y%m%d", "%Y/%m/%d")
_CLOCKS: Final = ("%H:%M", "%H:%M:%S", "%H%M%S", "%H%M", "%H:%M:%S.%f")
_TOKEN: Final = re.compile(r"%(.)|([^%])")
_SECOND: Final = 1_000_000_000


def read_fixed(column: "pa.Array", written: str) -> "np.ndarray[Any, Any] | None":
    """Return the local times of texts in nanoseconds; None where they are not all written digit by digit.

    Args:
        column: texts, none of them null.
        written: a format as for `datetime.strptime`, of the fields ``%Y %m %d %H %M %S``, of ``%f`` at the end, and of
            what stands between them.
    """
    fields = _fields(column, written)
    return None if fields is None or not fields.keys() >= {"Y", "m", "d"} else _joined(fields)


def read_two(dates: "pa.Array", clocks: "pa.Array") -> "np.ndarray[Any, Any] | None":
    """Return the local times of dates and times of day, in nanoseconds; None where they are not written digit by digit.

    Args:
        dates: texts such as 2024-01-02, 2024.01.02 or 20240102, none of them null.
        clocks: texts such as 09:30, 09:30:00.000 or 093000, none of them null.
    """
    days = next(filter(_there, (read_fixed(dates, written) for written in _DATES)), None)
    if days is None:
        return None
    fields = next(filter(_there, (_fields(clocks, written) for written in _CLOCKS)), None)
    return None if fields is None else days + _since_midnight(fields)


def _there(found: Any) -> bool:
    return found is not None


def _fields(column: "pa.Array", written: str) -> "dict[str, Any] | None":
    """Return the numbers in some texts, by the letter of their field."""
    import numpy as np

    letters = _letters(column)
    if letters is None:
        return None
    count, width = letters.shape
    fields: dict[str, Any] = {}
    place = 0
    for directive, literal in _TOKEN.findall(written):
        if literal:
            if place >= width or (letters[:, place] != ord(literal)).any():
                return None
            place += 1
            continue
        size = width - place if directive == "f" else _WIDTHS.get(directive, 0)
        if not 0 < size <= 9 or place + size > width or directive in fields:
            return None
        digits = letters[:, place : place + size] - np.uint8(48)
        if (digits > 9).any():
            return None
        value = np.zeros(count, np.int64)
        for index in range(size):
            value = value * 10 + digits[:, index]
        if directive == "f":
            value *= 10 ** (9 - size)
        fields[directive] = value
        place += size
    if place != width or any((fields[name] > limit).any() for name, limit in _LIMITS.items() if name in fields):
        return None
    return fields


def _joined(fields: "dict[str, Any]") -> "np.ndarray[Any, Any] | None":
    import numpy as np

    years, months, days = fields["Y"], fields["m"], fields["d"]
    if (months < 1).any() or (months > 12).any() or (years < 1678).any() or (years > 2261).any():
        return None
    begins = ((years - 1970) * 12 + (months - 1)).astype("datetime64[M]")
    dates = begins.astype("datetime64[D]") + (days - 1)
    if (days < 1).any() or (dates.astype("datetime64[M]") != begins).any():
        return None
    midnights: np.ndarray[Any, Any] = dates.astype(np.int64) * (86_400 * _SECOND)
    return midnights + _since_midnight(fields)


def _since_midnight(fields: "dict[str, Any]") -> "np.ndarray[Any, Any] | int":
    """Return nanoseconds since midnight."""
    since: Any = fields.get("f", 0)
    for name, size in (("H", 3600), ("M", 60), ("S", 1)):
        if name in fields:
            since = since + fields[name] * (size * _SECOND)
    return since  # type: ignore[no-any-return]  # of arrays, or nothing


def _letters(column: "pa.Array") -> "np.ndarray[Any, Any] | None":
    """Return the letters of texts of one length, a row each; None where their lengths differ."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_string(column.type) or not len(column):
        return None
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(places)
    width = int(lengths[0])
    if not width or (lengths != width).any():
        return None
    return np.frombuffer(data, np.uint8)[places[0] : places[-1]].reshape(len(column), width)
