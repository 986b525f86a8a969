"""How much of a session is kept: for how long, or how many bytes."""

from typing import Final, NamedTuple, Self

from intuition_core.errors import BadData
from intuition_core.params.durations import read_duration
from intuition_core.params.sizes import UNITS, read_size

ALL: Final = "all"
"""What people write where nothing is to be dropped."""
LEAST: Final = 10**6
"""Bytes that are kept at least."""


class Keep(NamedTuple):
    """What is kept of a session: segments of events that are younger, or so many bytes.

    Attributes:
        age: nanoseconds since the commit; None where age does not count.
        size: bytes; None where size does not count.
    """

    age: int | None = None
    size: int | None = None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return what a text such as ``30d`` or ``10GB`` says; None for ``all``.

        Raises:
            BadData: it is neither a length of time above 0 nor a size of at least 1 MB.
        """
        if text == ALL:
            return None
        if text.endswith(tuple(UNITS)):
            size = read_size(text)
            if size < LEAST:
                raise BadData(f"expected at least 1MB, got {text}")
            return cls(size=size)
        try:
            age = read_duration(text)
        except BadData:
            raise BadData(
                f"expected a length of time such as 30d, a size such as 10GB, or all, got {text!r:.60}"
            ) from None
        if not age:
            raise BadData(f"expected a length of time above 0, got {text}")
        return cls(age=age)
