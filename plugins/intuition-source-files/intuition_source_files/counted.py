"""Times as numbers: in one unit, or in another one from some row on, as where a vendor changed it."""

from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.errors import BadCell

if TYPE_CHECKING:
    import numpy as np

_SMALLEST: Final = 10**8
"""Numbers below this may be times of the first years after 1970 in any unit."""

_JUMP: Final = 500
"""How much larger or smaller than the one before a number is at least that counts in another unit."""


class Counter:
    """The moments of whole numbers of one file, in its order.

    Args:
        fixed: whether somebody said what they count, so that the unit does not change.
    """

    def __init__(self, *, fixed: bool) -> None:
        self._fixed = fixed
        self._last = 0.0
        self._power = 0
        """How many thousands of the last number make one of the unit of the first."""
        self.scales: set[int] = set()
        """How many nanoseconds the numbers of other units than the first one counted, and then that of the first."""

    def read(self, values: "np.ndarray[Any, Any]", scale: int) -> "np.ndarray[Any, Any]":
        """Return nanoseconds.

        Args:
            values: the numbers.
            scale: the nanoseconds that the first number of the file counts.

        Raises:
            BadCell: the first that is beyond 64 bits, or counts in no unit that there is.
        """
        import numpy as np

        if self._fixed or not len(values):
            return scaled(values, scale)
        sizes = np.abs(values).astype(np.float64)
        before = np.empty_like(sizes)
        before[0], before[1:] = self._last or sizes[0], sizes[:-1]
        self._last = float(sizes[-1])
        jumps = ((sizes > before * _JUMP) | (sizes * _JUMP < before)) & (np.minimum(sizes, before) >= _SMALLEST)
        if not jumps.any():
            return scaled(values, self._unit(0, scale, self._power))
        steps = np.zeros(len(values), np.int64)
        steps[jumps] = np.rint(np.log10(sizes[jumps] / before[jumps]) / 3).astype(np.int64)
        powers = self._power + steps.cumsum()
        self._power = int(powers[-1])
        moments = np.empty(len(values), np.int64)
        self.scales.add(scale)
        for power in np.unique(powers).tolist():
            rows = (powers == power).nonzero()[0]
            try:
                moments[rows] = scaled(values[rows], self._unit(0, scale, power))
            except BadCell as error:
                raise BadCell(int(rows[error.index]), error.problem) from None
        return moments

    def _unit(self, index: int, scale: int, power: int) -> int:
        unit = scale * 1000.0**-power
        if unit < 1 or unit > 10**9:
            raise BadCell(index, "the times count in another unit than those before, and in none that is known")
        if power:
            self.scales.add(int(unit))
        return int(unit)


def scaled(values: "np.ndarray[Any, Any]", scale: int) -> "np.ndarray[Any, Any]":
    """Return numbers times a scale.

    Raises:
        BadCell: the first that is beyond 64 bits then.
    """
    import numpy as np

    beyond = np.abs(values) > (2**63 - 1) // scale - 1
    if beyond.any():
        raise BadCell(int(beyond.argmax()), "the time is beyond the years 1677 to 2262")
    return values.astype(np.int64) * scale
