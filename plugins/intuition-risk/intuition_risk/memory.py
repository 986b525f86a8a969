"""The state of limits."""


class Nothing:
    """A limit without a memory: its parameters and the account say it all, so that a snapshot has nothing to keep."""

    def snapshot(self) -> None:
        """Return nothing: there is no state."""

    def restore(self, state: None) -> None:
        """Take nothing."""


class Alarm:
    """Tells of a broken limit once, and again only after the limit was kept in between.

    Who clears the kill switch while the limit is still broken has decided so, and is not overruled at the next quote.
    """

    def __init__(self, *, armed: bool) -> None:
        self.armed = armed
        self.rung = False

    def ring(self, reason: str | None) -> str | None:
        """Return the reason the first time that the limit is broken, else None; ``reason`` is None while it is kept."""
        if reason is None:
            self.rung = False
            return None
        if not self.armed or self.rung:
            return None
        self.rung = True
        return reason
