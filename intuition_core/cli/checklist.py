"""What is known of a plugin after it was tried in a process of its own: a list of findings, and the tier it reaches."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final, Literal, TypeAlias

import msgspec

from intuition_core.determinism.hashing import HASH_SEED, seeded_environment
from intuition_core.plugins.catalogue import CORE, Plugin
from intuition_core.plugins.distributions import distributions, normal
from intuition_core.plugins.files import FILE
from intuition_core.trading.composition import DEFAULT_DEADLINE

Mark: TypeAlias = Literal["pass", "fail", "skip"]

TIERS: Final = ("listed", "loads", "contract", "documented")
"""What a plugin can reach, each with all that comes before it: it is installed; it can be imported and has the methods
of its kind; it does what the contract asks; people are told what it is, and what its parameters mean."""

DEADLINE: Final = 60.0
"""Seconds that the checks of a plugin may take."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LOADING: Final = frozenset({"import", "methods"})
_TOLD: Final = frozenset({"summary", "readme", "docstring", "parameters described"})
_ABOUT: Final = frozenset({"name", "version", "requires"})
_WITHOUT: Final = frozenset({"hooks", "command"})
"""Kinds without a contract; of them only the import is checked, and the names of hooks."""


_DECIDING: Final = frozenset({"algorithm", "portfolio", "indicator", "risk", "source", "instruments"})
"""Kinds from which decisions come."""

_REPEATS: Final = "repeats with its seed"
_HASHED: Final = "repeats under another hash seed"
_SEEDS: Final = (HASH_SEED, "14")
"""Two hash seeds under which sets of the symbols of `testing.crowd` have different orders."""

_SHORT: Final = 80
"""Characters of an answer that are shown."""


class Item(msgspec.Struct, frozen=True):
    """One check and its result."""

    check: str
    mark: Mark
    """``skip`` where it could not be judged, or is recommended and not there."""
    detail: str = ""
    """What to do, if the check did not pass; else a figure, or empty."""


class Metadata(msgspec.Struct, frozen=True):
    """The metadata of a distribution."""

    version: str
    summary: str
    requires: Sequence[str]
    """Requirements, as ``Requires-Dist`` has them."""
    readme: bool


class Checklist(msgspec.Struct, frozen=True):
    """The checks of one plugin and their results."""

    plugin: Plugin
    items: tuple[Item, ...]

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        return any(item.mark == "fail" for item in self.items)

    @property
    def tier(self) -> str:
        """The last of `TIERS` that it reaches, empty for none."""
        if self.plugin.status not in {"available", "conflict"}:
            return ""
        marks = {item.check: item.mark for item in self.items}
        if any(marks.get(check) != "pass" for check in _LOADING):
            return "listed"
        asked = marks.keys() - _LOADING - _TOLD - _ABOUT
        met = not any(marks[check] == "fail" for check in asked)
        if self.plugin.kind not in _WITHOUT:
            met = met and any(marks[check] == "pass" for check in asked)
        if not met:
            return "loads"
        told = all(marks.get(check, "pass") == "pass" for check in _TOLD | _ABOUT)
        return "documented" if told else "contract"


def metadata(plugin: Plugin, path: Sequence[str] | None = None) -> Metadata | None:
    """Return the metadata of the plugin's distribution; None for a part in a file.

    Args:
        plugin: whose.
        path: the folders to look into, the interpreter's own by default.
    """
    if plugin.distribution == FILE:
        return None
    text = ""
    for distribution in distributions(sys.path if path is None else path):
        if normal(distribution.name) == normal(plugin.distribution):
            text = distribution.read("METADATA") or distribution.read("PKG-INFO") or ""
    head, _, body = text.partition("\n\n")
    requires = [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith("Requires-Dist:")]
    told = bool(body.strip()) or any(line.startswith("Description:") for line in head.splitlines())
    return Metadata(plugin.version, plugin.summary, requires, told)


