"""Where the events of a journal begin: at event 1, or after the segments that were dropped."""

import sqlite3
from contextlib import suppress
from typing import Final

import msgspec

from intuition_core.session.integrity import START

KEY: Final = "beginning"
"""The property of the session under which it is kept."""


class Beginning(msgspec.Struct, frozen=True):
    """The last event before those that a journal holds.

    Attributes:
        seq: its number; 0 where all events are held.
        link: the link of its batch, in hexadecimal.
        ids: the event up to which the ids of items are among the former ones; equal to ``seq`` once all are.
    """

    seq: int = 0
    link: str = START.hex()
    ids: int = 0

    @property
    def chain(self) -> bytes:
        """The link of its batch."""
        return bytes.fromhex(self.link)

    def encoded(self) -> str:
        """Return it as it is kept."""
        return msgspec.json.encode(self).decode()


def read_beginning(db: sqlite3.Connection) -> Beginning:
    """Return where a journal begins; at event 1 where what is kept is damaged, so that its events are told as missing.

    Raises:
        sqlite3.Error: the journal cannot be read.
    """
    row = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(row[0], type=Beginning) if row else Beginning()
    return Beginning()
