"""Files that would fill memory or end the process, and files that may not be read."""

import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from intuition_source_files import Csv, Json, Parquet, UnreadableFile
from intuition_source_files.errors import NoFile

Read = Callable[..., list[dict[str, Any]]]
MEGABYTE = 1 << 20


def packed(path: Path, begin: bytes, filling: bytes, megabytes: int) -> Path:
    """Write a small archive of a text that goes on for long."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("GOOG.csv", "w") as member:
            member.write(begin)
            for _ in range(megabytes):
                member.write(filling * MEGABYTE)
    else:
        with gzip.open(path, "wb", compresslevel=1) as member:
            member.write(begin)
            for _ in range(megabytes):
                member.write(filling * MEGABYTE)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory of a process is Linux's to tell")
@pytest.mark.parametrize("name", ["GOOG.zip", "GOOG.csv.gz"])
@pytest.mark.parametrize("begin", [b"date,close\n", b'date,close\n2024-01-02,"'])
def test_a_line_without_an_end_does_not_fill_memory(tmp_path: Path, name: str, begin: bytes) -> None:
    path = packed(tmp_path / name, begin, b"1", 256)
    program = (
        "import sys; from intuition_source_files import Csv, UnreadableFile\n"
        "source = Csv()\n"
        "try:\n    source.initialize(Csv.Params(path=sys.argv[1])); list(source.batches())\n"
        "except UnreadableFile as error:\n    print(error)\n"
        # What `getrusage` says of the most memory begins with that of the process which has started this one.
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    said, kilobytes = done.stdout.splitlines()
    assert "a line is longer than 16,777,216 characters; is a quote left open" in said
    assert int(kilobytes) < 300_000  # the text as a whole takes 500 MB


def test_nothing_but_blank_lines_is_refused(read: Read, tmp_path: Path) -> None:
    path = packed(tmp_path / "GOOG.csv.gz", b"date,close\n", b"\n", 1)
    with pytest.raises(UnreadableFile, match="nothing but blank lines after line 1"):
        read(Csv, path)
    with gzip.open(tmp_path / "A.csv.gz", "wb") as stream:
        stream.write(b"date,close\n2024-01-02,1\n" + b"\n" * MEGABYTE)
    assert len(read(Csv, tmp_path / "A.csv.gz")) == 1


@pytest.mark.parametrize(("source", "name"), [(Csv, "a.csv"), (Csv, "a.zip"), (Json, "a.json"), (Parquet, "a.parquet")])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_may_not_be_read_is_refused_in_words(
    read: Read, tmp_path: Path, source: Any, name: str, kind: str
) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_text("x")
    locked = path if kind == "file" else path.parent
    locked.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises((NoFile, UnreadableFile), match=rf"{name}: cannot be read: Permission denied"):
            read(source, path)
    finally:
        locked.chmod(0o700)


def test_a_file_that_is_gone_while_it_is_read_was_read(tmp_path: Path) -> None:
    path = tmp_path / "GOOG.csv"
    path.write_text("date,close\n2024-01-02,1\n")
    source = Csv()
    source.initialize(Csv.Params(path=str(path)))
    batches = source.batches()
    assert len(next(batches)) == 1
    path.unlink()
    assert list(batches) == []
    (told,) = source.taken()
    assert (told.rows, told.notes) == (1, ())
