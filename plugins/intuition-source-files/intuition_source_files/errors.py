"""What can be wrong with a file of prices, one sentence each."""

from collections.abc import Sequence
from pathlib import Path

from intuition_core.errors import IntuitionError


class NoFile(IntuitionError):
    """There is no file under a path, or none that a folder or a pattern finds."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class UnreadableFile(IntuitionError):
    """A file that is not what it should be, or that cannot be opened."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class NoColumn(IntuitionError):
    """A file without a column that is needed, or that an option names."""

    def __init__(self, path: Path, role: str, columns: Sequence[str], problem: str) -> None:
        self.path = path
        self.role = role
        self.columns = tuple(columns)
        self.problem = problem
        super().__init__(f"{path}: {problem}; its columns are {listed(columns)}")


class AmbiguousColumn(IntuitionError):
    """A file with several columns that could be the same thing."""

    def __init__(self, path: Path, role: str, columns: Sequence[str]) -> None:
        self.path = path
        self.role = role
        self.columns = tuple(columns)
        super().__init__(f"{path}: {listed(columns)} could each be the {role}; choose one with the option `{role}`")


class TwoLayouts(IntuitionError):
    """A file that two layouts fit, which mean different things."""

    def __init__(self, path: Path, presets: Sequence[str]) -> None:
        self.path = path
        self.presets = tuple(dict.fromkeys(presets))
        either = " and ".join(f"`{name}`" for name in self.presets)
        super().__init__(
            f"{path}: the layouts {either} fit, which mean different things; choose one with the option `preset`"
        )


class TwoMeanings(IntuitionError):
    """Something in a file that may be read in two ways."""

    def __init__(self, path: Path, what: str, one: str, other: str, remedy: str) -> None:
        self.path = path
        self.what = what
        self.readings = (one, other)
        super().__init__(f"{path}: {what} may be {one} or {other}; {remedy}")


class NotTold(IntuitionError):
    """Something that a file's layout does not tell, and that is needed."""

    def __init__(self, path: Path, preset: str, option: str, why: str, example: str) -> None:
        self.path = path
        self.preset = preset
        self.option = option
        super().__init__(f"{path}: {why} (layout `{preset}`); say it with the option `{option}`, such as {example}")


class BadRow(IntuitionError):
    """A row that cannot be read, or that no market can have given.

    ``place`` says where: ``line 7`` of a CSV file as an editor counts, ``row 6`` of a Parquet file counted from 1.
    """

    def __init__(self, path: Path, place: str, problem: str) -> None:
        self.path = path
        self.place = place
        self.problem = problem
        super().__init__(f"{path}, {place}: {problem}")


class BadCell(Exception):
    """A cell that cannot be read, before it is known where its row is in the file; becomes a `BadRow`.

    ``index`` counts from 0 within the rows that were read at once.
    """

    def __init__(self, index: int, problem: str) -> None:
        self.index = index
        self.problem = problem
        super().__init__(problem)


class BadLine(BadCell):
    """A row whose text fits no table, found while the rows before it were still to be given.

    ``index`` counts from 0 within the file.
    """


def listed(names: Sequence[str]) -> str:
    """Return names as a person reads them, cut where there are many."""
    shown = [f"`{name}`" for name in names[:20]]
    if len(names) > 20:
        shown.append(f"{len(names) - 20} more")
    return ", ".join(shown) or "none"
