"""Variants: every combination of the values to be compared, each composed as for a run of its own."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.commands import SETTINGS, BadFlag, Typed
from intuition_core.errors import IntuitionError
from intuition_core.runs import (
    BadConfiguration,
    Catalogue,
    Composition,
    Config,
    FollowedSession,
    compose,
    parameter_taker,
    read_config,
    settle,
    substitute_parts,
)

ALGORITHM: Final = "--algo"
PORTFOLIO: Final = "--portfolio"

_PARTS: Final = {ALGORITHM: "algorithm.name", PORTFOLIO: "portfolio.name"}
"""The configuration's key of a part, by flag."""

_COMMA: Final = re.compile(r",(?![^\[{]*[\]}])")
"""A comma outside of arrays and tables."""


class NotComparable(IntuitionError):
    """A request that leaves nothing to compare."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class Choice(NamedTuple):
    """One varied value, as it was typed: `ALGORITHM`, `PORTFOLIO` or the key of a parameter, and the value."""

    key: str
    value: str

    @property
    def is_flat(self) -> bool:
        """Whether it is a parameter of a part, rather than a part or a key of a table like ``[costs]``."""
        return not self.key.startswith("--") and self.key.partition(".")[0] not in SETTINGS

    def __str__(self) -> str:
        """Return the name alone for a part, ``key=value`` for a parameter."""
        return self.value if self.key.startswith("--") else f"{self.key}={self.value}"


class Variant(NamedTuple):
    """A combination and its recipe."""

    name: str
    """The values that differ from those of the others."""
    composition: Composition


def combined(*, portfolio: str | None, algo: str | None, vary: Sequence[str]) -> list[tuple[Choice, ...]]:
    """Return every combination of the listed values; the first one has the first value of each list.

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
    """Split ``a,b,c``; a comma within an array or a table does not count."""
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
    file: Path | None,
    flags: Mapping[str, Any],
    flat: Mapping[str, Any],
    spelled: Mapping[str, str],
    seed: int,
) -> tuple[list[Variant], Config]:
    """Compose each combination as ``intuition backtest`` does; return the variants, and the first one's configuration.

    A parameter goes to the variants of which a part takes it, so that one portfolio's can be given beside another's.

    Args:
        combinations: as `combined` gives them.
        catalogue: the plugins there are.
        file: the configuration file.
        flags: dotted keys of the configuration that were given by flag, other than the parts.
        flat: the ``--param`` values.
        spelled: how flags are typed, for messages.
        seed: the one to use where none is configured.

    Raises:
        NotComparable: fewer than two are left, or two are the same.
        IntuitionError: a part is unknown, or does not take its parameters.
    """
    begun: list[_Begun] = []
    for choices in combinations:
        own = {_PARTS.get(choice.key, choice.key): choice.value for choice in choices if not choice.is_flat}
        config = read_config(
            file,
            flags={**flags, **own},
            spelled={**spelled, **{key: f"--vary {key}" for key in own if key.partition(".")[0] in SETTINGS}},
        )
        begun.append(_Begun(choices, settle(config, catalogue, seed=seed), config))
    composed = _composed(begun, flat, catalogue, seed=seed)
    if len(composed) < 2:
        raise NotComparable(
            "there is one variant only; name several: --portfolio naive,kelly, --algo a,b or --vary KEY=1,2"
        )
    variants = [variant for variant, _ in composed]
    check_distinct(variants)
    return variants, composed[0][1]


