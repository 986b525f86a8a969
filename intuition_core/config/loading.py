"""The configuration from ``intuition.toml``, ``INTUITION_*`` variables and flags, the later ones going first.

A value given by a variable or by ``--param`` is text. It stays text where the key takes text, and is read as a TOML
value where the key takes anything else (`Typed`).
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.config.checks import range_at, shape, unfit_keys, unfit_values
from intuition_core.config.files import DEEPEST, UnreadableFile, read_toml
from intuition_core.config.tables import ALIASES, Configuration
from intuition_core.errors import IntuitionError
from intuition_core.params.typed import Typed, complaint, resolve, shown
from intuition_core.plugins.files import anchored
from intuition_core.system.printable import escaped, is_text

FILE: Final = "intuition.toml"
PREFIX: Final = "INTUITION_"
FILE_VARIABLE: Final = "INTUITION_CONFIG"
"""The variable with the configuration file, which counts where ``--config`` is not given."""
NOT_SETTINGS: Final = frozenset({"INTUITION_TRACEBACK", FILE_VARIABLE})
"""Variables with our prefix that are no configuration keys."""

FLAGS: Final = {
    "algorithm.name": "--algo",
    "portfolio.name": "--portfolio",
    "journal.path": "--journal",
    "journal.enabled": "--no-journal",
}
"""How the flags for these keys are typed; others are named after the last word of the key."""

_JOURNAL: Final = "journal"
"""The origin of a configuration that a session was run with; see ``recorded`` in `unfit_values`."""


class Mistake(msgspec.Struct, frozen=True):
    """A mistake in a configuration: where it was made, the dotted key, and a sentence."""

    origin: str
    key: str
    problem: str

    def __str__(self) -> str:
        """Return the place, the key and the sentence, as a message for a person."""
        return f"{where(self.origin, self.key)}: {self.problem}"


class BadConfiguration(IntuitionError):
    """A configuration with one or more mistakes; ``rest`` is the configuration without them, if known."""

    def __init__(self, *mistakes: Mistake, rest: "Config | None" = None) -> None:
        self.mistakes = mistakes
        self.rest = rest
        super().__init__("\n".join(map(str, mistakes)))


def where(origin: str, key: str) -> str:
    """Return where a key was given, such as ``intuition.toml: [rpc] `addr```; for flags and variables, their name.

    Tables of an array are counted from 1: ``intuition.toml: [[risks]] no. 1 `name```.
    """
    if not key or origin.startswith(("--", PREFIX)):
        return origin
    words = key.split(".")
    if len(words) == 1:
        return f"{origin}: `{key}`"
    array = 2 if words[:2] == ["instruments", "table"] else 1
    if words[array:] and words[array].isdigit():
        depth = array + 1
        table = f"[[{'.'.join(words[:array])}]] no. {int(words[array]) + 1}"
    else:
        depth = 2 if words[0] == "connectors" and len(words) > 2 else 1
        table = f"[{'.'.join(words[:depth])}]"
    rest = ".".join(words[depth:])
    return f"{origin}: {table} `{rest}`" if rest else f"{origin}: {table}"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A checked configuration, and where each of its keys was given.

    ``flat`` are the ``--param`` values that `settle` has not yet brought to their parts; ``pinned`` are the dotted keys
    given by flag, which `initialize` does not change; ``origins`` is the file, variable or flag by dotted key.
    Values for plugins may still be `Typed`, since only the plugin knows their types.
    """

    values: Configuration
    flat: Mapping[str, Any] = {}
    pinned: frozenset[str] = frozenset()
    file: Path | None = None
    origins: Mapping[str, str] = {}

    def where(self, key: str) -> str | None:
        """Return where a dotted key was given, for a message; None where it was not."""
        origin = _origin(self.origins, key)
        return None if origin is None else where(origin, key)


def load_config(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    flat: Mapping[str, Any] | None = None,
    spelled: Mapping[str, str] | None = None,
    searched: bool = True,
) -> Config:
    """Return the configuration of the file, the environment and the flags, in rising order of precedence.

    Args:
        file: the configuration file; without it the one that ``INTUITION_CONFIG`` names, or ``intuition.toml`` in the
            working folder, where there is one.
        environment: variables; those of the process where None.
        flags: dotted key → value, as typed by the user; None values are left out.
        flat: the ``--param`` values.
        spelled: dotted key → how its flag is typed, where that is not what `FLAGS` says.
        searched: whether a file is looked for where none is named.

    Raises:
        BadConfiguration: with every mistake: its place, the key, the expected value or the nearest valid key.
    """
    variables = os.environ if environment is None else environment
    chosen = _file(file, variables) if searched else file
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    names = {**FLAGS, **(spelled or {})}
    layers = [_Layer(str(chosen), _read(chosen))] if chosen is not None else []
    layers += _variables(variables)
    for key, value in given.items():
        flag = names.get(key) or f"--{key.rpartition('.')[2].replace('_', '-')}"
        layers.append(_Layer(flag, _nested(key.split("."), value), key))
    mistakes: list[Mistake] = []
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        tree = resolve({ALIASES.get(key, key): value for key, value in layer.tree.items()}, shape(), later=True)
        tree = anchored(tree, Path() if chosen is None or layer.key else chosen.parent)
        mistakes.extend(Mistake(layer.says(given), key, problem) for key, problem, given in unfit_keys(tree))
        mistakes.extend(_rivals(merged, origins, tree, layer))
        _merge(merged, tree)
        origins.update(_origins(tree, layer))
    values, more = _sifted(
        merged,
        [mistake.key for mistake in mistakes],
        lambda tree: convert(tree, origin=str(chosen) if chosen else "configuration", origins=origins),
    )
    config = Config(values=values, flat=dict(flat or {}), pinned=frozenset(given), file=chosen, origins=origins)
    if mistakes or more:
        raise BadConfiguration(*mistakes, *more, rest=config)
    return config


