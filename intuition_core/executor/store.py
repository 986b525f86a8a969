"""What an executor must not forget: its orders, the executions that the session has not confirmed, and its cursors."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from intuition_core.errors import IntuitionError
from intuition_core.session.journal import Durability

State: TypeAlias = Literal["waiting", "sending", "working", "ended"]
"""``waiting`` for its turn, ``sending`` once it may have reached the venue, ``working`` once the venue has it."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, state TEXT NOT NULL, record BLOB NOT NULL, cancel TEXT,
    filled TEXT NOT NULL DEFAULT '0'
);
CREATE INDEX IF NOT EXISTS open_orders ON orders (place) WHERE state <> 'ended';
CREATE TABLE IF NOT EXISTS untold (n INTEGER PRIMARY KEY, execution BLOB NOT NULL);
"""


class OtherExecutor(IntuitionError):
    """The folder of an executor that another process uses, or that was another session's."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class Intent(msgspec.Struct, frozen=True):
    """An order of the session.

    Attributes:
        id: the decision's.
        state: how far it has come.
        record: the decision.
        cancel: why it is to be cancelled; None where it is not.
    """

    id: str
    state: State
    record: Mapping[str, Any]
    cancel: str | None

    @property
    def opens(self) -> bool:
        """Whether it opens a position rather than closing one; at a venue nothing is sold short."""
        return bool(self.record["side"] == "buy")


class Store:
    """The file of one executor. Each method is one transaction, on disk when it returns.

    Args:
        path: the file.
        durability: what a transaction survives: the end of the process, or that of the machine's power as well.

    Raises:
        OtherExecutor: another process uses it.
    """

    def __init__(self, path: Path, *, durability: Durability = "power") -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.executescript(_SCHEMA)
            with self._writing():
                self._set("opened", "1")
        except sqlite3.Error as error:
            self._database.close()
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            problem = "it is in use, by another executor it seems" if busy else "it cannot be used"
            raise OtherExecutor(path, f"{problem} ({error})") from None

    def close(self) -> None:
        """Close the file; another process may open it then."""
        self._database.close()

    def belongs_to(self, run: str) -> None:
        """Note which run of a session the orders are of.

        Raises:
            OtherExecutor: they are of another one.
        """
        known = self.value("run")
        if known is not None and known != run:
            problem = (
                f"its orders are those of the run {known}, and this is {run}; give another --state to this session"
            )
            raise OtherExecutor(self.path, problem)
        with self._writing():
            self._set("run", run)

    def value(self, key: str) -> str | None:
        """Return what is kept under a key; None where nothing is."""
        for (value,) in self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)):
            return str(value)
        return None

    # -- orders

    def take(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Keep decisions and orders to be cancelled, with the place up to which they were asked for."""
        with self._writing():
            for record in records:
                if record["type"] == "decision":
                    self._database.execute(
                        "INSERT OR IGNORE INTO orders (id, place, state, record) "
                        "VALUES (?, (SELECT coalesce(max(place), 0) + 1 FROM orders), 'waiting', ?)",
                        (record["id"], msgspec.json.encode(record)),
                    )
                elif record["type"] == "cancel":
                    self._database.execute(
                        "UPDATE orders SET cancel = ? WHERE id = ? AND cancel IS NULL",
                        (record["reason"], record["order"]),
                    )
                self._set("taken", record["id"])

    def open_orders(self) -> list[Intent]:
        """Return the orders that have not ended, oldest first."""
        rows = self._database.execute(
            "SELECT id, state, record, cancel FROM orders WHERE state <> 'ended' ORDER BY place"
        )
        return [Intent(row[0], row[1], msgspec.json.decode(row[2]), row[3]) for row in rows]

    def outcome(self, order_id: str) -> tuple[State, Decimal] | None:
        """Return how far an order has come, and the units that were filled; None for one that is not known."""
        for state, filled in self._database.execute("SELECT state, filled FROM orders WHERE id = ?", (order_id,)):
            return state, Decimal(filled)
        return None

    def move(self, order_id: str, state: State, *said: Mapping[str, Any]) -> None:
        """Note how far an order has come, with what the session is to be told of it."""
        with self._writing():
            self._database.execute("UPDATE orders SET state = ? WHERE id = ?", (state, order_id))
            for each in said:
                if "filled" in each:
                    self._database.execute("UPDATE orders SET filled = ? WHERE id = ?", (each["filled"], order_id))
            self._tell(said)

    # -- executions

    def queue(self, said: Sequence[Mapping[str, Any]], **values: str) -> None:
        """Queue executions for the session, with values under their keys."""
        with self._writing():
            self._tell(said)
            for key, value in values.items():
                self._set(key, value)

    def unconfirmed(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the oldest executions that the session has not confirmed, each with its number."""
        rows = self._database.execute("SELECT n, execution FROM untold ORDER BY n LIMIT ?", (limit,))
        return [(n, msgspec.json.decode(body)) for n, body in rows]

    def confirm(self, last: int) -> None:
        """Delete the executions that the session has confirmed, up to a number."""
        with self._writing():
            self._database.execute("DELETE FROM untold WHERE n <= ?", (last,))

    def _tell(self, said: Sequence[Mapping[str, Any]]) -> None:
        bodies = [(msgspec.json.encode(each),) for each in said]
        self._database.executemany("INSERT INTO untold (execution) VALUES (?)", bodies)

    def _set(self, key: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
