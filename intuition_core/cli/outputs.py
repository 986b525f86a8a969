"""The files that a backtest writes beside its summary: the run as a whole, its equity curve, its round trips."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from intuition_core.cli.tables import CannotWrite, MissingExtra, format_of, open_table

if TYPE_CHECKING:
    from intuition_core.research.columns import Table
    from intuition_core.research.run import Run


class Outputs(NamedTuple):
    """The files that are asked for; None for each that is not."""

    save: Path | None
    equity: Path | None
    trades: Path | None

    @property
    def keeps_records(self) -> bool:
        """Whether the records of the run have to be kept for them."""
        return self.save is not None or self.trades is not None

    def check(self) -> None:
        """Check, before the run, that the files can be written.

        Raises:
            CannotWrite: there is no such folder.
            UnknownFormat: a table's name does not say its format.
        """
        for path in self:
            if path is not None:
                check_folder(path)
        for path in (self.equity, self.trades):
            if path is not None:
                format_of(path)

    def write(self, run: "Run") -> None:
        """Write the files, and tell of each on standard error.

        Raises:
            CannotWrite: one cannot be written.
            MissingExtra: Parquet needs pyarrow.
        """
        if self.equity is not None:
            write_table(run.equity, self.equity)
        if self.trades is not None:
            write_table(run.trades, self.trades)
        if self.save is not None:
            run.save(self.save)
        for what, path in (("equity", self.equity), ("trades", self.trades), ("run", self.save)):
            if path is not None:
                click.echo(f"{what} written to {path}", err=True)


def write_table(table: "Table", path: Path) -> None:
    """Write a table in the format of the file's name.

    Parquet has the types of frames; CSV and JSON lines have times in ISO 8601, durations in seconds, exact amounts.

    Raises:
        CannotWrite: the file cannot be written.
        MissingExtra: Parquet needs pyarrow.
    """
    form = format_of(path)
    if form != "parquet":
        with open_table(form, path, dict.fromkeys(table.columns, str)) as file:
            file.add(table.to_rows())
        return
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("writing Parquet", "pyarrow") from None
    try:
        parquet.write_table(table.to_arrow(), path)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from None


def check_folder(path: Path) -> None:
    """Check, before a run, that the folder of a file exists.

    Raises:
        CannotWrite: there is no such folder.
    """
    if not path.absolute().parent.is_dir():
        raise CannotWrite(path, "there is no such folder")