def convert(tree: Mapping[str, Any], *, origin: str, origins: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration of a tree of plain values.

    Args:
        tree: the values, by table and key.
        origin: where they were given, for messages.
        origins: dotted key → where it was given, where that is known better.

    Raises:
        BadConfiguration: something is missing or out of range.
    """

    def mistake(key: str, problem: str) -> Mistake:
        return Mistake(_origin(origins or {}, key) or origin, key, problem)

    try:
        values = msgspec.convert(resolve(tree, shape(), later=True), Configuration)
    except msgspec.ValidationError as error:
        key, problem = complaint(error, shape())
        if (wanted := range_at(key)) is not None:
            problem = f"expected {wanted}, got {shown(_found(tree, key))}"
        raise BadConfiguration(mistake(key, problem)) from None
    mistakes = [mistake(key, problem) for key, problem in unfit_values(values, recorded=origin == _JOURNAL)]
    if mistakes:
        raise BadConfiguration(*mistakes)
    return values


def _found(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for word in key.split("."):
        value = value[word] if isinstance(value, Mapping) else value[int(word)]
    return value


class _Layer(NamedTuple):
    """The values of one file, variable or flag; ``key`` is the dotted key that a variable or a flag is for."""

    origin: str
    tree: Mapping[str, Any]
    key: str = ""

    def says(self, key: str) -> str:
        """Return where this layer gives a key; of a variable that holds a whole table, with the key inside it."""
        rest = key[len(self.key) + 1 :] if self.key and key.startswith(f"{self.key}.") else ""
        return f"{self.origin} `{rest}`" if rest else self.origin


def _file(file: Path | None, variables: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    if named := variables.get(FILE_VARIABLE):
        if not os.path.lexists(named):
            raise BadConfiguration(Mistake(FILE_VARIABLE, "", f"there is no file {shown(named)}"))
        return Path(named)
    try:
        Path(FILE).lstat()
    except FileNotFoundError:
        return None
    except OSError:
        pass  # something is there, and reading it says what is wrong
    return Path(FILE)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except FileNotFoundError:
        raise BadConfiguration(Mistake(str(path), "", "there is no such file")) from None
    except UnreadableFile as error:
        raise BadConfiguration(Mistake(str(path), "", str(error))) from None


def _variables(environment: Mapping[str, str]) -> Iterator[_Layer]:
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = name.removeprefix(PREFIX).lower().split("__")
            if not is_text(text) or not is_text(name):
                raise BadConfiguration(Mistake(escaped(name), "", "it holds bytes that are no text; expected UTF-8"))
            if len(path) > DEEPEST:
                raise BadConfiguration(Mistake(name, "", f"expected at most {DEEPEST} keys within one another"))
            yield _Layer(name, _nested(path, Typed(text)), ".".join(path))


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    if "name" in above and below.get("name") not in (None, above["name"]):
        below.pop("params", None)  # they were meant for another part
    for key, value in above.items():
        if isinstance(value, Mapping):
            inner = below.get(key)
            below[key] = dict(inner) if isinstance(inner, Mapping) else {}
            _merge(below[key], value)
        else:
            below[key] = value


def _sifted(
    tree: dict[str, Any], bad: list[str], make: Callable[[Mapping[str, Any]], Configuration]
) -> tuple[Configuration, list[Mistake]]:
    """Return the configuration without its bad keys, and the mistakes besides those that are known."""
    found: list[Mistake] = []
    known = set(bad)
    for key in bad:
        _prune(tree, key)
    while True:
        try:
            return make(tree), found
        except BadConfiguration as error:
            for mistake in error.mistakes:
                if mistake.key not in known:
                    found.append(mistake)
                    known.add(mistake.key)
                _prune(tree, mistake.key)


def _prune(tree: dict[str, Any], key: str) -> None:
    """Remove a key from a tree; where the tree does not have it, the table that lacks it."""
    *path, last = key.split(".")
    node: Any = tree
    for word in path:
        if isinstance(node, list):
            node = node[int(word)] if word.isdigit() and int(word) < len(node) else None
        else:
            node = node.get(word) if isinstance(node, Mapping) else None
    if isinstance(node, dict) and last in node:
        del node[last]
    elif path and path[0] in tree:
        del tree[path[0]]
    else:
        tree.clear()  # nothing less would be sure to come to an end


def _origins(tree: Mapping[str, Any], layer: _Layer, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted keys that a layer gives, and where; tables only of a file."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            if not layer.key:
                yield here, layer.origin
            yield from _origins(value, layer, here)
        else:
            yield here, layer.says(here)


def _origin(origins: Mapping[str, str], key: str) -> str | None:
    """Return where a key was given, or else the innermost table or list around it that was; None if none was."""
    while key not in origins and "." in key:
        key = key.rpartition(".")[0]
    return origins.get(key)


def _rivals(
    below: Mapping[str, Any], origins: Mapping[str, str], tree: Mapping[str, Any], layer: _Layer
) -> Iterator[Mistake]:
    """Find ``[algorithm]`` and ``[[algorithms]]`` used together; the mistake is that of the layer with the second."""
    for key, other, shown_as in (
        ("algorithm", "algorithms", "[[algorithms]]"),
        ("algorithms", "algorithm", "[algorithm]"),
    ):
        if key in tree and key not in below and (other in below or (other in tree and key == "algorithms")):
            rival = _origin(origins, other) or next((at for at in origins if at.startswith(f"{other}.")), None)
            source = f", from {origins.get(rival or '', rival)}" if other in below and rival else ""
            yield Mistake(layer.says(key), key, f"{shown_as} is there too{source}; use one or the other")
