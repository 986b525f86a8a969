"""What can go wrong between a feed and its events. No message holds more of an address than its place."""

from intuition_core.errors import IntuitionError


class FeedRefused(IntuitionError):
    """A feed that does not let us in, for a reason that trying again will not change."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(f"{address} refused: {problem}; look at the address and at what the feed wants to know")


class BadMessage(IntuitionError):
    """A message, or one quote of it, that cannot be read."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)
