"""The variants: every combination of what is to be compared, each composed as a run of its own would be."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from intuition_core.cli.serve import BadFlag
from intuition_core.compose import compose, settle
from intuition_core.composition import Composition
from intuition_core.config import CORE_KEYS, Config
from intuition_core.diagnosis import read_config
from intuition_core.errors import IntuitionError
from intuition_core.parameters import parameter_names
from intuition_core.plugins import Catalogue
from intuition_core.typed import Typed

ALGORITHM: Final = "--algo"
PORTFOLIO: Final = "--portfolio"

_COMMA: Final = re.compile(r",(?![^\[{]*[\]}])")
"""One that is not within an array or a table."""


class NotComparable(IntuitionError):
    """What was asked for leaves nothing to compare."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class Choice(NamedTuple):
    """What differs: `ALGORITHM`, `PORTFOLIO` or the key of a parameter, and one value, as it was typed."""

    key: str
    value: str

    def __str__(self) -> str:
        """Give a part by its name alone, a parameter as ``key=value``."""
        return self.value if self.key.startswith("--") else f"{self.key}={self.value}"


class Variant(NamedTuple):
    """One combination, and the recipe that it comes to."""

    name: str
    """What tells it from the others."""
    composition: Composition


class Recipes(NamedTuple):
    """The variants of a history, and the configuration of the first, from which the events come."""

    variants: list[Variant]
    config: Config


def combined(*, portfolio: str | None, algo: str | None, vary: Sequence[str]) -> list[tuple[Choice, ...]]:
    """Give every combination of what was listed; the first one is that of everything that comes first.

    Args:
        portfolio: the portfolios, ``a,b,c``; None for those configured.
        algo: the algorithms, the same.
        vary: parameters and their values, ``key=1,2,3``.

    Raises:
        BadFlag: a parameter has no key or no values.
        NotComparable: something in a list is empty, or comes twice.
    """
    kinds = {ALGORITHM: _listed(ALGORITHM, algo), PORTFOLIO: _listed(PORTFOLIO, portfolio)}
    for text in vary:
        key, equals, values = text.partition("=")
        if not equals or not key.strip():
            raise BadFlag("--vary", text)
        if key.strip() in kinds:
            raise NotComparable(f"--vary {text}: `{key.strip()}` is varied already; name all its values at once")
        kinds[key.strip()] = _listed(f"--vary {key.strip()}", values)
    return list(product(*([Choice(key, value) for value in values] for key, values in kinds.items() if values)))


def _listed(flag: str, text: str | None) -> list[str]:
    """Take ``a,b,c`` apart; a comma within an array or a table does not count."""
    if text is None:
        return []
    values = [value.strip() for value in _COMMA.split(text)]
    for n, value in enumerate(values):
        if not value:
            raise NotComparable(f"{flag}: no. {n + 1} of `{text}` is empty; write a,b,c")
        if value in values[:n]:
            raise NotComparable(f"{flag}: `{value}` comes twice in `{text}`, and would be compared with itself")
    return values


def on_history(
    combinations: Iterable[tuple[Choice, ...]],
    *,
    catalogue: Catalogue,
    config: Path | None,
    flags: Mapping[str, Any],
    flat: Mapping[str, Any],
    spelled: Mapping[str, str],
    seed: int,
) -> Recipes:
    """Compose each combination as ``intuition backtest`` composes one.

    A parameter goes to the variants of which a part takes it, so that one portfolio's can be given beside another's.

    Args:
        combinations: as `combined` gives them.
        catalogue: the plugins there are.
        config: the configuration file.
        flags: dotted keys of the configuration that were given by flag, other than the parts.
        flat: the ``--param`` values.
        spelled: how flags are typed, for messages.
        seed: the one to use where none is configured.

    Raises:
        NotComparable: fewer than two are left, or two are the same.
        IntuitionError: a part is unknown, or does not take its parameters.
    """
    made: list[_Made] = []
    for choices in combinations:
        parts = {key: _value(choices, flag) for key, flag in _FLAGS.items()}
        costs = {key: value for key, value in choices if key.startswith("costs.")}
        bare = read_config(config, flags={**flags, **parts, **costs}, spelled=spelled)
        takes = _taker(settle(bare, catalogue, seed=seed), catalogue)
        made.append(_Made(choices, bare, takes))
    orphans = {key for key in _keys(made, flat) if not any(each.takes(key) for each in made)}
    variants: dict[tuple[Choice, ...], Variant] = {}
    settled: Config | None = None
    for each in made:
        taken = tuple(choice for choice in each.choices if choice.key.startswith("--") or each.takes(choice.key))
        kept = {key: value for key, value in flat.items() if key in orphans or each.takes(key)}
        kept |= {
            key: Typed(value) for key, value in each.choices if _is_flat(key) and (key in orphans or each.takes(key))
        }
        own = settle(_with(each.config, kept), catalogue, seed=seed)
        settled = settled or own
        variants.setdefault(taken, Variant("", compose(own, catalogue)))
    if settled is None or len(variants) < 2:
        raise NotComparable(
            "there is one variant only; name several: --portfolio naive,kelly, --algo a,b or --vary KEY=1,2"
        )
    named = [each._replace(name=name) for name, each in zip(names(list(variants)), variants.values(), strict=True)]
    check_distinct(named)
    return Recipes(named, settled)


