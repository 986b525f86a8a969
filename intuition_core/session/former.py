"""Ids of items whose events were dropped: what is known of them is that they were taken.

Each is a digest of eight bytes, in one of many rows; which one, its lowest bits say. The number of rows grows with that
of the digests, one row at a time (linear hashing), so that none becomes large. All rows there may be exist, and each
has a mark: neither a flipped bit nor a missing row makes an id unknown without being noticed.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Final

import msgspec

from intuition_core.session.database import Database
from intuition_core.session.errors import JournalDamaged
from intuition_core.session.integrity import mark
from intuition_core.session.sealing import FULL

BYTES: Final = 8
"""Bytes of a digest."""
KEY: Final = "former"
"""The property of the session that counts them."""
_MOST_VALUES: Final = 500


class Count(msgspec.Struct, frozen=True):
    """How many former ids there are.

    Attributes:
        ids: the digests.
        buckets: the rows.
    """

    ids: int = 0
    buckets: int = 0


def digest_of(identity: str) -> int:
    """Return the digest of an id."""
    return int.from_bytes(blake2b(identity.encode(), digest_size=BYTES).digest(), "little")


def bucket_of(digest: int, buckets: int) -> int:
    """Return the row of a digest, of so many."""
    size = 1 << (buckets.bit_length() - 1)
    at = digest & (2 * size - 1)
    return at if at < buckets else at & (size - 1)


class FormerIds:
    """The former ids of a journal.

    Args:
        database: the journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _db(self) -> sqlite3.Connection:
        return self._database.connection

    def count(self) -> Count:
        """Return how many there are."""
        for (value,) in self._database.rows("SELECT value FROM meta WHERE key = ?", KEY):
            return msgspec.json.decode(value, type=Count)
        return Count()

    def known(self, identities: Iterable[str]) -> Iterator[str]:
        """Yield those of the ids that are former ones.

        Raises:
            JournalDamaged: what is kept of them is not what was written.
        """
        buckets = self.count().buckets
        if not buckets:
            return
        asked: dict[int, list[tuple[str, bytes]]] = {}
        for identity in identities:
            digest = digest_of(identity)
            asked.setdefault(bucket_of(digest, buckets), []).append((identity, digest.to_bytes(BYTES, "little")))
        for bucket, digests in self._read(asked):
            kept = set(_parts(digests))
            yield from (identity for identity, digest in asked[bucket] if digest in kept)

    def add(self, identities: Iterable[str]) -> None:
        """Add ids, within a transaction.

        Raises:
            JournalDamaged: what is kept is not what was written.
        """
        new = {digest_of(identity) for identity in identities}
        if not new:
            return
        count = self.count()
        buckets = max(count.buckets, 1)
        changed: dict[int, set[bytes]] = {}
        for digest in new:
            changed.setdefault(bucket_of(digest, buckets), set()).add(digest.to_bytes(BYTES, "little"))
        rows = {bucket: set(_parts(digests)) for bucket, digests in self._read(changed)} if count.buckets else {}
        added = 0
        for bucket, digests in changed.items():
            row = rows.setdefault(bucket, set())
            added += len(digests - row)
            row |= digests
        self._write(rows)
        while count.ids + added > FULL * buckets:
            self._split(buckets)
            buckets += 1
        value = msgspec.json.encode(Count(count.ids + added, buckets)).decode()
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, value))

    def _split(self, buckets: int) -> None:
        """Begin another row, with those of the digests of an older one that belong there."""
        older = buckets - (1 << (buckets.bit_length() - 1))
        ((_, digests),) = self._read((older,))
        rows: dict[int, set[bytes]] = {older: set(), buckets: set()}
        for digest in _parts(digests):
            rows[bucket_of(int.from_bytes(digest, "little"), buckets + 1)].add(digest)
        self._write(rows)

    def _read(self, buckets: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield rows, checked.

        Raises:
            JournalDamaged: one is missing, or is not what was written.
        """
        wanted = iter(buckets)
        while part := list(islice(wanted, _MOST_VALUES)):
            marks = ",".join("?" * len(part))
            query = f"SELECT bucket, digests, mark FROM former WHERE bucket IN ({marks})"  # noqa: S608  # only marks
            rows = list(self._database.rows(query, *part))
            if len(rows) != len(part) or any(mark(bucket, digests) != own for bucket, digests, own in rows):
                raise JournalDamaged(self._database.path, "its table `former` is not what was written")
            for bucket, digests, _ in rows:
                yield bucket, digests

    def _write(self, rows: dict[int, set[bytes]]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO former VALUES (?, ?, ?)",
            [
                (bucket, content, mark(bucket, content))
                for bucket, digests in rows.items()
                for content in (b"".join(sorted(digests)),)
            ],
        )


def _parts(digests: bytes) -> Iterator[bytes]:
    return (digests[at : at + BYTES] for at in range(0, len(digests), BYTES))
