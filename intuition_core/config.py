"""Configuration: ``intuition.toml`` < ``INTUITION_*`` variables < flags; every mistake with where it was made.

A value given as text, by a variable or a flag, is read as a TOML value: ``0.7`` is a number, ``"0.7"`` text, and what
is no TOML value is text as it stands.
"""

import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec

from intuition_core.composition import DEFAULT_CASH, DEFAULT_DEADLINE, DEFAULT_POLICY, DEFAULT_STEP, Fill, Policy
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.journal import Durability

FILE: Final = "intuition.toml"
PREFIX: Final = "INTUITION_"
DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:4242"
NOT_SETTINGS: Final = frozenset({"INTUITION_TRACEBACK", "INTUITION_CONFIG"})
"""Variables of ours that are no configuration keys."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the configuration; unknown keys are found by `load_config`, with the nearest valid one."""


class PartTable(Table, frozen=True, kw_only=True):
    """``[algorithm]``, ``[portfolio]``, ``[[risks]]``: a plugin (``name`` or ``distribution:name``), its parameters.

    ``policy`` and ``deadline`` are as in ``[worker]``, for this part.
    """

    name: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None


class PortfolioChoice(Table, frozen=True, kw_only=True):
    """``portfolio`` within ``[[algorithms]]``; without it ``[portfolio]`` counts, and without that `naive`."""

    use: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None


class AlgorithmTable(Table, frozen=True, kw_only=True):
    """One of ``[[algorithms]]``: ``name`` is what records call it, ``use`` the plugin."""

    name: str
    use: str | None = None
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None
    portfolio: PortfolioChoice | None = None


class RpcTable(Table, frozen=True, kw_only=True):
    """``[rpc]``: where the session is served, and who may call it (docs/security.md).

    ``key`` is the file of one's own secret key. Who serves with one names with ``clients`` the folder of those who may
    call; who calls names with ``server_key`` the server's public key, as text or as a file.
    """

    addr: str = DEFAULT_ADDRESS
    key: str | None = None
    clients: str | None = None
    server_key: str | None = None


class JournalTable(Table, frozen=True, kw_only=True):
    """``[journal]``: where the session is kept, and what a commit survives.

    ``path`` is a file; without it, one named after the session in the platform's data folder. ``durability`` is
    ``process`` (a commit survives the end of the process, however it ends) or ``power`` (that of the machine's power
    as well, for a few milliseconds a batch). ``enabled = false`` keeps the session in memory alone.
    """

    path: str | None = None
    durability: Durability = "process"
    enabled: bool = True


class WorkerTable(Table, frozen=True, kw_only=True):
    """``[worker]``: what the process in which the parts run is allowed, and what follows when a part fails.

    A part fails when it raises, answers nonsense, ends the process, or takes longer than ``deadline`` seconds for one
    call. Then, by its ``policy``: ``skip`` (the default): it has no say in that event; ``quarantine``: none from then
    on; ``raise``: the session takes no more events until a person starts it again. ``memory`` is the most that the
    process may use, in MiB; without it there is no limit.
    """

    policy: Policy = DEFAULT_POLICY
    deadline: float = DEFAULT_DEADLINE
    memory: int | None = None


class HooksTable(Table, frozen=True, kw_only=True):
    """``[hooks]``: which hook plugins listen, in which order."""

    enabled: tuple[str, ...] = ()


class PluginsTable(Table, frozen=True, kw_only=True):
    """``[plugins]``: which plugins must not be used: ``name``, ``kind:name`` or a distribution."""

    blocked: tuple[str, ...] = ()