def beside(
    combinations: Iterable[tuple[Choice, ...]],
    *,
    original: Composition,
    recorded: Callable[[Mapping[str, Any]], Composition],
    flat: Mapping[str, Any],
) -> list[Variant]:
    """Compose what is to run beside a session: the session's own recipe with changes.

    Args:
        combinations: as `combined` gives them.
        original: the session's own recipe.
        recorded: composes the session's recipe with changes, as `initialize` takes them.
        flat: parameters for the variants alone.

    Raises:
        NotComparable: a variant is the session itself, or another variant.
        IntuitionError: a part is unknown, or does not take its parameters.
    """
    found = list(combinations)
    variants: list[Variant] = []
    for name, choices in zip(names(found), found, strict=True):
        changes: dict[str, Any] = dict(flat)
        for key, value in choices:
            part = {ALGORITHM: "algorithm", PORTFOLIO: "portfolio"}.get(key)
            changes |= {part: {"name": value}} if part else {key: Typed(value)}
        variants.append(Variant(name or "changed", recorded(changes)))
    check_distinct([Variant("the session", original), *variants])
    return variants


def names(combinations: Sequence[Sequence[Choice]]) -> list[str]:
    """Name combinations by what is not the same in all of them; by everything where nothing is."""
    common = set(combinations[0]).intersection(*combinations[1:]) if len(combinations) > 1 else set()
    return [", ".join(str(choice) for choice in choices if choice not in common) for choices in combinations]


def check_distinct(variants: Sequence[Variant]) -> None:
    """Refuse two variants that are the same recipe.

    Raises:
        NotComparable: they are, and their difference would be nothing.
    """
    known: list[tuple[str, dict[str, Any]]] = []
    for name, composition in variants:
        plain = composition.plain()
        for other, before in known:
            if plain == before:
                raise NotComparable(
                    f"`{other}` and `{name}` are the same composition, so that there is no difference; "
                    "what a flag changes may be fixed for each algorithm in the configuration"
                )
        known.append((name, plain))


class _Made(NamedTuple):
    """A combination, its configuration without parameters, and which of them its parts take."""

    choices: tuple[Choice, ...]
    config: Config
    takes: Callable[[str], bool]


_FLAGS: Final = {"algorithm.name": ALGORITHM, "portfolio.name": PORTFOLIO}


def _value(choices: Iterable[Choice], key: str) -> str | None:
    return next((choice.value for choice in choices if choice.key == key), None)


def _is_flat(key: str) -> bool:
    return not key.startswith(("--", "costs."))


def _keys(made: Iterable[_Made], flat: Mapping[str, Any]) -> Iterator[str]:
    yield from flat
    for each in made:
        yield from (choice.key for choice in each.choices if _is_flat(choice.key))


def _with(config: Config, flat: Mapping[str, Any]) -> Config:
    return Config(values=config.values, flat=flat, pinned=config.pinned, file=config.file, origins=config.origins)


def _taker(config: Config, catalogue: Catalogue) -> Callable[[str], bool]:
    """Give what tells whether a part of a settled configuration takes a parameter; `settle` itself refuses the rest."""
    parts: list[tuple[str, Any]] = []
    for table in config.values.algorithms:
        parts.append(("algorithm", catalogue.load("algorithm", table.use or table.name)))
        if table.portfolio is not None:
            parts.append(("portfolio", catalogue.load("portfolio", table.portfolio.use)))
    declared = [(kind, parameter_names(factory)) for kind, factory in parts]

    def takes(key: str) -> bool:
        if key in CORE_KEYS or key.startswith("costs."):
            return True
        label, _, name = key.rpartition(".")
        kind = label.removesuffix(".params")
        asked = [known for part, known in declared if kind not in ("algorithm", "portfolio") or kind == part]
        return any(known is None or name in known for known in asked)

    return takes
