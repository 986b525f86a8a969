"""The sources themselves: files of CSV, of Parquet and Arrow, of saved answers in JSON, and of JSON lines."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from intuition_core.data import check_channel
from intuition_core.errors import BadData, BadParameter
from intuition_core.recordings import Taken, merge, ordered
from intuition_source_files.answers import AnswerFile
from intuition_source_files.columnar import ParquetFile
from intuition_source_files.delimited import CsvFile
from intuition_source_files.feather import FeatherFile
from intuition_source_files.frames import Frames
from intuition_source_files.lines import LinesFile
from intuition_source_files.params import CsvParams, JsonLinesParams, JsonParams, ParquetParams
from intuition_source_files.paths import find_files
from intuition_source_files.recording import RecordedFiles, Recording

FEATHER: Final = (".feather", ".arrow", ".ipc")
_CSV: Final = (".csv", ".tsv", ".txt")
_PARQUET: Final = (".parquet", ".pq", ".parq", *FEATHER)
_JSON: Final = (".json",)
_LINES: Final = (".jsonl", ".ndjson")


class Csv(RecordedFiles):
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
        files = [CsvFile(path, params) for path in find_files(params.paths, _CSV)]
        self._recording = Recording(files, params)


class Parquet(RecordedFiles):
    """Prices recorded in files of Parquet, or of Arrow's own format (Feather), in one or many, of any size.

    Events are as those of `Csv`; other columns are passed on if they hold numbers, texts or truths.
    """

    Params = ParquetParams
    Frames = Frames
    """The source that reads frames in memory in the same way."""

    def initialize(self, params: ParquetParams) -> None:
        """Find the files, and find out what their columns mean.

        Raises:
            AmbiguousColumn: two columns of a file could be the same thing.
            BadParameter: the parameters contradict each other or the files.
            NoColumn: a file lacks a column that is needed.
            NoFile: there is no such file.
            UnreadableFile: a file is no Parquet file.
        """
        files = [
            FeatherFile(path, params) if path.suffix.lower() in FEATHER else ParquetFile(path, params)
            for path in find_files(params.paths, _PARQUET)
        ]
        self._recording = Recording(files, params)


class Json(RecordedFiles):
    """Candles in answers of vendors' interfaces that were saved as JSON, in one file or many that fit into memory.

    Events are as those of `Csv`. Arrays, objects, objects by their times and columns of values are known.
    """

    Params = JsonParams

    def initialize(self, params: JsonParams) -> None:
        """Find the files, and find out what is in them.

        Raises:
            AmbiguousColumn: two columns of a file could be the same thing.
            BadParameter: the parameters contradict each other or the files.
            NoColumn: a file lacks a column that is needed.
            NoFile: there is no such file.
            NotTold: a file's layout does not say what is needed.
            UnreadableFile: a file is no JSON, or holds no candles.
        """
        self._recording = Recording([AnswerFile(path, params) for path in find_files(params.paths, _JSON)], params)


class JsonLines:
    """Events recorded in files of JSON lines, one event in its normal form a line, of any channel.

    A line is what a publisher sends: ``{"sid": "GOOG", "quote": 345, "ts": "2024-01-02T21:00:00Z"}``, or an event of
    another channel, such as ``{"channel": "actions", "sid": "AAPL", "action": "split", "ratio": "4:1", "ts": …}``. A
    ``ts`` is nanoseconds UTC or an ISO 8601 time with its offset, and each event needs one.
    """

    Params = JsonLinesParams

    def initialize(self, params: JsonLinesParams) -> None:
        """Find the files.

        Raises:
            BadParameter: the channel can be none.
            NoFile: there is no such file.
            UnreadableFile: a file cannot be opened.
        """
        try:
            check_channel(params.channel)
        except BadData as error:
            raise BadParameter(params.part, "channel", error.problem) from None
        self._files = [LinesFile(path, params) for path in find_files(params.paths, _LINES)]

    def events(self) -> Iterator[dict[str, Any]]:
        """Return the events in the order of time; those of equal time by file, then as they are in it.

        Raises:
            BadRow: a line cannot be read, or goes back in time.
            UnreadableFile: a file is damaged.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Return the same in lists of some hundred."""
        if len(self._files) == 1:
            return ordered(self._files[0].batches())
        return merge([file.batches() for file in self._files])

    def files(self) -> list[Path]:
        """Name the files that are read."""
        return [file.path for file in self._files]

    def taken(self) -> list[Taken]:
        """Return what each file had, as far as it was read."""
        return [file.taken() for file in self._files]

    def progress(self) -> float:
        """Return which part of the files has been read, from 0 to 1."""
        size = sum(file.size for file in self._files)
        return sum(file.size * file.done for file in self._files) / size if size else 1.0
