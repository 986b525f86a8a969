"""What a program and all below it take of the machine's memory."""

import os
from collections.abc import Iterator
from pathlib import Path


def resident(pid: int) -> int:
    """Give the bytes that a process and all below it hold."""
    pages = 0
    for each in _tree(pid):
        try:
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except OSError:
            continue  # ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _tree(int(child))
