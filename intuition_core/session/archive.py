"""The folder of sessions: one file for each, which one process at a time holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.session.head import SUFFIX as HEAD
from intuition_core.system.folders import data_folder

SUFFIX: Final = ".sqlite"


class SessionInUse(IntuitionError):
    """Another process is serving the session."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is being served by another process; end that one, or name another --session")


class CannotKeep(IntuitionError):
    """No session can be kept in that place."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"a session cannot be kept in {path}: {problem}; name another file with --journal, or keep it in memory "
            "with --no-journal"
        )


class NoSuchSession(IntuitionError):
    """There is no session of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        self.known = known
        there = f"there are {', '.join(known)}" if known else "there is none yet: `intuition serve` makes one"
        super().__init__(f"no session `{name}`{did_you_mean(name, known) or ';'} {there}")


def folder() -> Path:
    """Return the folder of sessions, which may not exist yet."""
    return data_folder() / "sessions"


def session_file(name: str) -> Path:
    """Return the file of a session by its name, whether it exists or not."""
    return folder() / f"{name}{SUFFIX}"


def session_names() -> list[str]:
    """Return the names of the sessions there are, archived ones included."""
    return sorted(path.stem for path in folder().glob(f"*{SUFFIX}"))


def find_session(name: str) -> Path:
    """Return the file of a session, by its name or its path.

    Raises:
        NoSuchSession: there is none, with the names there are.
    """
    for path in (session_file(name), Path(name)):
        if path.is_file():
            return path
    raise NoSuchSession(name, session_names())


def companions(path: Path) -> list[Path]:
    """Return the files that belong to a session's file and lie beside it: those of SQLite, and the head."""
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm", HEAD)]


def put_away(path: Path, name: str) -> Path:
    """Rename a session's file, and what belongs to it, within its folder; return the new path."""
    target = path.with_name(f"{name}{path.suffix}")
    for old, new in zip((*companions(path), path), (*companions(target), target), strict=True):
        if old.exists():
            old.rename(new)
    return target


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Return a context in which this process holds a session's file, by whatever name it was given.

    Folders that are made for it are for this user alone.

    Raises:
        SessionInUse: another process holds it.
        CannotKeep: nothing can be written there, or the file has a second name in the file system.
    """
    import filelock

    try:
        path = path.resolve()
        _make_private(path.parent)
        if path.exists() and path.stat().st_nlink > 1:
            # SQLite and the lock go by the name: each name would have a log of its own.
            raise CannotKeep(path, "the file has a second name (a hard link), under which it could be served too")
        lock = filelock.FileLock(path.with_suffix(path.suffix + ".lock"), mode=0o600)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise SessionInUse(path) from None
    except OSError as error:
        raise CannotKeep(path, error.strerror or str(error)) from None
    try:
        yield
    finally:
        lock.release()


def _make_private(parent: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone; the folder of sessions is made so."""
    missing = [each for each in (parent, *parent.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if parent == folder().resolve():
        parent.chmod(0o700)
