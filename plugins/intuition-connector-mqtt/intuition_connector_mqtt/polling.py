"""Waiting for sockets, with descriptors of any number."""

import select
from collections.abc import Iterable
from typing import Protocol


class HasDescriptor(Protocol):
    """A socket, or an object that stands for one."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


def wait_for(readers: Iterable[HasDescriptor], writers: Iterable[HasDescriptor], seconds: float) -> set[int]:
    """Wait until one of several sockets can be read or written.

    Args:
        readers: sockets to read from.
        writers: sockets to write to.
        seconds: how long to wait at most; 0 or less does not wait.

    Returns:
        The descriptors that can be read, or whose other end has gone.
    """
    wanted: dict[int, int] = {}
    for reader in readers:
        wanted[reader.fileno()] = select.POLLIN
    for writer in writers:
        wanted[writer.fileno()] = wanted.get(writer.fileno(), 0) | select.POLLOUT
    poll = select.poll()  # `select` takes no descriptor above 1,023
    for descriptor, events in wanted.items():
        poll.register(descriptor, events)
    # A millisecond is the least that `poll` waits: rounded down, a short wait would become a busy loop.
    milliseconds = -int(-seconds * 1000 // 1) if seconds > 0 else 0
    return {
        descriptor
        for descriptor, events in poll.poll(milliseconds)
        if events & ~select.POLLOUT and wanted[descriptor] & select.POLLIN
    }