def examine(
    plugin: Plugin,
    about: Metadata | None,
    *,
    params: Mapping[str, Any] | None = None,
    deadline: float = DEADLINE,
    call: float = DEFAULT_DEADLINE,
    path: Sequence[str] | None = None,
) -> Checklist:
    """Return the checklist of a plugin, which is run in a process of its own; its process group is killed afterwards.

    Args:
        plugin: which; its kind may be empty for a part in a file, and is then found out.
        about: what its distribution says; None for a part in a file.
        params: what to initialise it with.
        deadline: seconds after which it is given up.
        call: seconds that one call of it may take.
        path: the import path, the interpreter's own by default.
    """
    items = list(_about(plugin, about))
    if plugin.status not in {"available", "conflict"}:
        return Checklist(plugin, (*items, Item("import", "fail", f"it is {plugin.status}: {plugin.reason}")))
    job = {
        "kind": plugin.kind,
        "name": plugin.name,
        "target": plugin.target,
        "path": list(sys.path if path is None else path),
        "params": dict(params or {}),
        "call": call,
    }
    answer, ending = _tried(job, deadline)
    begun = "import"
    complete = False
    for line in answer.splitlines():
        with suppress(msgspec.DecodeError):  # the last line of a process that was ended
            found = msgspec.json.decode(line, type=dict[str, str])
            begun = found.get("begin", begun)
            if "kind" in found:
                plugin = msgspec.structs.replace(plugin, kind=found["kind"])
            if "check" in found:
                items.append(msgspec.convert(found, Item))
            complete = "end" in found
    if ending is not None or not complete:
        items.append(Item(begun, "fail", ending or "the process ended before it had answered"))
    elif plugin.kind in _DECIDING:
        marks = {item.check: item.mark for item in items}
        if all(marks.get(check, "pass") == "pass" for check in _LOADING) and marks.get("contract") != "skip":
            items.append(_compared({**job, "kind": plugin.kind}, deadline, marks))
    return Checklist(plugin, tuple(items))


def _compared(job: Mapping[str, Any], deadline: float, marks: Mapping[str, Mark]) -> Item:
    """Run the part in two processes with different hash seeds, and compare its answers."""
    if marks.get(_REPEATS) == "fail":
        return Item(_HASHED, "skip", "it cannot be judged before the part answers the same twice in one process")
    with ThreadPoolExecutor(len(_SEEDS)) as pool:
        one, other = pool.map(lambda seed: _said(job, deadline, seed), _SEEDS)
    if one is None or other is None:
        return Item(_HASHED, "skip", "it did not come to the end of a year of eight symbols; the checks above tell why")
    advice = "the order of a set is another in each process: go through `sorted(…)` instead"
    nothing: dict[str, str] = {}
    for said, again in zip_longest(one, other, fillvalue=nothing):
        if said != again:
            to = said.get("to") or again.get("to")
            told = f"{_short(said)} in one process, and {_short(again)} in another"
            return Item(_HASHED, "fail", f"{to}: {told}; {advice}")
    return Item(_HASHED, "pass")


def _said(job: Mapping[str, Any], deadline: float, seed: str) -> list[dict[str, str]] | None:
    """Return the answers of the part under a hash seed; None if its process did not finish."""
    answer, ending = _tried({**job, "course": True}, deadline, seed)
    said = []
    for line in answer.splitlines():
        with suppress(msgspec.DecodeError):
            said.append(msgspec.json.decode(line, type=dict[str, str]))
    return said if ending is None and said and "end" in said[-1] else None


def _short(said: Mapping[str, str]) -> str:
    """Return an answer on one short line: of a record its type, side, symbol, quantity, reason and data."""
    text = said.get("said")
    if text is None:
        return "nothing"
    try:
        record = msgspec.json.decode(text)
    except msgspec.DecodeError:
        record = None
    if isinstance(record, dict):
        keys = ("type", "side", "sid", "quantity", "reason", "data")
        text = " ".join(str(record[key]) for key in keys if record.get(key) is not None)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _about(plugin: Plugin, about: Metadata | None) -> "list[Item]":
    if about is None:
        return []
    items = [_judged("name", _NAME.fullmatch(plugin.name), "use small letters, digits and single hyphens", fatal=True)]
    items.append(_judged("version", about.version, "give the distribution a version", fatal=True))
    items.append(_judged("summary", about.summary, "say in one line what it is: `description` in pyproject.toml"))
    items.append(_judged("readme", about.readme, "say how to use it: `readme` in pyproject.toml"))
    needs = normal(plugin.distribution) == CORE or any(
        normal(re.split(r"[^\w.-]", requirement)[0]) == CORE for requirement in about.requires
    )
    items.append(_judged("requires", needs, f'add "{CORE}" to the `dependencies` in pyproject.toml', fatal=True))
    return items


def _judged(check: str, holds: object, advice: str, *, fatal: bool = False) -> Item:
    return Item(check, "pass") if holds else Item(check, "fail" if fatal else "skip", advice)


def _tried(job: Mapping[str, Any], deadline: float, seed: str = HASH_SEED) -> tuple[bytes, str | None]:
    """Return what the process wrote, and why it ended if it should not have."""
    ending = None
    with tempfile.TemporaryFile() as report:
        arguments = [str(report.fileno()), msgspec.json.encode(job).decode()]
        process = subprocess.Popen(  # noqa: S603  # our own program, with a path and a target, and no shell
            [sys.executable, "-P", "-m", "intuition_core.testing.checklist", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(report.fileno(),),
            env=seeded_environment(seed),
            start_new_session=True,
        )
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            ending = (
                f"it was still at it after {deadline:g} s in all; give it more by --deadline, or find what it waits for"
            )
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if ending is None and process.returncode:
            ending = f"the process ended with {process.returncode} in the middle of it (a signal, if below zero)"
        report.seek(0)
        return report.read(), ending