def beside(
    combinations: Iterable[tuple[Choice, ...]],
    *,
    catalogue: Catalogue,
    session: FollowedSession,
    flat: Mapping[str, Any],
) -> list[Variant]:
    """Compose the variants beside a session: the session's recipe with changes; one without any is left out.

    Args:
        combinations: as `combined` gives them.
        catalogue: the plugins there are.
        session: the session.
        flat: parameters for the variants alone.

    Raises:
        NotComparable: nothing is left, or two are the same.
        IntuitionError: a part is unknown, or does not take its parameters.
    """
    base = session.config()
    begun: list[_Begun] = []
    for choices in combinations:
        parts = {_PARTS[choice.key].removesuffix(".name"): choice for choice in choices if choice.key in _PARTS}
        if strange := [choice.key for choice in choices if not choice.is_flat and choice.key not in _PARTS]:
            raise NotComparable(f"--vary {strange[0]}: a session's costs are what they are; vary them on history")
        config = substitute_parts(
            base,
            {label: choice.value for label, choice in parts.items()},
            spelled={label: choice.key for label, choice in parts.items()},
        )
        begun.append(_Begun(choices, config, config))
    itself = session.composition.to_json()
    variants = [each for each, _ in _composed(begun, flat, catalogue) if each.composition.to_json() != itself]
    if not variants:
        raise NotComparable(
            f"{session.name} runs that already; name what else to try: --portfolio kelly, --algo b or --vary KEY=1,2"
        )
    check_distinct(variants)
    return variants


def names(combinations: Sequence[Sequence[Choice]]) -> list[str]:
    """Name combinations by the values that are not the same in all of them; by all values where there are none."""
    common = set(combinations[0]).intersection(*combinations[1:]) if len(combinations) > 1 else set()
    return [", ".join(str(choice) for choice in choices if choice not in common) for choices in combinations]


def check_distinct(variants: Sequence[Variant]) -> None:
    """Refuse two variants that are the same recipe.

    Raises:
        NotComparable: they are, and their difference would be nothing.
    """
    known: list[tuple[str, dict[str, Any]]] = []
    for name, composition in variants:
        plain = composition.to_json()
        for other, before in known:
            if plain == before:
                raise NotComparable(
                    f"`{other}` and `{name}` are the same composition, so that there is no difference; "
                    "what a flag changes may be fixed for each algorithm in the configuration"
                )
        known.append((name, plain))


class _Begun(NamedTuple):
    """A combination, and its configuration without parameters: settled, and as it is to be settled with them."""

    choices: tuple[Choice, ...]
    settled: Config
    config: Config


def _composed(
    begun: Sequence[_Begun], flat: Mapping[str, Any], catalogue: Catalogue, *, seed: int | None = None
) -> list[tuple[Variant, Config]]:
    """Compose every combination with the parameters that its parts take; of equal ones the first is kept."""
    takers = [parameter_taker(each.settled, catalogue) for each in begun]
    keys = {*flat, *(choice.key for each in begun for choice in each.choices if choice.is_flat)}
    orphans = {key for key in keys if not any(takes(key) for takes in takers)}  # which `settle` will refuse
    found: dict[tuple[Choice, ...], tuple[Composition, Config]] = {}
    for each, takes in zip(begun, takers, strict=True):
        taken = tuple(choice for choice in each.choices if not choice.is_flat or takes(choice.key))
        if taken in found:
            continue
        varied = {choice.key: Typed(choice.value) for choice in each.choices if choice.is_flat}
        own = {key: value for key, value in {**flat, **varied}.items() if takes(key) or key in orphans}
        with _spelled(varied):
            config = settle(msgspec.structs.replace(each.config, flat=own), catalogue, seed=seed)
        origins = {key: _respelled(origin, varied) for key, origin in config.origins.items()}
        config = msgspec.structs.replace(config, origins=origins)
        found[taken] = (compose(config, catalogue), config)
    return [
        (Variant(name or ", ".join(flat) or "as configured", composition), config)
        for name, (composition, config) in zip(names(list(found)), found.values(), strict=True)
    ]


@contextmanager
def _spelled(varied: Collection[str]) -> Iterator[None]:
    """Name ``--vary`` as origin of mistakes in varied parameters."""
    try:
        yield
    except BadConfiguration as error:
        respelled = (msgspec.structs.replace(each, origin=_respelled(each.origin, varied)) for each in error.mistakes)
        raise BadConfiguration(*respelled) from None


def _respelled(origin: str, varied: Collection[str]) -> str:
    flag, _, key = origin.partition(" ")
    if flag == "--param" and any(key in (name, name.rpartition(".")[2]) for name in varied):
        return f"--vary {key}"
    return origin
