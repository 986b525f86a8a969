"""The hash of what a run decided, by which runs compare."""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from intuition_core.trading.records import ID_KEYS, IDS_KEYS, Written

HASHED: Final = frozenset({"decision", "fill", "rejection"})
"""The types of record that count; what a part only says, or how it failed, is no decision."""

_AT_ONCE: Final = 1000
_encode_lines: Final = msgspec.json.Encoder().encode_lines


class Digest:
    """Hashes the decisions, fills and rejections of one run: each as one line of JSON.

    What names the run is left out, so that a run over history, one on paper and a replay of it give the same hash where
    they decide the same.

    Args:
        run: what the ids of its records start with; empty where they start with the number of the event.
    """

    def __init__(self, run: str) -> None:
        self._hash = hashlib.sha256()
        self._waiting: list[Written] = []
        self._marked: tuple[tuple[bytes, bytes], ...]
        self._lists: tuple[bytes, ...]
        self._listed: tuple[tuple[bytes, bytes], ...]
        if not run:
            self._marked = self._lists = self._listed = ()
            return
        # A quote within a text is escaped, so that these are found nowhere but at the keys.
        self._marked = tuple((f'"{key}":"{run}:'.encode(), f'"{key}":"'.encode()) for key in ID_KEYS)
        self._lists = tuple(f'"{key}":['.encode() for key in IDS_KEYS)
        befores = (*self._lists, b",")
        self._listed = tuple((before + f'"{run}:'.encode(), before + b'"') for before in befores)

    def add(self, records: Iterable[Written]) -> None:
        """Hash more records, in order."""
        self._waiting += records
        if len(self._waiting) >= _AT_ONCE:
            self._work()

    def hexdigest(self) -> str:
        """Return the SHA-256 of all records so far, in hexadecimal."""
        self._work()
        return self._hash.hexdigest()

    def _work(self) -> None:
        # Inside, each record that is a struct is one of these types.
        lines = _encode_lines([each for each in self._waiting if type(each) is not dict or each["type"] in HASHED])
        for marked, plain in self._marked:
            lines = lines.replace(marked, plain)
        if any(key in lines for key in self._lists):
            for marked, plain in self._listed:
                lines = lines.replace(marked, plain)
        self._hash.update(lines)
        self._waiting.clear()
