"""What is wrong with keys and values of a configuration, each with a sentence for the person who wrote it.

`unfit_keys` looks at what one file, variable or flag gives, `unfit_values` at the whole configuration. Ranges that are
constraints of a type are in `intuition_core.config.tables`.
"""

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import inspect as shapes

from intuition_core.account.amounts import total
from intuition_core.account.instruments import check_currency
from intuition_core.config.tables import Configuration, CostsTable, FillsTable, MarginTable, Table
from intuition_core.data import DEFAULT_CHANNEL, check_channel
from intuition_core.errors import BadData, did_you_mean
from intuition_core.params.durations import UNITS, read_duration
from intuition_core.params.typed import complaint, shape_at, shown
from intuition_core.session.keeping import Keep
from intuition_core.trading.timers import BadTimer, read_timer


@cache
def shape() -> shapes.Type:
    """Return the type of a configuration as msgspec describes it."""
    return shapes.type_info(Configuration)


class Fault(NamedTuple):
    """A key that is unknown or has a value of the wrong type."""

    key: str
    """The dotted key."""
    problem: str
    given: str
    """The key to look up for where it was given: that of the value which `key` is in."""


def unfit_keys(tree: Mapping[str, Any], table: type[Table] = Configuration, path: str = "") -> Iterator[Fault]:
    """Find unknown keys and values of the wrong type.

    Args:
        tree: what one file, variable or flag gives, by table and key.
        table: the table that ``tree`` is for.
        path: the dotted key of that table; empty for the whole configuration.
    """
    hints = get_type_hints(table)
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if key not in hints:
            known = ", ".join(f"`{name}`" for name in hints)
            hint = did_you_mean(key, hints) or "; "
            yield Fault(here, f"unknown{hint}{'' if hint == '; ' else ' '}valid are {known}", here)
            continue
        inner = _table_of(hints[key])
        if inner is not None and isinstance(value, Mapping):
            yield from unfit_keys(value, inner, here)
        elif inner is not None and _is_array(hints[key]) and isinstance(value, list):
            for n, element in enumerate(value):
                if isinstance(element, Mapping):
                    yield from unfit_keys(element, inner, f"{here}.{n}")
                else:
                    yield Fault(f"{here}.{n}", f"expected a table, got {shown(element)}", f"{here}.{n}")
        elif value == "" and expected_at(here) is None:
            yield Fault(here, "is empty; leave it out, or say what it is to be", here)
        else:
            yield from _misfits(value, hints[key], here, here)


def expected_at(key: str) -> str | None:
    """Return in plain words what kind of value a dotted key takes; None where its type alone says it."""
    return _noted(key, "expected")


def range_at(key: str) -> str | None:
    """Return in plain words the range of a dotted key whose type has one, or else what `expected_at` returns."""
    return _noted(key, "range") or expected_at(key)


def unfit_values(values: Configuration, *, recorded: bool = False) -> Iterator[tuple[str, str]]:
    """Find values that are out of range, or that do not go together; yield each dotted key and what is wrong.

    Args:
        values: a configuration whose values have the right types.
        recorded: whether a session was run with it already; then combinations that are refused by now are let through,
            so that it is run again as it was.
    """
    if values.algorithm is not None and values.algorithms:
        yield "algorithms", "[algorithm] is there too; use one or the other"
    if not recorded and values.session is not None and (problem := unfit_name(values.session)):
        yield "session", problem
    yield from _account(values)
    yield from _names(values)
    yield from _hooks(values)
    yield from _costs(values)
    yield from _lengths(values)
    yield from _retention(values)
    yield from _timers(values)
    yield from _broker(values)
    if not recorded:
        yield from _unheeded(values)


def unfit_name(session: str) -> str | None:
    """Return why a name would be awkward as that of a file, in a shell, or in a topic; None where it is not."""
    if session.startswith((".", "-")) or session.endswith("."):
        return f"`{session}` begins with `.` or `-`, or ends with `.`; begin and end with a letter or a digit"
    # In small letters sessions of these names are kept on systems where that is harmless, and go on there.
    device = session.partition(".")[0]
    if (device.upper() if os.name == "nt" else device) in _RESERVED:
        return f"`{session}` is the name of a device on Windows, where no file can have it; choose another name"
    return None


