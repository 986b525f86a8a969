"""The page on bringing data says of each vendor's file what the command says of it."""

import shlex
from pathlib import Path

import intuition_source_files
import msgspec
import pytest
from support.vendors import File, files

from intuition_core.sources.taken import lines

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-data.md"


def row(file: File, folder: Path) -> str:
    """Return the row of the page's table for a vendor's file."""
    path = folder / file.name
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    source = getattr(intuition_source_files, file.source)()
    source.initialize(msgspec.convert({"path": str(path), **file.params}, source.Params))
    for _ in source.batches():
        pass
    (line,) = lines(source.taken())
    said = "".join(f" --param source.{key}={value}" for key, value in file.params.items())
    return f"| {file.vendor} | `--data {shlex.quote(file.name)}{said}` | {line.removeprefix(f'{file.name}: ')} |"


@pytest.mark.parametrize("file", files(), ids=lambda file: file.vendor)
def test_the_page_says_what_the_command_says(tmp_path: Path, file: File) -> None:
    wanted = row(file, tmp_path)
    assert wanted in PAGE.read_text().splitlines(), f"put this into {PAGE.name}: {wanted}"
