"""`run_backtest`: a run over recorded events from a program in Python, as ``intuition backtest`` has it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from intuition_core.config.loading import Config, load_config
from intuition_core.contracts import Data
from intuition_core.research.errors import BadArgument
from intuition_core.research.execution import Execution
from intuition_core.research.given import GivenParts
from intuition_core.research.quiet import failures_counted, warnings_collected
from intuition_core.research.run import Records, Run
from intuition_core.research.setup import Setup, Span, report_part, settings_of
from intuition_core.sources.frames import NamedFrame, is_frame
from intuition_core.sources.opening import open_source
from intuition_core.sources.reading import MergedReader, SourceReader

Moment: TypeAlias = str | int | date
"""A time: ISO 8601, nanoseconds UTC, or a date or datetime; UTC where it has no zone."""

_NAME: Final = "run_backtest"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def run_backtest(
    algorithm: Any = None,
    *,
    data: Any = None,
    source: Any = None,
    portfolio: Any = None,
    indicators: Sequence[Any] = (),
    risks: Sequence[Any] = (),
    params: Mapping[str, Any] | None = None,
    cash: Any = None,
    costs: Mapping[str, Any] | None = None,
    fills: Mapping[str, Any] | None = None,
    fill: str | None = None,
    margin: Mapping[str, Any] | None = None,
    currency: str | None = None,
    instruments: Mapping[str, Any] | None = None,
    timers: Sequence[Mapping[str, Any]] | None = None,
    seed: int | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    symbols: str | Sequence[str] = (),
    benchmark: str | None = None,
    config: str | PathLike[str] | Mapping[str, Any] | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    hashed: bool = True,
) -> Run:
    """Run an algorithm and a portfolio over recorded events, and return what it came to.

    The parts, the account, the fills and the hash of the decisions are those of ``intuition backtest``. Nothing is
    printed, no environment variable and no file but those that are named is read. Ctrl-C raises `KeyboardInterrupt`.

    Args:
        algorithm: a class, an object (of which a copy runs), the name of a plugin, or the path of a file; or a mapping
            with this as ``name``, and ``params``. May be left out where ``config`` has one.
        data: a frame of pandas, polars, Arrow or DuckDB; a mapping of symbols to frames; the path of a file or folder;
            the name of a dataset; a source; an iterable of events; or a list of several, whose events are merged.
        source: the source that reads the data, as ``algorithm``.
        portfolio: as ``algorithm``; `naive` where none is given.
        indicators: each as ``algorithm``.
        risks: each as ``algorithm``.
        params: parameters of parts, of the core and of the source, as ``--param`` takes them: ``{"fast": 3,
            "portfolio.cash": 1000, "costs.commission_bps": 5, "source.sid": "IBM"}``.
        cash: what the account starts with, in its currency; 10,000 where not given.
        costs: the table ``[costs]`` of a configuration.
        fills: the table ``[fills]``.
        fill: ``next`` or ``same``.
        margin: the table ``[margin]``, which permits short selling.
        currency: what the account is kept in.
        instruments: the table ``[instruments]``.
        timers: the tables ``[[timers]]``.
        seed: makes every draw repeatable; 0 where not given.
        start: events before this are left out.
        end: events at this time or after it are left out.
        symbols: other symbols are left out.
        benchmark: the symbol to compare with; equal amounts of all symbols where not given.
        config: a configuration, as a file or as a mapping; the other arguments go before it.
        on_error: whether a part that raises ends the run, or has no say in that event.
        hashed: whether the events of frames, iterables and other sources are hashed, which takes a tenth of the run;
            files and datasets always are.

    Raises:
        BadArgument: an argument makes no sense.
        IntuitionError: whatever the command tells in a sentence: a mistake in the configuration, an unknown plugin, a
            parameter that is not taken, data that cannot be read.
        PartFailed: a part raised; with the event, the file and the line, and what it raised as the cause.
    """
    # long: the arguments, each with its meaning
    given = GivenParts()
    named, pieces = _data(data, source, given)
    chosen = {
        **_parts(given, algorithm=algorithm, portfolio=portfolio, indicators=indicators, risks=risks),
        "source.name": named,
    }
    tables = {"costs": costs, "fills": fills, "margin": margin, "instruments": instruments}
    values = {"cash": cash, "fill": fill, "currency": currency, "timers": timers, "seed": seed}
    setup = _setup(given, config, params or {}, {**values, **tables, **chosen})
    if not pieces and not setup.names_source:
        raise BadArgument("data", "nothing is given; hand over a frame, a path, a source or an iterable of events")
    span = Span(start=_moment("start", start), end=_moment("end", end), symbols=_symbols(symbols))
    if span.start is not None and span.end is not None and span.start >= span.end:
        raise BadArgument("start", "is not before `end`, so that nothing is left")
    if on_error not in ("stop", "skip"):
        raise BadArgument("on_error", f"expected `stop` or `skip`, got {on_error!r}")
    reader = _reader(setup, pieces, span, hashed=hashed)
    return _executed(setup, reader, benchmark=benchmark, skipping=on_error == "skip")


def _executed(setup: Setup, reader: SourceReader | MergedReader, *, benchmark: str | None, skipping: bool) -> Run:
    """Run a composition over the events of a source, and return the result."""
    composition = setup.composition()
    if not skipping:
        composition = composition.mapped(lambda part: msgspec.structs.replace(part, policy="raise"))
    records = Records()
    with warnings_collected() as warned, failures_counted():
        execution = Execution(composition, setup.catalogue, benchmark=benchmark, listen=records.add)
        execution.take(reader)
        history = execution.finish(reader)
        contents = execution.check(reader, history, hashed=True)
    silent = [f"nothing came on the channel `{name}`, which a part listens to" for name in execution.silent_channels]
    if not history.events:
        silent.append(f"{reader}: no events, or none that `start`, `end` and `symbols` leave")
    return Run(
        history,
        execution.decisions_sha256,
        contents=contents,
        records=records,
        seconds=execution.seconds,
        notes=(*reader.told(), *silent, *dict.fromkeys(warned)),
        report=lambda: report_part(setup.catalogue, required=True),
        sections=setup.with_sections,
    )


# -- the configuration


def _setup(
    given: GivenParts,
    config: str | PathLike[str] | Mapping[str, Any] | None,
    params: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Setup:
    """Return the settled configuration of the arguments."""
    file, tables = (None, config) if config is None or isinstance(config, Mapping) else (Path(fspath(config)), None)
    settings, flat = settings_of(params)
    source = {key.removeprefix("source."): flat.pop(key) for key in list(flat) if key.startswith("source.")}
    flags = {**_flat(tables or {}), **_flat(values), **settings}
    read: Config = load_config(
        file, environment={}, flags=flags, flat=flat, spelled=dict.fromkeys(flags, _NAME), searched=False
    )
    return Setup(read, source=source, discovering=given.discovering, named=_NAME, origin="params")


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by dotted keys, so that messages name each; without those that are None."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update({f"{key}.{inner}": content for inner, content in value.items()})
        elif value is not None:
            flat[key] = value
    return flat


def _parts(given: GivenParts, *, algorithm: Any, portfolio: Any, **several: Sequence[Any]) -> dict[str, Any]:
    """Return the keys of a configuration that choose parts."""
    chosen: dict[str, Any] = {}
    for kind, value in (("algorithm", algorithm), ("portfolio", portfolio)):
        if isinstance(value, Mapping):
            chosen[kind] = _table(given, kind, value)
        elif value is not None:
            chosen[f"{kind}.name"] = given.reference(kind, value)
    for key, parts in several.items():
        if isinstance(parts, str | Mapping) or not isinstance(parts, Iterable):
            raise BadArgument(key, f"expected a list, got {parts!r:.60}")
        if tables := [_table(given, key.removesuffix("s"), part) for part in parts]:
            chosen[key] = tables
    return chosen


def _table(given: GivenParts, kind: str, part: Any) -> dict[str, Any]:
    """Return the table of a configuration that chooses a part."""
    table = dict(part) if isinstance(part, Mapping) else {"name": part}
    key = "use" if "use" in table else "name"
    if key not in table:
        raise BadArgument(f"{kind}s" if kind != "algorithm" else kind, f"expected `name` in {part!r:.60}")
    reference = given.reference(kind, table[key])
    name = given.name(kind, reference)
    if kind == "indicator" and key == "name" and name is not None:
        return {**table, "name": name, "use": reference}
    return {**table, key: reference}


# -- the data


class Events:
    """An iterable of events as a source."""

    def __init__(self, events: Iterable[Data]) -> None:
        self._events = events

    def events(self) -> Iterator[Data]:
        """Return the events one by one."""
        return iter(self._events)


Piece: TypeAlias = "list[Any] | str"
"""Neighbours that sources are found for, or the name of a source that needs nothing."""


def _data(data: Any, source: Any, given: GivenParts) -> tuple[str | None, list[Piece]]:
    """Return the name of the source that is given, and the data in their order."""
    named = None if source is None else given.reference("source", source, ready=True)
    pieces: list[Piece] = []
    for each in data if isinstance(data, list | tuple) and data and all(map(_is_piece, data)) else [data]:
        if each is None:
            continue
        if _is_plain(each):
            plain = str(fspath(each)) if isinstance(each, str | PathLike) else each
            # A named source is read beside all the others, once.
            group = next((one for one in (pieces if named else pieces[-1:]) if isinstance(one, list)), None)
            if group is None:
                pieces.append([plain])
            else:
                group.append(plain)
        elif _is_source(each):
            pieces.append(given.reference("source", each, ready=True))
        elif isinstance(each, Iterable) and not isinstance(each, bytes | Mapping):
            pieces.append(given.reference("source", Events(each), ready=True))
        else:
            kind = f"{type(each).__module__}.{type(each).__qualname__}"
            lazy = "; collect it first" if hasattr(each, "collect") else ""
            expected = "a frame, a path, the name of a dataset, a source or an iterable of events"
            raise BadArgument("data", f"expected {expected}, got {kind}{lazy}")
    return named, pieces


def _is_plain(piece: Any) -> bool:
    """Return whether a piece of data is a path, a frame or a mapping of frames."""
    if isinstance(piece, Mapping) and not is_frame(piece):
        return bool(piece) and all(map(is_frame, piece.values()))
    return isinstance(piece, str | PathLike | NamedFrame) or is_frame(piece)


def _is_source(piece: Any) -> bool:
    return any(callable(getattr(piece, name, None)) for name in ("events", "batches"))


def _is_piece(piece: Any) -> bool:
    return _is_plain(piece) or _is_source(piece)


def _reader(setup: Setup, pieces: Sequence[Piece], span: Span, *, hashed: bool) -> SourceReader | MergedReader:
    """Open everything that is given as data, merged where there are several."""
    wanted = msgspec.structs.asdict(span) | {"negative_prices": setup.config.values.negative_prices, "hashed": hashed}
    if setup.names_source and not any(isinstance(piece, list) for piece in pieces):
        pieces = [*pieces, []]
    readers: list[Any] = [
        setup.open(piece, span, hashed=hashed)
        if isinstance(piece, list)
        else open_source(setup.catalogue, piece, **wanted)
        for piece in pieces
    ]
    return readers[0] if len(readers) == 1 else MergedReader(readers, symbols=span.symbols)


def _symbols(symbols: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, symbols.split(","))) if isinstance(symbols, str) else tuple(symbols)


def _moment(name: str, value: Moment | None) -> int | None:
    """Return a time in nanoseconds UTC.

    Raises:
        BadArgument: it is none.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    moment: Any = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise BadArgument(name, f"{value!r} is no time such as 2020-03-01 or 2020-03-01T09:30+01:00") from None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        raise BadArgument(name, f"expected a time, got {value!r:.60}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    microseconds: int = (moment - _EPOCH) // timedelta(microseconds=1)
    return microseconds * 1000
