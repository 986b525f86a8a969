"""What can go wrong between a program and a run: arguments, files, libraries that are not installed."""

from collections.abc import Sequence
from pathlib import Path

from intuition_core.errors import IntuitionError


class BadArgument(IntuitionError):
    """An argument of `run_backtest` that makes no sense."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"run_backtest: `{name}`: {problem}")


class NoPart(IntuitionError):
    """A class or an object that is no part of its kind."""

    def __init__(self, kind: str, value: object, missing: Sequence[str]) -> None:
        self.kind = kind
        self.value = value
        self.missing = tuple(missing)
        cls = value if isinstance(value, type) else type(value)
        lacks = " and ".join(f"`{name}`" for name in missing)
        super().__init__(
            f"{cls.__module__}.{cls.__qualname__} is no {kind}: it has no {lacks}; expected a class, an object, "
            "the name of a plugin, or a file that ends in .py"
        )


class MissingExtra(IntuitionError):
    """A library that is needed and not installed."""

    def __init__(self, use: str, distribution: str) -> None:
        self.use = use
        self.distribution = distribution
        super().__init__(f"{use} needs {distribution}; run `pip install {distribution}`")


class CannotWrite(IntuitionError):
    """A file that cannot be written."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"cannot write {path}: {problem}")


class UnreadableRun(IntuitionError):
    """A file that holds no saved run."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}; name what `run.save` or `intuition backtest --save` wrote")


class NotKept(IntuitionError):
    """Records of a run that were not kept."""

    def __init__(self) -> None:
        super().__init__("the records of this run were not kept; run it by `run_backtest`, or save it with --save")
