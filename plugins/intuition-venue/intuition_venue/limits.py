"""How much clients may ask within fixed windows of the venue's time."""

from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """A count that begins anew with each window of `seconds`."""

    seconds: int
    limit: int
    used: int = 0
    number: int = -1

    def add(self, weight: int, now: int) -> bool:
        """Count a weight at a time in milliseconds; return whether the limit holds with it."""
        self.look(now)
        self.used += weight
        return self.used <= self.limit

    def look(self, now: int) -> int:
        """Return what was used in the window of a time in milliseconds."""
        number = now // (self.seconds * 1000)
        if number != self.number:
            self.number, self.used = number, 0
        return self.used

    def left(self, now: int) -> int:
        """Return the seconds until the next window, at least one."""
        return max(1, self.seconds - now // 1000 % self.seconds)