class Configuration(Table, frozen=True, kw_only=True):
    """Everything that can be configured.

    ``cash`` is in the account's currency; ``seed`` makes draws repeatable, and one is drawn where none is given;
    ``fill`` says whether orders fill on the ``next`` quote or at the ``same`` one; ``quantity_step`` is the smallest
    number of units; ``negative_prices`` lets zero and negative prices in; ``session`` names the session.
    """

    seed: int | None = None
    cash: Decimal = DEFAULT_CASH
    fill: Fill = "next"
    quantity_step: Decimal = DEFAULT_STEP
    negative_prices: bool = False
    session: str | None = None
    algorithm: PartTable | None = None
    algorithms: tuple[AlgorithmTable, ...] = ()
    portfolio: PartTable | None = None
    risks: tuple[PartTable, ...] = ()
    rpc: RpcTable = RpcTable()
    journal: JournalTable = JournalTable()
    worker: WorkerTable = WorkerTable()
    connectors: dict[str, dict[str, Any]] = {}
    hooks: HooksTable = HooksTable()
    plugins: PluginsTable = PluginsTable()


ALIASES: Final = {"starting_cash": "cash"}
CORE_KEYS: Final = frozenset({"seed", "cash", "fill", "quantity_step", "negative_prices", "starting_cash"})
"""Flat keys, as `--param` and `initialize` take them, that are the core's own."""


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong with a configuration."""

    origin: str
    key: str
    problem: str

    def __str__(self) -> str:
        """Say where, which key, and what is wrong with it."""
        return f"{self.origin}: `{self.key}`: {self.problem}" if self.key else f"{self.origin}: {self.problem}"


class BadConfiguration(IntuitionError):
    """A configuration with one or more mistakes, all of them told."""

    def __init__(self, *mistakes: Mistake) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was checked, and where it came from.

    ``flat`` are the ``--param`` values, not yet brought to the part they are for; ``pinned`` the dotted keys given by
    flag, which `initialize` leaves as they are.
    """

    values: Configuration
    flat: Mapping[str, Any] = {}
    pinned: frozenset[str] = frozenset()
    file: Path | None = None


def load_config(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    flat: Mapping[str, Any] | None = None,
) -> Config:
    """Read the file, the environment and the flags, in rising order of precedence.

    Args:
        file: the configuration file; without it ``intuition.toml`` in the working folder, where there is one.
        environment: variables; those of the process where None.
        flags: dotted key → value, as typed by the user; None values are left out.
        flat: the ``--param`` values.

    Raises:
        BadConfiguration: with every mistake: where, which key, what was expected, and the nearest valid key.
    """
    chosen = file if file is not None else (Path(FILE) if Path(FILE).is_file() else None)
    layers: list[tuple[str, dict[str, Any], bool]] = []
    if chosen is not None:
        layers.append((str(chosen), _read(chosen), False))
    layers.extend(_variables(os.environ if environment is None else environment))
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    layers.extend((f"flag for {key}", _nested(key.split("."), value), True) for key, value in given.items())
    mistakes: list[Mistake] = []
    merged: dict[str, Any] = {}
    for origin, tree, textual in layers:
        tree = {ALIASES.get(key, key): value for key, value in tree.items()}
        mistakes.extend(_mistakes(Configuration, tree, origin, textual=textual or origin.startswith(PREFIX)))
        _merge(merged, tree)
    if mistakes:
        raise BadConfiguration(*mistakes)
    return Config(
        values=convert(merged, origin=str(chosen) if chosen else "configuration"),
        flat=dict(flat or {}),
        pinned=frozenset(given),
        file=chosen,
    )


def convert(tree: Mapping[str, Any], *, origin: str) -> Configuration:
    """Make a configuration of a tree of plain values.

    Raises:
        BadConfiguration: something is missing or out of range.
    """
    try:
        values = msgspec.convert(_texts_as_lists(Configuration, tree), Configuration)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise BadConfiguration(Mistake(origin, path.rstrip("`"), problem[:1].lower() + problem[1:])) from None
    if values.algorithm is not None and values.algorithms:
        raise BadConfiguration(Mistake(origin, "algorithms", "[algorithm] is there too; use one or the other"))
    if not values.cash.is_finite() or not 0 <= values.cash <= 10**18:
        raise BadConfiguration(Mistake(origin, "cash", f"expected an amount from 0 to 1e18, got {values.cash}"))
    step = values.quantity_step
    if not step.is_finite() or not Decimal("1e-18") <= step <= 10**9:
        raise BadConfiguration(Mistake(origin, "quantity_step", f"expected a step from 1e-18 to 1e9, got {step}"))
    mistakes = [
        Mistake(origin, key, f"expected {what} above 0, got {value}")
        for key, what, value in _limits(values)
        if value is not None and not 0 < value < math.inf
    ]
    if mistakes:
        raise BadConfiguration(*mistakes)
    return values


