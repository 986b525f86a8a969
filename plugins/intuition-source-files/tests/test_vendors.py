from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import intuition_source_files
import pytest
from support.vendors import NEW_YORK, File, files

Read = Callable[..., list[dict[str, Any]]]
FILES = files()


def ns(moment: Any) -> int:
    return int(moment.timestamp()) * 10**9


def wanted(file: File) -> list[tuple[Any, ...]]:
    """What is to come of a file, worked out from the bars."""
    found = []
    zone = NEW_YORK if file.zone in ("America/New_York", "as written") else UTC
    for bar in file.bars:
        begin = bar.begin.replace(tzinfo=zone) if file.dates else bar.begin
        end = (begin + file.length) if file.dates else (begin.astimezone(UTC) + file.length)
        ts = ns(end) - (1 if file.dates else 0)
        start = ns(begin) if file.length else None
        prices = [bar.close if key in ("quote", "bid") else getattr(bar, key) for key in file.fields]
        found.append((file.sid, start, ts, *prices))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.vendor)
def test_a_vendors_file_is_read_as_it_is(read: Read, tmp_path: Path, file: File) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    events = read(getattr(intuition_source_files, file.source), path, **file.params)
    found = [(e["sid"], e.get("start"), e["ts"], *(e.get(key) for key in file.fields)) for e in events]
    assert found == wanted(file)
    assert timedelta(0) <= file.length
