"""Checksums of a journal's rows, and the seal that the last commit has left.

A batch has a mark of its own and a link to the batch before, so that each tells whether it is whole, and the last one
whether all before it are there. The other tables have a sum of the marks of their rows, whatever their
order. The seal holds the last link and the sums.
"""

from hashlib import blake2b
from typing import Any, Final

import msgspec

MARK_BYTES: Final = 8
LINK_BYTES: Final = 16
START: Final = bytes(LINK_BYTES)
"""The link before the first batch that has one."""

TABLES: Final = {
    "meta": ("key", "value"),
    "identities": ("identity", "content", "first", "last", "batch", "mark"),
    "former": ("bucket", "digests", "mark"),
    "deliveries": ("n", "client", "key", "own", "packet", "topic", "hash"),
    "clients": ("client", "epoch", "published"),
    "snapshots": ("seq", "mark", "chain"),
    "casualties": ("n", "seq", "part", "problem", "event"),
    "verdicts": ("seq", "part", "name", "called", "quarantined", "problem"),
}
"""The columns that the sum of each table covers; the mark of a snapshot covers its state."""

_MASK: Final = 2**64 - 1
_encode: Final = msgspec.msgpack.Encoder().encode


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """What a commit has left a journal as.

    Attributes:
        journal: eight random bytes that no other journal has.
        commit: the number of the commit.
        seq: the number of the last event.
        chain: the link of the last batch.
        since: the last event from before the journal had checksums; 0 where all have.
        sums: by table, the number of its rows and the sum of their marks.
    """

    journal: bytes
    commit: int
    seq: int
    chain: bytes
    since: int
    sums: dict[str, tuple[int, int]]

    def encoded(self) -> bytes:
        """Return the seal as it is kept."""
        return _encode(self)


def mark(*values: Any) -> bytes:
    """Return the mark of a row: eight bytes of BLAKE2b over its values."""
    return blake2b(_encode(values), digest_size=MARK_BYTES).digest()


def link(before: bytes, own: bytes) -> bytes:
    """Return the link of a batch: over the link of the batch before, and its own mark."""
    return blake2b(before + own, digest_size=LINK_BYTES).digest()


def added(one: tuple[int, int], sign: int, *values: Any) -> tuple[int, int]:
    """Return the number and the sum of a table's rows after a row has come (1) or gone (-1)."""
    count, total = one
    return count + sign, (total + sign * int.from_bytes(mark(*values))) & _MASK


def unsealed(content: bytes) -> Seal:
    """Return the seal from its encoding.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return msgspec.msgpack.decode(content, type=Seal)
