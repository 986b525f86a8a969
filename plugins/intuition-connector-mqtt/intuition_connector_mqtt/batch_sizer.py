"""The size of batches."""

from typing import Final

_FIRST: Final = 64
_MAX_REPLY: Final = 384 * 1024
"""Bytes of records that a batch should not come to: a backend that cannot send its answer has run it all the same."""
_MAX_SECONDS: Final = 0.1
"""Seconds that a batch should take: a command waits for the batch in hand."""


class BatchSizer:
    """The limit of the next batch: small at first and after a loss, doubled by each answer.

    A batch that takes longer than a call may take would otherwise be tried for ever, and so would one whose answer is
    larger than a message may be. A command, such as one that turns the kill switch on, waits for a batch.

    Args:
        largest: messages that no batch exceeds.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._reply_size = 0.0
        self._seconds = 0.0  # for each message
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
        self._seconds = seconds / messages
        self._reply_size = max(size / messages, self._reply_size * 0.9)
        fitting = int(_MAX_REPLY / self._reply_size) if self._reply_size else self._largest
        quick = int(_MAX_SECONDS / self._seconds) if self._seconds else self._largest
        self.limit = max(1, min(self.limit * 2, fitting, quick, self._largest))
