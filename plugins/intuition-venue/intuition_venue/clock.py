"""The clock of a venue, which can be set apart from that of the machine."""

import time


class Clock:
    """The venue's time in nanoseconds UTC: the machine's, and the skew asked for."""

    def __init__(self, skew: int = 0) -> None:
        self.skew = skew

    def now(self) -> int:
        """Return the venue's time, in nanoseconds UTC."""
        return time.time_ns() + self.skew

    def milliseconds(self) -> int:
        """Return the venue's time, in milliseconds UTC."""
        return self.now() // 1_000_000
