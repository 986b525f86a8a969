"""Reloading parts from files: noticing that a file was saved, and which parts then begin anew."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from intuition_core.config.tables import Configuration
from intuition_core.plugins.files import FILE, BadFile, check_syntax, is_file, part_file, version_of
from intuition_core.trading.composition import Composition, Part, json_parts
from intuition_core.trading.parts import is_stateless

PartKey = tuple[str, str]
"""The kind and the name of a part."""


def part_paths(values: Configuration) -> list[Path]:
    """Return the files that parts and hooks of a session come from, each once."""
    references = [table.name for table in (values.algorithm, values.portfolio, *values.risks) if table is not None]
    references += [table.use or table.name for table in values.algorithms]
    references += [table.use or table.name for table in values.indicators]
    references += [table.portfolio.use for table in values.algorithms if table.portfolio is not None]
    references += values.hooks.enabled
    return list(dict.fromkeys(part_file(each).path for each in references if is_file(each)))


def changed_files(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts from files that have changed: for each its ``kind``, ``name``, ``before`` and ``version``.

    Args:
        before: the composition in plain types, as `Composition.to_json` gives it.
        now: another, alike but for versions.
    """
    pairs = zip(json_parts(before), json_parts(now), strict=True)
    return [
        {"kind": kind, "name": part["name"], "before": old["version"], "version": part["version"]}
        for (kind, old), (_, part) in pairs
        if part["distribution"] == FILE and part["version"] != old["version"]
    ]


class SavedFiles:
    """Files that are checked for changes on each call.

    A file counts as saved once it has stayed the same for two calls and can be compiled: its writer may not be done.

    Args:
        paths: the files.
        log: told of a file that cannot be compiled.
    """

    def __init__(self, paths: Iterable[Path], *, log: logging.Logger) -> None:
        self._log = log
        self._seen = {path: _stamp(path) for path in paths}
        self._settling: set[Path] = set()
        self._versions = {path: _version(path) for path in self._seen}

    def __call__(self) -> bool:
        """Return whether a file was saved, since the last call, with content that can be run."""
        saved = [self._look(path) for path in self._seen]  # all of them, before the answer
        return any(saved)

    def _look(self, path: Path) -> bool:
        stamp = _stamp(path)
        if stamp != self._seen[path]:
            self._seen[path] = stamp
            self._settling.add(path)
            return False
        if path not in self._settling:
            return False
        self._settling.discard(path)
        version = _version(path)
        if version == self._versions[path]:
            return False
        self._versions[path] = version
        try:
            check_syntax(path)
        except BadFile as error:
            self._log.warning("%s; what was there before goes on", error)
            return False
        self._log.info("%s was saved", path.name)
        return True


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _version(path: Path) -> str | None:
    try:
        return version_of(part_file(str(path)))
    except BadFile:
        return None


class Renewal:
    """The parts of a session that begin anew because a file has changed.

    These are the parts whose file has changed, and parts that keep state but have no ``snapshot()``. The others go on
    with their snapshot. Where no file has changed, no part begins anew.

    Attributes:
        changed: the parts whose files have changed since their state was kept.
        over: whether the session ends so that another process goes on with a changed file.
    """

    def __init__(self) -> None:
        self.changed: frozenset[PartKey] = frozenset()
        self.over = False

    def wrapped(self, composition: Composition) -> Composition:
        """Return the composition with parts that can leave their state out of a snapshot."""
        return composition.mapped(self._part)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Return a context in which snapshots are as at the end of the session."""
        before, self.over = self.over, True
        try:
            yield
        finally:
            self.over = before

    def _part(self, part: Part) -> Part:
        return replace(part, factory=lambda: _Renewable(part.factory(), (part.kind, part.name), self))


class _Renewable:
    """A live part whose state can be left out of a snapshot."""

    __slots__ = ("_key", "_live", "_renewal")

    def __init__(self, live: Any, key: PartKey, renewal: Renewal) -> None:
        self._live = live
        self._key = key
        self._renewal = renewal

    def __getattr__(self, name: str) -> Any:
        if name == "restore" and not (self._key not in self._renewal.changed and hasattr(self._live, "snapshot")):
            return _ignore
        if name == "snapshot" and not hasattr(self._live, name) and (self._renewal.over or is_stateless(self._live)):
            return _nothing
        return getattr(self._live, name)


def _nothing() -> None:
    """Return no state."""


def _ignore(_state: Any) -> None:
    """Leave the state as it is."""
