"""What can go wrong, one sentence each; every error keeps its culprit as attributes."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class IntuitionError(Exception):
    """The base of every error that is meant to be read by a user: what, where, and what to do next."""


class BadData(IntuitionError):
    """A payload that cannot be read as market data."""

    def __init__(self, problem: str, *, field: str | None = None) -> None:
        self.problem = problem
        self.field = field
        super().__init__(f"{field}: {problem}" if field else problem)


class BadParameter(IntuitionError):
    """A parameter that the part it was meant for does not accept; ``where`` is where it was given, if that is known."""

    def __init__(self, part: str, key: str | None, problem: str, *, where: str | None = None) -> None:
        self.part = part
        self.key = key
        self.problem = problem
        self.where = where
        place = f"{part}: parameter `{key}`" if key else part
        super().__init__(f"{where}: {problem} ({part})" if where else f"{place}: {problem}")


class Mistakes(IntuitionError):
    """Several mistakes at once, all of them told, one a line."""

    def __init__(self, *errors: IntuitionError) -> None:
        flat = (inner for error in errors for inner in (error.errors if isinstance(error, Mistakes) else (error,)))
        self.errors: tuple[IntuitionError, ...] = tuple(dict.fromkeys(flat))
        super().__init__("\n".join(dict.fromkeys(map(str, self.errors))))

    @classmethod
    def of(cls, errors: Sequence[IntuitionError]) -> IntuitionError:
        """Return the error to raise for one mistake or more: the only one as it is, or all in one."""
        return errors[0] if len(errors) == 1 else cls(*errors)


class PartFailed(IntuitionError):
    """A part that raised, or that returned something outside its contract."""

    def __init__(self, part: str, method: str, problem: str) -> None:
        self.part = part
        self.method = method
        self.problem = problem
        super().__init__(f"{part}.{method}: {problem}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean `x`?`` for the nearest known word, or an empty string where none is near."""
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


class BackendLost(IntuitionError):
    """A backend that did not answer in time or went away; the call may or may not have run."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(f"no answer from the backend at {address}: {problem}")


class BackendRefused(IntuitionError):
    """A backend that answered a call with an error."""

    def __init__(self, address: str, method: str, name: str, problem: str) -> None:
        self.address = address
        self.method = method
        self.name = name
        self.problem = problem
        super().__init__(f"{address} refused `{method}`: {problem} ({name})")


class VenueUnavailable(IntuitionError):
    """It is not known whether an order arrived at the venue, or what became of it: ask before trying again."""

    def __init__(self, order_id: str, problem: str) -> None:
        self.order_id = order_id
        self.problem = problem
        super().__init__(f"the venue did not say what became of order {order_id}: {problem}; ask before trying again")
