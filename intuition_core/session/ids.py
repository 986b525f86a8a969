"""The ids of items in a journal, by which they are known again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from intuition_core.data import Event
from intuition_core.session.batch import Identity, Known
from intuition_core.session.database import Database
from intuition_core.session.errors import JournalDamaged
from intuition_core.session.former import FormerIds
from intuition_core.session.integrity import mark
from intuition_core.session.sealing import check_order
from intuition_core.trading.records import Record

_MOST_VALUES: Final = 500
"""Values of one query; older SQLite takes 999."""
_ROW: Final = "identity, content, first, last, batch, mark"


class Ids:
    """The ids of a journal.

    Where there are too many to be verified before the first answer, each answer is verified by itself until the thread
    that verifies them all is done: the row that is found, by its mark; and that there is none, by the order of all rows
    and the marks of the two between which it would be.

    Args:
        database: the journal's.

    Attributes:
        former: the ids whose events were dropped.
        wait_for_order: waits until a thread has checked the order of the rows; None where none does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_order = False
        self.former = FormerIds(database)
        self.wait_for_order: Callable[[], None] | None = None

    def find(self, identities: Iterable[str]) -> dict[str, Known]:
        """Return those of the items that were taken before, each with its content and its records.

        Raises:
            JournalDamaged: what is kept of them is not what was written.
        """
        wanted = list(dict.fromkeys(identities))
        known: dict[str, Known] = {}
        batches: dict[int, list[Record]] = {}
        beginning = self._database.beginning().seq if wanted else 0
        for start in range(0, len(wanted), _MOST_VALUES):
            part = wanted[start : start + _MOST_VALUES]
            for identity, content, first, last, batch in self._rows(part):
                if last <= beginning:
                    known[identity] = Known(content, None)
                    continue
                if batch not in batches:
                    batches[batch] = self._records_of(batch)
                records = [record for record in batches[batch] if first <= record["seq"] <= last]
                known[identity] = Known(content, records)
        if len(known) < len(wanted):
            missing = [identity for identity in wanted if identity not in known]
            self._verify_missing(missing)
            known |= {identity: Known(b"", None) for identity in self.former.known(missing)}
        return known

    def events_of(self, identity: str) -> list[Event]:
        """Return the events of an item that was taken before."""
        database = self._database
        for _, _, first, last, batch in self._rows((identity,)):
            for row in database.rows(f"SELECT {database.batch_columns} FROM batches WHERE first = ?", batch):  # noqa: S608  # our own names
                events: list[Event] = database.decoded(database.checked(row)[3])
                return events[first - batch : last - batch + 1]
        return []

    def add(self, identities: Sequence[Identity], batch: int) -> None:
        """Write the ids of a batch, within its transaction."""
        marked = self._database.sealer is not None
        self._database.connection.executemany(
            "INSERT INTO identities VALUES (?, ?, ?, ?, ?, ?)",
            [(*each, batch, mark(*each, batch) if marked else None) for each in identities],
        )

    def _rows(self, identities: Sequence[str]) -> Iterator[tuple[str, bytes, int, int, int]]:
        database = self._database
        marks = ",".join("?" * len(identities))
        query = f"SELECT {database.id_columns} FROM identities WHERE identity IN ({marks})"  # noqa: S608  # only marks
        for row in list(database.rows(query, *identities)):
            yield self._checked(row)

    def _checked(self, row: Sequence[object]) -> tuple[str, bytes, int, int, int]:
        identity, content, first, last, batch, own = row
        seal = self._database.seal
        if seal is not None:
            whole = (
                mark(identity, content, first, last, batch) == own if own is not None else _is_older(batch, seal.since)
            )
            if not whole:
                raise JournalDamaged(self._database.path, f"the id {identity!r:.100} is not what was written")
        return identity, content, first, last, batch  # type: ignore[return-value]  # as its mark says

    def _records_of(self, first: int) -> list[Record]:
        database = self._database
        for row in database.rows(f"SELECT {database.batch_columns} FROM batches WHERE first = ?", first):  # noqa: S608  # our own names
            return database.decoded(database.checked(row)[4])
        raise JournalDamaged(database.path, f"the batch of event {first} is missing")

    def _verify_missing(self, identities: Iterable[str]) -> None:
        """Verify that ids are not there because they never were.

        Raises:
            JournalDamaged: the rows among which they would be are not what was written.
        """
        sealer = self._database.sealer
        if sealer is None or sealer.ids_checked:
            return
        if self.wait_for_order is not None:
            self.wait_for_order()
        elif not self._in_order:
            check_order(self._database.connection, self._database.path)
        self._in_order = True
        if sealer.damage is not None:
            raise JournalDamaged(self._database.path, sealer.damage)
        for identity in identities:
            for side in ("< ? ORDER BY identity DESC", "> ? ORDER BY identity"):
                query = f"SELECT {_ROW} FROM identities WHERE identity {side} LIMIT 1"  # noqa: S608  # our own text
                for row in list(self._database.rows(query, identity)):
                    self._checked(row)


def _is_older(batch: object, since: int) -> bool:
    return isinstance(batch, int) and batch <= since
