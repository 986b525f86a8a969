"""The head of a journal in what its clients confirm: the last event that was acknowledged to them, and its link.

A journal that was put back to an earlier state, its head file included, is whole in itself. Only who was answered
since knows that it is an older one.
"""

import re
from collections import OrderedDict
from typing import Final

from intuition_core.session.database import Database
from intuition_core.session.errors import HeadLost

LONGEST: Final = 80
"""Characters of a head at most."""
_HEAD: Final = re.compile(r"([0-9a-f]{16}):(0|[1-9][0-9]{0,18}):([0-9a-f]{32})")
_REMEMBERED: Final = 1_000
"""Heads that are compared without a look into the file."""


def is_head(text: str) -> bool:
    """Return whether a text is a head."""
    return _HEAD.fullmatch(text) is not None


class Heads:
    """The heads of a journal: ``JOURNAL:EVENT:LINK``, the random bytes and the link in hexadecimal.

    Args:
        database: the journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: OrderedDict[int, str] = OrderedDict()

    @property
    def latest(self) -> str | None:
        """The head of what is committed; None in memory."""
        sealer = self._database.sealer
        if sealer is None:
            return None
        seal = sealer.seal
        head = self._recent.get(seal.seq)
        if head is None:
            head = self._recent[seal.seq] = f"{seal.journal.hex()}:{seal.seq}:{seal.chain.hex()}"
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return head

    def check(self, head: str) -> None:
        """Refuse to go on where what was acknowledged with a head is not held.

        A head of another journal says nothing: the session was begun anew, or repaired, which people decide.

        Raises:
            HeadLost: the journal ends before that event, or holds another one.
        """
        latest = self.latest
        found = _HEAD.fullmatch(head)
        if latest is None or found is None or head == latest:
            return
        journal, seq, link = found[1], int(found[2]), found[3]
        if not latest.startswith(journal) or self._recent.get(seq) == head:
            return
        assert self._database.seal is not None  # noqa: S101  # it is written
        if seq > self._database.end or not (seq <= self._database.seal.since or self._has(seq, bytes.fromhex(link))):
            raise HeadLost(self._database.path, seq, self._database.end)

    def _has(self, seq: int, chain: bytes) -> bool:
        database = self._database
        beginning = database.beginning()
        if seq <= beginning.seq:
            return seq < beginning.seq or chain == beginning.chain
        query = "SELECT last, chain FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1"
        return list(database.rows(query, seq)) == [(seq, chain)]
