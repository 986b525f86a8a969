"""Arrow files, as `to_feather` writes them: mapped into memory, some rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.columnar import plain_values
from intuition_source_files.columns import Columns
from intuition_source_files.errors import UnreadableFile
from intuition_source_files.layouts import find_layout
from intuition_source_files.packing import told
from intuition_source_files.params import FileParams

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CELLS: Final = 1 << 18


class FeatherFile:
    """A file of Arrow's own format, the second version of Feather.

    Raises:
        UnreadableFile: it is none.
    """

    def __init__(self, path: Path, params: FileParams) -> None:
        self.path = path
        self._given = self._rows = 0
        try:
            self.size = path.stat().st_size
            with self._open() as file:
                self.names = tuple(file.schema.names)
                self.zones = {field.name: getattr(field.type, "tz", None) for field in file.schema}
                self._rows = sum(file.get_batch(number).num_rows for number in range(file.num_record_batches))
        except PermissionError as error:
            raise UnreadableFile(path, told(error)) from None
        except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
            raise UnreadableFile(path, f"is no Arrow file that can be read: {' '.join(str(error).split())}") from None
        self.layout = find_layout(path.with_suffix(""), None, self.names, params)

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1."""
        return self._given / self._rows if self._rows else 1.0

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows in the types of the file."""
        wanted = columns.read
        size = max(_CELLS // (share * len(wanted)), 1024)
        self._given = 0
        try:
            with self._open() as file:
                for number in range(file.num_record_batches):
                    batch = file.get_batch(number).select(wanted)
                    for begin in range(0, batch.num_rows, size):
                        self._given += min(size, batch.num_rows - begin)
                        yield batch.slice(begin, size)
        except OSError as error:
            raise UnreadableFile(self.path, " ".join(str(error).split())) from None

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column, as text; None without a row, or where it has nothing."""
        with self._open() as file:
            for number in range(file.num_record_batches):
                for value in file.get_batch(number).column(name)[:1]:
                    return None if not value.is_valid else str(value.as_py())
        return None

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return numbers, texts and truths as they are."""
        return plain_values(column)

    def place(self, row: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {row + 1}"

    def _open(self) -> Any:
        import pyarrow as pa

        return pa.ipc.open_file(pa.memory_map(str(self.path)))
