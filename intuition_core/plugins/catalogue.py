"""Discovery: the plugins that are installed, one of them found by its name, and loaded.

A plugin is an entry point in a group ``intuition.v<contract version>.<kind>`` of any installed distribution. Discovery
reads metadata files and imports nothing; `loading` imports the one that was chosen. A distribution that
declares something wrong gives a `Plugin` with a status, not an error.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.determinism.apart import leave_if_forked, unchanged
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.plugins.distributions import Distribution, distributions, headers, normal
from intuition_core.plugins.files import FILE, is_file, load_part, module_name, part_file, version_of
from intuition_core.plugins.first_party import FIRST_PARTY, OWN, how_to_install
from intuition_core.plugins.interrupts import is_raised_by_plugin
from intuition_core.supervision.stage import STAGE

KINDS: Final = (
    "algorithm",
    "portfolio",
    "source",
    "indicator",
    "risk",
    "broker",
    "instruments",
    "calendar",
    "connector",
    "report",
    "hooks",
    "command",
)
"""The kinds of plugin, in the order in which they are listed."""

REQUIRED: Final = {
    "algorithm": ("initialize", "event"),
    "portfolio": ("optimize",),
    "source": ("events",),
    "indicator": ("initialize", "event"),
    "risk": ("check",),
    "broker": ("submit", "query"),
    "instruments": ("instruments",),
    "calendar": ("sessions",),
    "connector": ("initialize", "run", "stop"),
    "report": ("metrics", "write"),
    "command": ("main",),
}
"""The methods without which a class is no plugin of its kind, see `intuition_core.contracts`."""

CORE: Final = "intuition-core"
"""The distribution that holds the built-in parts."""

Status: TypeAlias = Literal["available", "broken", "blocked", "incompatible", "conflict"]


class Plugin(msgspec.Struct, frozen=True):
    """One plugin as its distribution declares it; nothing of it has been imported."""

    kind: str
    """One of `KINDS`; what the distribution wrote, where that is none of them; ``unknown`` where it cannot be read."""
    name: str
    distribution: str
    version: str
    """The distribution's version, empty where it cannot be read."""
    target: str
    """Where the code is: ``module`` or ``module:object``."""
    summary: str
    """The distribution's own one-line description, or what is known of a part of the core."""
    status: Status = "available"
    reason: str | None = None
    """For every status but ``available``: a sentence that says why, and what to do."""

    def __str__(self) -> str:
        """Return the kind, the name and the distribution with its version."""
        return f"{self.kind} `{self.name}` ({f'{self.distribution} {self.version}'.strip()})"

    @property
    def ref(self) -> str:
        """The name that means this plugin and no other, ``distribution:name``."""
        return f"{self.distribution}:{self.name}"


class UnknownPlugin(IntuitionError):
    """A name under which no plugin of that kind is installed."""

    def __init__(self, kind: str, ref: str, plugins: Sequence[Plugin]) -> None:
        self.kind = kind
        self.ref = ref
        self.known = tuple(sorted({plugin.name for plugin in plugins if plugin.kind == kind}))
        name = ref.rpartition(":")[2]
        self.distribution = FIRST_PARTY.get((kind, name))
        others = [plugin for plugin in plugins if plugin.kind != kind and plugin.name == ref]
        brought = [
            plugin.name for plugin in plugins if plugin.kind == kind and normal(plugin.distribution) == normal(ref)
        ]
        if brought:
            hint = f": that is a distribution; use {_listed(brought)}"
        elif others:
            hint = f": that is of kind `{others[0].kind}`, from {others[0].distribution}"
        elif self.distribution and not any(normal(plugin.distribution) == self.distribution for plugin in plugins):
            hint = f": it comes with {self.distribution}; run {how_to_install(self.distribution)}"
        else:
            hint = _nearest(ref, [plugin for plugin in plugins if plugin.kind == kind])
        end = "" if hint.endswith("?") else "."
        installed = f"Installed: {_listed(self.known)}" if self.known else f"No {kind} is installed"
        super().__init__(f"no {kind} is called `{ref}`{hint}{end} {installed}")


