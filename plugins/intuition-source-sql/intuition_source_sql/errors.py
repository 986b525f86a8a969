"""What can go wrong between a database and its events. No message holds a password."""

from collections.abc import Sequence

from intuition_core.errors import IntuitionError, did_you_mean


class NoDriver(IntuitionError):
    """The package that talks to this kind of database is not installed, or there is none of that name."""

    def __init__(self, address: str, remedy: str) -> None:
        self.address = address
        self.remedy = remedy
        super().__init__(f"{address}: no driver for this kind of database; {remedy}")


class DatabaseFailed(IntuitionError):
    """A database that cannot be reached, or that refuses what it is asked."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(f"{address}: {problem}")


class NoColumn(IntuitionError):
    """A column that is needed and not there, or of which it is not clear which one it is."""

    def __init__(self, place: str, role: str, columns: Sequence[str], *, named: str | None = None) -> None:
        self.place = place
        self.role = role
        self.columns = tuple(columns)
        self.named = named
        there = ", ".join(columns) or "none"
        if named is None:
            problem = f"no column is known as the {role}; name it by the parameter `{role}`"
        else:
            problem = f"no column `{named}`{did_you_mean(named, columns) or ';'} that is the parameter `{role}`"
        super().__init__(f"{place}: {problem} (there are: {there})".replace("? that is", "? That is"))


class AmbiguousColumn(IntuitionError):
    """Several columns that could be what is looked for."""

    def __init__(self, place: str, role: str, columns: Sequence[str]) -> None:
        self.place = place
        self.role = role
        self.columns = tuple(columns)
        found = ", ".join(f"`{column}`" for column in columns)
        super().__init__(f"{place}: each of {found} could be the {role}; choose one by the parameter `{role}`")


class BadRow(IntuitionError):
    """A row that cannot be an event; ``row`` counts from 1, in the order in which the database gives them."""

    def __init__(self, place: str, row: int, column: str, problem: str) -> None:
        self.place = place
        self.row = row
        self.column = column
        self.problem = problem
        super().__init__(f"{place}, row {row}: `{column}` {problem}")
