"""Hashes of recorded data: by them a run says what it read, and another one is held to the same."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from intuition_core.errors import IntuitionError

_BLOCK: Final = 1 << 20
_DIGITS: Final = 12


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of data that a run read: a file, a dataset, or all events of a source that reads neither."""

    source: str
    """The name of the source that read it."""
    data: str
    """Its name, as it may be shown."""
    kind: Literal["file", "dataset", "events"]
    sha256: str
    """The hash of the file's bytes, of the dataset's files, or of the events as JSON."""
    options: str
    """The source's parameters, the span and the symbols, by the first digits of their SHA-256; empty without any."""

    def to_json(self) -> dict[str, str]:
        """Return it in plain JSON types."""
        plain: dict[str, str] = msgspec.to_builtins(self)
        return plain


class DataChanged(IntuitionError):
    """A file that was written to while it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} was changed while it was read; run again once nothing writes to it")


class OtherData(IntuitionError):
    """Data that is not what an earlier run read."""

    def __init__(self, run: str, problem: str) -> None:
        self.run = run
        self.problem = problem
        super().__init__(f"{run} was run on other data: {problem}; give it the same data, or leave out --against")


class NoRun(IntuitionError):
    """A file that holds no run which says what it read."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}; name what `intuition backtest --json` wrote")


class _Run(msgspec.Struct, frozen=True):
    data: tuple[Content, ...]
    decisions_sha256: str | None = None


class EarlierRun:
    """A run that wrote what it read, and a hash of what it decided, with ``--json``.

    Args:
        path: the file.

    Raises:
        NoRun: the file cannot be read, or says nothing of data.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            run = msgspec.json.decode(path.read_bytes(), type=_Run)
        except OSError as error:
            raise NoRun(path, error.strerror or str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NoRun(path, f"does not say which data was read ({error})") from None
        if not run.data:
            raise NoRun(path, "does not say which data was read")
        self.decisions_sha256 = run.decisions_sha256
        """The hash of its decisions; None where it does not say."""
        self._data = run.data

    def check(self, now: Sequence[Content], *, ended: bool) -> None:
        """Check that a later run reads the same data in the same way; names of files do not count.

        Args:
            now: what the later run reads.
            ended: whether the later run has ended, so that hashes of events are known.

        Raises:
            OtherData: it does not, with the first difference.
        """
        if len(self._data) != len(now):
            raise self._other(f"it read {_counted(self._data)}, and this is {_counted(now)}")
        for one, other in zip(self._data, now, strict=True):
            if one.source != other.source:
                raise self._other(f"`{one.source}` read {one.data}, and now `{other.source}` reads {other.data}")
            if one.kind != other.kind or (one.sha256 != other.sha256 and (ended or other.sha256)):
                was = f"{one.data} had the SHA-256 {one.sha256[:_DIGITS]}"
                raise self._other(f"{was}, and {other.data} has {other.sha256[:_DIGITS]}")
            if one.options != other.options:
                raise self._other(f"{one.data} was read with other parameters, symbols or times than {other.data} now")

    def _other(self, problem: str) -> OtherData:
        return OtherData(str(self._path), problem)


def files_of(source: object) -> list[Path] | None:
    """Return the files that a source reads; None where it does not say so."""
    files = getattr(source, "files", None)
    return None if files is None else list(files())


def stamps_of(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Return size and time of change of files, by which a change is noticed."""
    return {path: (status.st_size, status.st_mtime_ns) for path in files if (status := path.stat())}


def check_unchanged(stamps: Mapping[Path, tuple[int, int]]) -> None:
    """Check that files are as they were when their stamps were taken.

    Raises:
        DataChanged: one was changed since.
    """
    for path, stamp in stamps.items():
        try:
            if stamps_of([path]) != {path: stamp}:
                raise DataChanged(path)
        except OSError:
            raise DataChanged(path) from None


def of_files(source: str, stamps: Mapping[Path, tuple[int, int]], options: str) -> list[Content]:
    """Return the contents of files that were read.

    Raises:
        DataChanged: one was changed since.
    """
    found = []
    for path, stamp in stamps.items():
        digest = sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError:
            raise DataChanged(path) from None
        check_unchanged({path: stamp})
        found.append(Content(source=source, data=path.name, kind="file", sha256=digest.hexdigest(), options=options))
    return found


def digest_of(options: Mapping[str, Any]) -> str:
    """Return the first digits of the hash of parameters, which may be secrets; nothing for none."""
    given = {key: value for key, value in options.items() if value not in (None, (), False)}
    if not given:
        return ""
    plain = msgspec.json.encode(given, enc_hook=str, order="sorted")
    return sha256(plain).hexdigest()[:_DIGITS]


def _counted(contents: Sequence[Content]) -> str:
    return f"{len(contents)} pieces of data" if len(contents) != 1 else contents[0].data