_RESERVED: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
)
"""Names that no file can have on Windows, with whatever ending."""


def _account(values: Configuration) -> Iterator[tuple[str, str]]:
    if not values.cash.is_finite() or not 0 <= values.cash <= 10**18:
        yield "cash", f"expected an amount from 0 to 1e18, got {values.cash}"
    step = values.quantity_step
    if not step.is_finite() or not Decimal("1e-18") <= step <= 10**9:
        yield "quantity_step", f"expected a step from 1e-18 to 1e9, got {step}"
    if values.currency is not None:
        try:
            check_currency(values.currency)
        except BadData as error:
            yield "currency", error.problem
    margin = values.margin
    if margin is None:
        return
    for name in MarginTable.__struct_fields__:
        part: Decimal = getattr(margin, name)
        if not part.is_finite() or not 1 <= part <= 100:
            yield f"margin.{name}", f"expected a number from 1 to 100, got {part}"
            return
    if margin.maintenance > margin.initial:
        yield "margin.maintenance", f"{margin.maintenance} is more than `initial`, {margin.initial}"


def _names(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find names that two algorithms or two indicators have, and shares of the capital that are out of range."""
    for key, names in (
        ("algorithms", [table.name for table in values.algorithms]),
        ("indicators", [table.name for table in values.indicators]),
    ):
        for n, name in enumerate(names):
            if name in names[:n]:
                yield f"{key}.{n}.name", f"another is called `{name}` too; give one another name, and `use`"
    shares = [table.share for table in values.algorithms if table.share is not None]
    for n, table in enumerate(values.algorithms):
        if table.share is not None and not (table.share.is_finite() and 0 <= table.share <= 1):
            yield f"algorithms.{n}.share", f"expected a number from 0 to 1, got {table.share}"
            return
    if (whole := total(shares)) > 1:
        yield "algorithms", f"the shares come to {whole}, which is more than 1"


def _hooks(values: Configuration) -> Iterator[tuple[str, str]]:
    enabled = values.hooks.enabled
    for name in sorted({name for name in enabled if enabled.count(name) > 1}):
        yield "hooks.enabled", f"`{name}` is there more than once; name it where it is to be called"
    for key, names in (("essential", values.hooks.essential), ("params", values.hooks.params)):
        for name in names:
            if name not in enabled:
                yield f"hooks.{key}", f"`{name}` is not enabled; add it to `enabled`, or take it out here"


def _costs(values: Configuration) -> Iterator[tuple[str, str]]:
    costs = values.costs
    for name in CostsTable.__struct_fields__:
        if name == "commission_tiers":
            continue
        amount: Decimal | None = getattr(costs, name)
        most = 9999 if name.endswith("_bps") else 1 if name == "slippage_impact" else 10**9
        if amount is not None and not (amount.is_finite() and 0 <= amount <= most):
            yield f"costs.{name}", f"expected a number from 0 to {most}, got {amount}"
        elif name == "commission_max" and amount is not None:
            least = costs.commission_min
            if least.is_finite() and amount < least:
                yield "costs.commission_max", f"expected at least the {least} of `commission_min`, got {amount}"
    yield from _tiers(costs)
    share = values.fills.volume_share
    if share is not None and not (share.is_finite() and 0 < share <= 1):
        yield "fills.volume_share", f"expected a number above 0 and at most 1, got {share}"


def _tiers(costs: CostsTable) -> Iterator[tuple[str, str]]:
    """Find the first of the tiers of commission that is out of range or out of order."""
    below = Decimal(0)
    for bound, rate in costs.commission_tiers:
        if not (bound.is_finite() and below < bound <= 10**18):
            problem = f"expected amounts that rise, each above 0 and at most 1e18; got {bound} after {below}"
        elif not (rate.is_finite() and 0 <= rate <= 9999):
            problem = f"expected rates from 0 to 9999 basis points, got {rate}"
        else:
            below = bound
            continue
        yield "costs.commission_tiers", problem
        return


def _lengths(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find lengths of time that cannot be read, or that are 0 where that has no meaning."""
    lengths = {"fills.delay": values.fills.delay, "time.ahead": values.time.ahead, "clock.grace": values.clock.grace}
    lengths["journal.delay"] = values.journal.delay
    lengths |= {f"time.bars.{channel}": length for channel, length in values.time.bars.items()}
    for key, text in lengths.items():
        try:
            length = read_duration(text)
        except BadData as error:
            yield key, error.problem
            continue
        if not length and key not in ("fills.delay", "clock.grace", "journal.delay"):
            yield key, f"expected a length of time above 0, got {text}"
        if key == "journal.delay" and length > UNITS["s"]:
            yield key, f"expected at most 1s, got {text}"
    for channel in values.time.bars:
        if channel != DEFAULT_CHANNEL:
            yield f"time.bars.{channel}", f"only bars on `{DEFAULT_CHANNEL}` fill orders; name that channel"


def _broker(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find what does not go together with orders that a venue fills."""
    broker = values.broker
    if broker is None:
        return
    try:
        if not read_duration(broker.max_age):
            yield "broker.max_age", f"expected a length of time above 0, got {broker.max_age}"
    except BadData as error:
        yield "broker.max_age", error.problem
    if broker.mode == "paper":
        return
    if values.currency is None:
        yield "currency", "is missing; a venue's account holds several, so say which one is traded in, such as `USDT`"
    if values.fill != "next":
        yield "fill", "a venue fills orders after their decision; choose `next`"
    if values.margin is not None:
        yield "margin", "nothing is sold short at a venue; leave the table out"


def _retention(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find what cannot be kept of a journal."""
    table = values.journal
    try:
        keep = Keep.read(table.keep)
    except BadData as error:
        yield "journal.keep", error.problem
        return
    if table.archive is not None and keep is None:
        yield "journal.archive", "nothing is dropped that could be archived; give `keep` in [journal], such as 30d"


def _timers(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find timers that are never due, and names that are taken by another channel."""
    taken = {DEFAULT_CHANNEL: "quotes", "actions": "splits and dividends", "rates": "rates"}
    taken |= {table.name: "an indicator" for table in values.indicators}
    for n, table in enumerate(values.timers):
        if table.name in taken:
            yield f"timers.{n}.name", f"`{table.name}` is the channel of {taken[table.name]}; choose another name"
            continue
        taken[table.name] = "another timer"
        try:
            check_channel(table.name)
            read_timer(**msgspec.structs.asdict(table))
        except BadData as error:
            yield f"timers.{n}.name", error.problem
        except BadTimer as error:
            yield f"timers.{n}", error.problem


def _unheeded(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find keys that have no effect with ``fill = "same"``."""
    if values.fill != "same":
        return
    for key, given in (
        ("fills.volume_share", values.fills.volume_share),
        ("costs.slippage_impact", values.costs.slippage_impact),
    ):
        if given:
            problem = (
                'with `fill = "same"` an order fills at the quote of its own signal, which has no volume to hold it '
                f'against; choose `fill = "next"`, or leave `{key}` out'
            )
            yield key, problem
    if values.fills.delay != FillsTable().delay:
        problem = 'with `fill = "same"` an order fills at once; choose `fill = "next"`, or leave `fills.delay` out'
        yield "fills.delay", problem


def _noted(key: str, word: str) -> str | None:
    members = [shape_at(shape(), key.split("."))]
    for member in members:
        if isinstance(member, shapes.UnionType):
            members += member.types
        elif isinstance(member, shapes.Metadata) and member.extra and word in member.extra:
            return str(member.extra[word])
    return None


def _misfits(value: Any, hint: Any, key: str, given: str) -> Iterator[Fault]:
    """Find what in a value is not of the type ``hint``, which is no table."""
    if getattr(hint, "__origin__", None) is dict and isinstance(value, Mapping):
        for name, content in value.items():
            yield from _misfits(content, hint.__args__[1], f"{key}.{name}", given)
        return
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        rest, problem = complaint(error, shapes.type_info(hint))
        if (wanted := expected_at(key)) is not None:
            problem = f"expected {wanted}"
        if not rest and ", got " in problem:
            head, _, tail = problem.partition(", got ")
            near = tail.partition("; ")
            problem = f"{head}, got {shown(value)}{near[1]}{near[2]}"
        elif not rest:
            problem = f"{problem}, got {shown(value)}"
        yield Fault(f"{key}.{rest}" if rest else key, problem, given)


def _table_of(hint: Any) -> type[Table] | None:
    for candidate in (hint, *getattr(hint, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Table):
            return candidate
    return None


def _is_array(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is tuple