def _limits(values: Configuration) -> Iterator[tuple[str, str, float | None]]:
    yield "worker.memory", "MiB", values.worker.memory
    yield "worker.deadline", "seconds", values.worker.deadline
    tables = {"algorithm": values.algorithm, "portfolio": values.portfolio}
    tables |= {f"risks.{n}": risk for n, risk in enumerate(values.risks)}
    for key, table in tables.items():
        yield f"{key}.deadline", "seconds", table.deadline if table is not None else None
    for n, algorithm in enumerate(values.algorithms):
        yield f"algorithms.{n}.deadline", "seconds", algorithm.deadline
        if algorithm.portfolio is not None:
            yield f"algorithms.{n}.portfolio.deadline", "seconds", algorithm.portfolio.deadline


def text_value(text: str) -> Any:
    """Read a value typed by a person: a TOML value where it is one, else text as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfiguration(Mistake(str(path), "", "there is no such file")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(Mistake(str(path), "", f"cannot be read: {error}")) from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfiguration(Mistake(str(path), "", f"no valid TOML: {error}")) from None


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = name.removeprefix(PREFIX).lower().split("__")
            yield name, _nested(path, text_value(text)), True


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


def _mistakes(
    table: type[Table], tree: Mapping[str, Any], origin: str, *, textual: bool, path: str = ""
) -> Iterator[Mistake]:
    """Find unknown keys and wrong types in one layer."""
    hints = get_type_hints(table)
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if key not in hints:
            known = ", ".join(f"`{name}`" for name in hints)
            hint = did_you_mean(key, hints) or "; "
            yield Mistake(origin, here, f"unknown{hint}{'' if hint == '; ' else ' '}valid are {known}")
            continue
        inner = _table_of(hints[key])
        if inner is not None and isinstance(value, Mapping):
            yield from _mistakes(inner, value, origin, textual=textual, path=here)
        elif inner is not None and _is_array(hints[key]) and isinstance(value, list):
            for n, element in enumerate(value):
                if isinstance(element, Mapping):
                    yield from _mistakes(inner, element, origin, textual=textual, path=f"{here}.{n}")
                else:
                    yield Mistake(origin, f"{here}.{n}", f"expected a table, got {_shown(element)}")
        else:
            if textual and _is_array(hints[key]) and isinstance(value, str):
                continue
            try:
                msgspec.convert(value, hints[key])
            except msgspec.ValidationError as error:
                problem = str(error).partition(" - at ")[0]
                yield Mistake(origin, here, f"{problem[:1].lower()}{problem[1:]}: {_shown(value)}")


def _table_of(hint: Any) -> type[Table] | None:
    for candidate in (hint, *getattr(hint, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Table):
            return candidate
    return None


def _is_array(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is tuple


def _texts_as_lists(table: type[Table], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Let a variable name a list the short way: ``random,kelly``."""
    hints = get_type_hints(table)
    read: dict[str, Any] = {}
    for key, value in tree.items():
        hint = hints.get(key)
        inner = _table_of(hint)
        if inner is not None and isinstance(value, Mapping):
            read[key] = _texts_as_lists(inner, value)
        elif _is_array(hint) and isinstance(value, str):
            read[key] = [word.strip() for word in value.split(",") if word.strip()]
        else:
            read[key] = value
    return read


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
