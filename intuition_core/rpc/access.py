"""The clients that may call a server: a folder with a public key for each, and a table of what each may do.

The folder holds ``NAME.public`` files. A client may *drive* the session, unless ``clients.toml`` beside the keys says
that it may only *read*, or *trade* for it at a venue::

    [monitor]
    may = "read"

    [executor]
    may = "trade"

Both are read again when they change. A file that is just being written, or has a mistake, must not let anybody do more:
what cannot be read lets nobody in, and who may only read drives once the table says so, not when an entry is missing.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self, TypeAlias

import msgspec

from intuition_core.config.files import UnreadableFile, read_toml
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.rpc.keys import PUBLIC, BadKey, Given, PublicKey, SecretKey, read_public_file, read_secret
from intuition_core.rpc.throttle import Throttle

TABLE: Final = "clients.toml"

PAUSE: Final = 0.2
"""Seconds for which the folder is not looked at again."""

_SHOWN: Final = 20

Permission: TypeAlias = Literal["read", "trade", "drive"]
"""``read``: ask what is and what was. ``drive``: that, and cause events. ``trade``: read, and tell of a venue."""

_log: Final = logging.getLogger(__name__)


class AllowedClient(NamedTuple):
    """A client that is let in."""

    name: str
    may: Permission


class BadClients(IntuitionError):
    """A folder of allowed clients that cannot be understood."""

    def __init__(self, folder: Path, *problems: str) -> None:
        self.folder = folder
        self.problems = problems
        super().__init__("\n".join(f"clients {folder}: {problem}" for problem in problems))


class IncompleteAccess(IntuitionError):
    """A server's key without allowed clients, or the other way round."""

    def __init__(self, given: str, missing: str) -> None:
        self.given = given
        self.missing = missing
        super().__init__(
            f"`{given}` is given, but not `{missing}`: a server needs both, the file of its own secret key (key) and "
            "the folder with the public keys of those who may call it (clients)"
        )


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row of the table for one client."""

    may: Permission


_Table: TypeAlias = dict[str, _Entry]
_Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]


class AllowedClients:
    """The clients that may call, by public key."""

    def __init__(
        self, folder: Path, *, log: logging.Logger = _log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the folder.

        Args:
            folder: with ``NAME.public`` files, and ``clients.toml`` if somebody may only read.
            log: told who is allowed, and of mistakes made later.
            clock: seconds that only grow.

        Raises:
            BadClients: something in the folder cannot be understood.
        """
        self.folder = folder
        self._log = log
        self._throttle = Throttle(log)
        self._clock = clock
        self._table: _Table = {}
        self._clients: Mapping[PublicKey, AllowedClient] = {}
        try:
            self._signature = _signature(folder)
        except OSError as error:
            raise BadClients(folder, f"the folder cannot be read: {error.strerror}") from None
        self._looked = clock()
        problems = self._read()
        if problems:
            raise BadClients(folder, *problems)

    def __len__(self) -> int:
        """Count them."""
        return len(self._clients)

    def __str__(self) -> str:
        """Name them, with what they may do."""
        named = [f"{name} ({may})" for name, may in sorted(self._clients.values())]
        more = [f"{len(named) - _SHOWN} more"] if len(named) > _SHOWN else []
        return ", ".join([*named[:_SHOWN], *more]) or "nobody"

    def find(self, key: str) -> AllowedClient | None:
        """Return the client of a public key by the folder as it is now, within `PAUSE`; None if it is not allowed."""
        now = self._clock()
        if now - self._looked >= PAUSE:
            self._looked = now
            self._look()
        return self._clients.get(PublicKey(key))

    def _look(self) -> None:
        try:
            signature = _signature(self.folder)
        except FileNotFoundError:
            signature = ()
        except OSError as error:
            self._throttle(
                logging.ERROR,
                "clients %s: the folder cannot be read, so nothing changes: %s",
                self.folder,
                error.strerror,
            )
            return
        if signature != self._signature:
            self._signature = signature
            for problem in self._read():
                self._log.error("clients %s: %s", self.folder, problem)
            self._log.info("clients %s changed; allowed: %s", self.folder, str(self))

    def _read(self) -> list[str]:
        """Read everything again, and give what is wrong with it."""
        problems: list[str] = []
        keys: dict[str, PublicKey] = {}
        for file, *_ in self._signature:
            name = file.removesuffix(PUBLIC)
            if name != file:
                try:
                    keys[name] = read_public_file(self.folder / file, origin="key")
                except BadKey as error:
                    problems.append(f"{file}: {error.problem}; until that is mended, {name} is not let in")
        try:
            table = _read_table(self.folder / TABLE)
        except _BadTable as error:
            problems.append(f"{TABLE}: {error}; until that is mended, nobody new is let in")
            known = {client.name for client in self._clients.values()}
            keys = {name: key for name, key in keys.items() if name in known}
        else:
            self._table = self._table | table
            for name in sorted(table.keys() - keys.keys()):
                hint = did_you_mean(name, keys) or f": there is no {name}{PUBLIC}"
                self._log.warning("clients %s: %s: `%s` is no client%s", self.folder, TABLE, name, hint)
        self._clients = self._admitted(keys)
        return problems

    def _admitted(self, keys: Mapping[str, PublicKey]) -> dict[PublicKey, AllowedClient]:
        clients: dict[PublicKey, AllowedClient] = {}
        for name, key in keys.items():
            client = AllowedClient(name, self._table[name].may if name in self._table else "drive")
            if other := clients.get(key):
                self._log.warning(
                    "clients %s: `%s` and `%s` have the same key; it may do what both may",
                    self.folder,
                    other.name,
                    name,
                )
                client = other._replace(may=other.may if other.may == client.may else "read")
            clients[key] = client
        return clients


@dataclass(frozen=True)
class Access:
    """A server's own key, and the clients that it admits."""

    key: SecretKey
    clients: AllowedClients

    @classmethod
    def configured(cls, key: Given | None, clients: Given | None, *, log: logging.Logger = _log) -> Self | None:
        """Read both as they are configured; None where neither is.

        Raises:
            IncompleteAccess: only one of them is.
            BadKey: the key cannot be used.
            BadClients: the folder cannot be.
        """
        if key is None and clients is None:
            return None
        if key is None:
            raise IncompleteAccess("clients", "key")
        if clients is None:
            raise IncompleteAccess("key", "clients")
        return cls(read_secret(key), AllowedClients(Path(clients).expanduser(), log=log))


class _BadTable(Exception):
    """A mistake in the table."""


def _read_table(path: Path) -> _Table:
    try:
        return msgspec.convert(read_toml(path), _Table)
    except FileNotFoundError:
        return {}
    except UnreadableFile as error:
        raise _BadTable(str(error)) from None
    except msgspec.ValidationError as error:
        problem = str(error)
        raise _BadTable(
            f'{problem[:1].lower()}{problem[1:]}; expected tables such as [NAME] with may = "read"'
        ) from None


def _signature(folder: Path) -> _Signature:
    """Return a value that changes with the files of the folder, without opening them."""
    states: list[tuple[str, int, int, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == TABLE or (entry.name.endswith(PUBLIC) and not entry.name.startswith(".")):
                with suppress(FileNotFoundError):
                    state = entry.stat()
                    states.append((entry.name, state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(sorted(states))
