"""The size of batches."""

from typing import Final

_FIRST: Final = 64
_MAX_REPLY: Final = 384 * 1024
"""Bytes of records that a batch should not come to: a backend that cannot send its answer has run it all the same."""
_MAX_SECONDS: Final = 0.1
"""Seconds that the messages of a batch should take: a command waits for the batch in hand."""


class BatchSizer:
    """The limit of the next batch: small at first and after a loss, doubled by each answer.

    A batch that takes longer than a call may take would otherwise be tried for ever, and so would one whose answer is
    larger than a message may be. A command, such as one that turns the kill switch on, waits for a batch, so the
    messages of a batch should take a tenth of a second together. The time that any batch takes, such as for a commit
    or behind another caller, is left out: two batches of different sizes tell it from the time of a message.

    Args:
        largest: messages that no batch exceeds.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._reply_size = 0.0
        self._last: tuple[int, float] | None = None  # messages and seconds of the last batch
        self._other: tuple[int, float] | None = None  # of the last one of another size
        self.limit = min(_FIRST, largest)
        """Messages that the next batch may hold."""

    def lost(self, messages: int) -> None:
        """Halve the limit after a batch of so many messages that was not answered."""
        self.limit = max(1, messages // 2)

    def answered(self, messages: int, size: int, seconds: float = 0.0) -> None:
        """Raise the limit after an answer.

        Args:
            messages: messages of the batch.
            size: bytes of the records in its answer.
            seconds: how long it took.
        """
        self._reply_size = max(size / messages, self._reply_size * 0.9)
        fitting = int(_MAX_REPLY / self._reply_size) if self._reply_size else self._largest
        quick = self._within_time(messages, seconds) if seconds else self._largest
        self.limit = max(1, min(self.limit * 2, fitting, quick, self._largest))

    def _within_time(self, messages: int, seconds: float) -> int:
        """Return how many messages should take `_MAX_SECONDS`, without what a batch of any size takes."""
        if self._last is not None and self._last[0] != messages:
            self._other = self._last
        self._last = messages, seconds
        at_most = seconds / messages
        if self._other is not None:
            each = min(at_most, (seconds - self._other[1]) / (messages - self._other[0]))
        else:
            each = at_most if messages > 1 else 0.0
        if each <= 0:  # nothing is known of a message but that it takes no longer than all
            return max(_FIRST, round(_MAX_SECONDS / at_most))
        return round(min(_MAX_SECONDS / each, self._largest))