def _nearest(ref: str, plugins: Sequence[Plugin]) -> str:
    """Return ``; did you mean …?`` with the names of the plugins nearest to a name; empty if none is near."""
    name = ref.rpartition(":")[2]
    near = name if any(plugin.name == name for plugin in plugins) else None
    near = near or next(iter(get_close_matches(name, {plugin.name for plugin in plugins}, n=1)), None)
    meant = [plugin for plugin in plugins if plugin.name == near]
    if not meant:
        return ""
    exact = len(meant) > 1 or ":" in ref
    return f"; did you mean {' or '.join(f'`{plugin.ref if exact else plugin.name}`' for plugin in meant)}?"


class PluginConflict(IntuitionError):
    """A name that several distributions offer."""

    def __init__(self, kind: str, name: str, plugins: Sequence[Plugin]) -> None:
        self.kind = kind
        self.name = name
        self.plugins = tuple(plugins)
        offered = " and ".join(f"{plugin.distribution} {plugin.version}" for plugin in plugins)
        chosen = " or ".join(f"`{plugin.ref}`" for plugin in plugins)
        super().__init__(f"the {kind} `{name}` is offered by {offered}; choose {chosen}, or uninstall one of them")


class _Unusable(IntuitionError):
    """A plugin that is installed and cannot be used."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.kind = plugin.kind
        self.name = plugin.name
        self.reason = plugin.reason
        super().__init__(f"{plugin} is {plugin.status}: {plugin.reason}")


class PluginBlocked(_Unusable):
    """A plugin that the configuration blocks."""


class PluginIncompatible(_Unusable):
    """A plugin written for another version of the contract."""


class BrokenPlugin(IntuitionError):
    """A plugin that cannot be imported, or whose distribution is damaged."""

    def __init__(self, plugin: Plugin, problem: str) -> None:
        self.kind = plugin.kind
        self.name = plugin.name
        self.distribution = plugin.distribution
        self.version = plugin.version
        self.problem = problem
        super().__init__(f"{plugin} is broken: {problem}")


class Catalogue(msgspec.Struct, frozen=True):
    """The plugins that are installed, sorted by kind, name and distribution."""

    plugins: tuple[Plugin, ...]

    def find(self, kind: str, ref: str) -> Plugin:
        """Return the plugin that a name means.

        Args:
            kind: one of `KINDS`.
            ref: the plugin's name; or ``distribution:name`` where several distributions offer the name; or a part in a
                file (`intuition_core.plugins.files`).

        Raises:
            UnknownPlugin: there is none.
            PluginConflict: there are several, and only ``distribution:name`` can tell them apart.
            PluginBlocked: the configuration blocks it.
            PluginIncompatible: it is written for another version of the contract.
            BrokenPlugin: its metadata is damaged.
            NoSuchFile: it is a file, and cannot be read.
        """
        if is_file(ref):
            file = part_file(ref)
            return Plugin(kind, file.name, FILE, version_of(file), str(file), "")
        named = [plugin for plugin in self.plugins if plugin.kind == kind and _means(ref, plugin)]
        usable = [plugin for plugin in named if plugin.status in {"available", "conflict"}]
        if len(usable) == 1:
            return usable[0]
        if usable:
            raise PluginConflict(kind, ref, usable)
        if not named:
            raise UnknownPlugin(kind, ref, self.plugins)
        plugin = named[0]
        if plugin.status == "blocked":
            raise PluginBlocked(plugin)
        if plugin.status == "incompatible":
            raise PluginIncompatible(plugin)
        raise BrokenPlugin(plugin, plugin.reason or "its metadata is damaged")

    def load(self, kind: str, ref: str) -> Any:
        """Import the plugin that a name means, and no other, and return the object that its target names.

        Raises:
            BrokenPlugin: the import failed, in whatever way; the error it raised is the cause.
            BadFile: it is a file, and no such part can be taken from it.
            IntuitionError: there is no such plugin to import, see `find`.
        """
        plugin = self.find(kind, ref)
        own = os.getpid()
        label = f"{kind} {plugin.name}"
        module = (
            module_name(part_file(plugin.target).path) if is_file(plugin.target) else plugin.target.partition(":")[0]
        )
        try:
            with STAGE.loading(kind, label, module), unchanged():
                found = self._imported(plugin, kind)
        except IntuitionError as error:
            leave_if_forked(own, label, error.__cause__)
            raise
        leave_if_forked(own, label)
        return found

    def _imported(self, plugin: Plugin, kind: str) -> Any:
        if is_file(plugin.target):
            return load_part(part_file(plugin.target), kind, REQUIRED.get(kind, ()))
        from intuition_core.plugins import loading  # takes longer to import than all plugins take to be listed

        try:
            return loading.load(_group(kind), plugin.name, plugin.target)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not is_raised_by_plugin(error):
                raise
            from intuition_core.plugins.plugin_probe import one_line

            raise BrokenPlugin(plugin, f"importing `{plugin.target}` failed with {one_line(error)}") from error


def discover(*, blocked: Collection[str] = (), path: Sequence[str] | None = None) -> Catalogue:
    """List the plugins of all installed distributions, importing none of them.

    Args:
        blocked: plugins that must not be used: by name, ``kind:name``, ``distribution:name``, or a whole distribution.
            Case, and which of ``-_.`` is written, make no difference.
        path: the folders and archives to look into, the earlier ones first; the interpreter's own path by default.

    A distribution that cannot be read, or that declares something that cannot be a plugin, is listed as broken.
    """
    plugins = [
        plugin
        for distribution in distributions(sys.path if path is None else path)
        for plugin in _plugins_of(distribution)
    ]
    return Catalogue(tuple(sorted(_conflicts(_blocked(plugins, blocked)), key=_rank)))


class _Entry(NamedTuple):
    """One line of an ``entry_points.txt``: what it offers, and what is wrong with it."""

    kind: str
    name: str
    target: str
    status: Status = "available"
    reason: str | None = None


def _group(kind: str) -> str:
    return f"intuition.v{CONTRACT_VERSION}.{kind}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _clean(text: str, limit: int = 200) -> str:
    """Return text that is safe for a terminal: printable, on one line, cut at ``limit`` characters."""
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _rank(plugin: Plugin) -> tuple[int, str, str, str, str, str]:
    kind = KINDS.index(plugin.kind) if plugin.kind in KINDS else len(KINDS)
    return kind, plugin.kind, plugin.name, plugin.distribution, plugin.version, plugin.target


def _means(ref: str, plugin: Plugin) -> bool:
    distribution, _, name = ref.partition(":")
    return ref == plugin.name or (name == plugin.name and normal(distribution) == normal(plugin.distribution))


# Reading what a distribution declares


def _plugins_of(distribution: Distribution) -> list[Plugin]:
    try:
        text = distribution.read("entry_points.txt")
        # Most distributions declare nothing for us, and leave here.
        if not text or ("intuition.v" not in text and "i\0n\0t\0u\0i\0t\0i\0o\0n" not in text):
            return []
        if "\0" in text:
            return [_unreadable(distribution, "entry_points.txt is no UTF-8 text")]
        entries = _usable(_entries(text))
        return _described(distribution, entries) if entries else []
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one distribution, the others are listed
        return [_unreadable(distribution, _clean(str(error)))]


def _unreadable(distribution: Distribution, problem: str) -> Plugin:
    reason = f"its metadata cannot be read ({problem}); reinstall it, or remove its folder"
    name = _clean(distribution.name)
    return Plugin("unknown", name, name, _clean(distribution.version), "", "", "broken", reason)


def _described(distribution: Distribution, entries: Iterable[_Entry]) -> list[Plugin]:
    """Return the entries as plugins, with name, version and summary of the distribution."""
    text = distribution.read("METADATA") or distribution.read("PKG-INFO") or ""
    said = {key: _clean(value) for key, value in headers(text).items()}
    name = said.get("name") or _clean(distribution.name)
    version = said.get("version") or _clean(distribution.version)
    damage = None
    if not text:
        damage = "its METADATA is missing, as after an interrupted installation"
    elif missing := [key for key in ("Name", "Version") if not said.get(key.lower())]:
        damage = f"its METADATA gives no {' and no '.join(missing)}"
    if damage:
        entries = [entry._replace(status="broken", reason=f"{damage}; reinstall {name}") for entry in entries]
    own = OWN if normal(name) == CORE else {}
    summary = said.get("summary", "")
    return [
        Plugin(
            entry.kind,
            entry.name,
            name,
            version,
            entry.target,
            own.get((entry.kind, entry.name), summary),
            entry.status,
            entry.reason,
        )
        for entry in entries
    ]


_GROUP = re.compile(r"intuition\.v([0-9]{1,9})\.(.*)")
_OURS = re.compile(r"intuition\.v[0-9]")
_TARGET = re.compile(r"(\w+(?:\.\w+)*)(?:\s*:\s*(\w+(?:\.\w+)*))?\s*(?:\[[^\]]*\])?")
_AUTHOR = "report it to its author"


def _entries(text: str) -> Iterator[_Entry]:
    """Yield the entries of our groups, lines that cannot be read as broken entries; other groups are skipped."""
    group: re.Match[str] | None = None
    for line in map(str.strip, text.splitlines()):
        if not line or line[0] in "#;":
            continue
        header = line[1:-1].strip() if line[0] == "[" and line[-1] == "]" else None
        if header is not None and (_GROUP.fullmatch(header) or not _OURS.search(header)):
            group = _GROUP.fullmatch(header)
        elif header is not None or "[intuition.v" in line or (_OURS.search(line) and "=" not in line):
            group = None
            shown = _clean(line, 60)
            reason = f"its entry_points.txt has `{shown}`, not `[intuition.v{CONTRACT_VERSION}.<kind>]`; {_AUTHOR}"
            yield _Entry("unknown", shown, "", "broken", reason)
        elif group:
            yield _entry(line, version=int(group[1]), kind=group[2])


def _entry(line: str, *, version: int, kind: str) -> _Entry:
    kind, line = _clean(kind, 60), _clean(line, 500)
    name, separator, target = (part.strip() for part in line.partition("="))
    if version != CONTRACT_VERSION:
        remedy = "upgrade it" if version < CONTRACT_VERSION else f"upgrade {CORE}, or install an older version of it"
        spoken = f"version {version} of the contract, this core speaks version {CONTRACT_VERSION}"
        reason = f"it is written for {spoken}; {remedy}"
        return _Entry(kind, name, target, "incompatible", reason)
    if kind not in KINDS:
        reason = f"this core knows no kind `{kind}`{did_you_mean(kind, KINDS)}; upgrade {CORE}, or {_AUTHOR}"
        return _Entry(kind, name, target, "incompatible", reason)
    if not separator or not name:
        reason = f"its entry_points.txt has `{line}`, not `name = module:object`; {_AUTHOR}"
        return _Entry(kind, name or line, target, "broken", reason)
    if not _importable(target):
        return _Entry(kind, name, target, "broken", f"its target `{target}` is not `module:object`; {_AUTHOR}")
    return _Entry(kind, name, target)


def _importable(target: str) -> bool:
    match = _TARGET.fullmatch(target)
    return match is not None and all(
        word.isidentifier() for dotted in match.groups() if dotted for word in dotted.split(".")
    )


def _usable(entries: Iterable[_Entry]) -> list[_Entry]:
    """Return the entries without those of other contract versions that this version has too; duplicates are broken."""
    entries = list(dict.fromkeys(entries))
    offers = Counter((entry.kind, entry.name) for entry in entries if entry.status != "incompatible")
    kept = []
    for entry in entries:
        times = offers[entry.kind, entry.name]
        if entry.status == "available" and times > 1:
            reason = f"its entry_points.txt gives `{entry.name}` {times} targets; {_AUTHOR}"
            kept.append(entry._replace(status="broken", reason=reason))
        elif entry.status != "incompatible" or not times:
            kept.append(entry)
    return kept


# Judging them


def _blocked(plugins: Iterable[Plugin], blocked: Iterable[str]) -> Iterator[Plugin]:
    rules = {":".join(map(normal, rule.split(":"))): rule for rule in blocked}
    for plugin in plugins:
        name, distribution = normal(plugin.name), normal(plugin.distribution)
        names = (name, f"{plugin.kind}:{name}", distribution, f"{distribution}:{name}")
        rule = next((rules[name] for name in names if name in rules), None)
        if rule is None:
            yield plugin
        else:
            reason = f"`{rule}` is in `plugins.blocked` of the configuration; take it out to use this"
            yield msgspec.structs.replace(plugin, status="blocked", reason=reason)


def _conflicts(plugins: Iterable[Plugin]) -> Iterator[Plugin]:
    offered: dict[tuple[str, str], list[Plugin]] = {}
    for plugin in plugins:
        if plugin.status == "available":
            offered.setdefault((plugin.kind, plugin.name), []).append(plugin)
        else:
            yield plugin
    for rivals in offered.values():
        for plugin in rivals:
            others = [rival.distribution for rival in rivals if rival is not plugin]
            if others:
                reason = (
                    f"also offered by {' and '.join(others)}; choose it as `{plugin.ref}`, or uninstall one of them"
                )
                yield msgspec.structs.replace(plugin, status="conflict", reason=reason)
            else:
                yield plugin
