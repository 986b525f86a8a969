"""The sources themselves: CSV files, and Parquet files."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from intuition_source_files.columnar import ParquetFile
from intuition_source_files.delimited import CsvFile
from intuition_source_files.params import CsvParams, ParquetParams
from intuition_source_files.paths import find_files
from intuition_source_files.recording import Recording

_CSV: Final = (".csv", ".tsv", ".txt")
_PARQUET: Final = (".parquet", ".pq", ".parq")


class Csv:
    """Prices recorded in CSV files, in one or many, of any size.

    An event holds ``channel``, ``sid``, ``quote``, ``ts`` (nanoseconds UTC, when the row was known), of ``open``,
    ``high``, ``low``, ``close``, ``volume``, ``bid`` and ``ask`` what the row has, and the other columns under their
    own names: numbers as such, all else as text. Prices are in the currency of the file, as they stand there.
    """

    Params = CsvParams

    def initialize(self, params: CsvParams) -> None:
        """Find the files, and find out what their columns mean.

        Raises:
            AmbiguousColumn: two columns of a file could be the same thing.
            BadParameter: the parameters contradict each other or the files.
            NoColumn: a file lacks a column that is needed.
            NoFile: there is no such file.
            UnreadableFile: a file is empty, or no text.
        """
        files = [
            CsvFile(path, delimiter=params.delimiter, compression=params.compression)
            for path in find_files(params.paths, _CSV)
        ]
        self._recording = Recording(files, params)

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the events in the order of time; those of equal time by file, then as they are in it.

        Raises:
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: a file is damaged.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Give the same in lists of some thousand."""
        return self._recording.batches()

    def progress(self) -> float:
        """Tell which part of the files has been read, from 0 to 1."""
        return self._recording.progress()


class Parquet:
    """Prices recorded in Parquet files, in one or many, of any size.

    Events are as those of `Csv`; other columns are passed on if they hold numbers, texts or truths.
    """

    Params = ParquetParams

    def initialize(self, params: ParquetParams) -> None:
        """Find the files, and find out what their columns mean.

        Raises:
            AmbiguousColumn: two columns of a file could be the same thing.
            BadParameter: the parameters contradict each other or the files.
            NoColumn: a file lacks a column that is needed.
            NoFile: there is no such file.
            UnreadableFile: a file is no Parquet file.
        """
        files = [ParquetFile(path) for path in find_files(params.paths, _PARQUET)]
        self._recording = Recording(files, params)

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the events in the order of time; those of equal time by file, then as they are in it.

        Raises:
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: a file is damaged.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Give the same in lists of some thousand."""
        return self._recording.batches()

    def progress(self) -> float:
        """Tell which part of the files has been read, from 0 to 1."""
        return self._recording.progress()
