"""What can go wrong between a venue and its candles."""

from intuition_core.errors import IntuitionError


class VenueRefused(IntuitionError):
    """A request that a venue refuses, and will refuse again."""

    def __init__(self, venue: str, problem: str, hint: str) -> None:
        self.venue = venue
        self.problem = problem
        super().__init__(f"{venue} refused: {problem}; {hint}")


class BadAnswer(IntuitionError):
    """An answer that holds no candles, or candles that cannot be."""

    def __init__(self, venue: str, problem: str) -> None:
        self.venue = venue
        self.problem = problem
        super().__init__(f"{venue} answered with {problem}; is `url` the venue that `venue` names?")


class NotKept(IntuitionError):
    """A time of which a venue keeps no candles any more."""

    def __init__(self, venue: str, sid: str, interval: str, earliest: str, advice: str) -> None:
        self.venue = venue
        self.sid = sid
        super().__init__(
            f"{venue} gives only the latest candles of {interval}, and those of {sid} begin at {earliest}; say --from "
            f"{advice}, or a longer --param source.interval"
        )


class NotBounded(IntuitionError):
    """A reading without an end, which would be another one tomorrow."""

    def __init__(self, missing: str) -> None:
        self.missing = missing
        super().__init__(f"candles are read for a span of time and symbols; say {missing}")
