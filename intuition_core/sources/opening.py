"""Sources of events: which one reads a file or an address, or which ones; opened with their parameters."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from intuition_core.errors import BadParameter, IntuitionError, PartFailed, did_you_mean
from intuition_core.params.checking import check_params, parameter_names
from intuition_core.params.secrets import SECRETS
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.sources.datasets.places import dataset_names, look_up, split_pin
from intuition_core.sources.frames import NamedFrame, is_frame, name_frames, shown_name
from intuition_core.sources.reading import MergedReader, SourceReader

BY_SUFFIX: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
    ".feather": "parquet",
    ".arrow": "parquet",
    ".ipc": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".db": "sql",
    ".sqlite": "sql",
    ".sqlite3": "sql",
    ".duckdb": "sql",
}
"""Which source reads a file, by how its name ends."""

COMPRESSED: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"})
"""Endings that say how a file is packed, not what is in it."""

BY_SCHEME: Final = {"ws": "websocket", "wss": "websocket"}
"""Which source reads an address, by how it begins; `sql` reads the others."""

Frame: TypeAlias = Any
"""A frame of pandas, polars, Arrow or DuckDB, or a mapping of symbols to such frames; see `frames`."""

DATASET: Final = "dataset"
"""The source that reads datasets, which is the core's own."""

_FRAME: Final = "frame"
_FRAMES_BY: Final = "parquet"
"""The source whose `Frames` reads frames."""

_NUMBERED: Final = re.compile(r"([1-9][0-9]{0,5})\.(.+)")
"""A parameter of the source that reads what was named in this place, counted from 1."""

_PARAMETERS: Final = re.compile(r"[?#]")


class UnknownData(IntuitionError):
    """Data of which it is not known which source reads it."""

    def __init__(self, data: str, sources: Collection[str] = ()) -> None:
        self.data = data
        self.sources = tuple(sorted(sources))
        known = ", ".join(sorted({*BY_SUFFIX}))
        why = f"known endings: {known}"
        if self.sources:
            why = f"it has files for {' and '.join(f'`{name}`' for name in self.sources)}"
        near = did_you_mean(split_pin(data)[0], dataset_names())
        super().__init__(f"{data}: cannot tell which source reads this ({why}){near or ';'} name it by --source")


def reader_of(data: str) -> str:
    """Name the source that reads a dataset, a file, the files of a folder or of a pattern, or an address.

    Raises:
        DatasetOrFile: a dataset has the name, and a file or a folder here.
        UnknownData: nothing tells, or files are for several sources.
    """
    scheme, separator, _ = data.partition("://")
    if separator:
        return BY_SCHEME.get(scheme, "sql")
    if look_up(data) is not None:
        return DATASET
    name = _by_name(data)
    if name is None:
        found = {source for file in _files(data) if (source := _by_name(file.name)) is not None}
        if len(found) != 1:
            raise UnknownData(data, found)
        name = found.pop()
    return name


def _by_name(name: str) -> str | None:
    """Name the source that reads a file called so; None where its ending does not tell."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".zip"
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    found = BY_SUFFIX.get(suffixes[-1]) if suffixes else None
    return "csv" if found is None and packed else found  # vendors pack text


def _files(data: str) -> list[Path]:
    """Return the files of a folder, or of a pattern."""
    path = Path(data).expanduser()
    if not data:
        return []
    if path.is_dir():
        return [file for file in _within(path) if not file.name.startswith(".") and file.is_file()]
    if not any(mark in data for mark in "*?[") or path.exists():
        return []
    return [file for file in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))) if file.is_file()]


def _within(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, and in folders within it that say a value by their name, as `year=2024` does."""
    for path in folder.iterdir():
        if path.is_dir() and "=" in path.name:
            yield from _within(path)
        else:
            yield path


def shown(data: str) -> str:
    """Return what of a file or an address may be shown and kept: no user, password or parameters of an address."""
    scheme, separator, rest = data.partition("://")
    if not separator:
        return data
    if not rest.startswith("/"):  # or else it names a file, and nobody
        credentials, _, rest = rest.rpartition("@")
        if any(character in credentials for character in "/?#"):
            return f"{scheme}://***"  # where the password ends is not certain
    return f"{scheme}://{_PARAMETERS.split(rest, 1)[0]}"


def open_source(
    catalogue: Catalogue | str | Frame,
    name: str | None = None,
    *,
    data: Sequence[str | Frame] = (),
    params: Mapping[str, Any] | None = None,
    start: int | None = None,
    end: int | None = None,
    symbols: Sequence[str] = (),
    negative_prices: bool = False,
    beside: bool = True,
    hashed: bool = False,
) -> SourceReader | MergedReader:
    """Load a source and give it its parameters; or several, whose events become one course.

    Events of equal time come in the order of the data, and those of a source that is read beside it last.

    Args:
        catalogue: the plugins there are; or the first of the data, which the plugins that are installed read.
        name: the source; without it the data tells.
        data: files or addresses, given to the sources as their parameter ``path`` or ``url``; names of datasets; frames
            of pandas, polars, Arrow or DuckDB, or a mapping of symbols to frames. Neighbours that one source reads are
            given to it together.
        params: their other parameters; of several sources, each gets those that it takes. ``2.KEY`` is a parameter of
            the source that reads the second of the data, and of no other.
        start: leave out what is before this, in nanoseconds UTC.
        end: leave out what is not before this.
        symbols: leave out other symbols, but no rates of currencies; none given means all.
        negative_prices: let zero and negative prices pass.
        beside: whether a named source that takes no data may be read beside it.
        hashed: whether `SourceReader.contents` is to have the hashes of events, which it takes time to make.

    Raises:
        UnknownData: neither the name nor the data says which source it is.
        BadParameter: no source takes a parameter, or one needs another.
        NoFrame: something is neither the name of data nor a frame.
        IntuitionError: a plugin cannot be used, or cannot read the data.
    """
    wanted: dict[str, Any] = {
        "start": start,
        "end": end,
        "symbols": tuple(symbols),
        "negative_prices": negative_prices,
        "hashed": hashed,
    }
    if not _has_plugins(catalogue):
        from intuition_core.plugins.catalogue import discover

        return open_source(discover(), name, data=[catalogue, *data], params=params, beside=beside, **wanted)
    given = name_frames(data)
    common, own = _assigned(params or {}, len(given))
    choices = _choices(catalogue, name, given, own, beside=beside)
    if len(choices) == 1:
        return _opened(choices[0], common, wanted)
    known = frozenset(key for choice in choices for key in choice.part.takes)
    return MergedReader([_opened(choice, common, wanted, known=known) for choice in choices], symbols=symbols)


def _has_plugins(value: object) -> TypeGuard[Catalogue]:
    """Return whether a value finds and loads plugins, as opposed to data."""
    return hasattr(value, "find") and hasattr(value, "load") and not is_frame(value)


class _Part(NamedTuple):
    """The plugin of a source."""

    name: str
    label: str
    factory: Any
    takes: frozenset[str]

    @property
    def reads_data(self) -> bool:
        return not self.takes.isdisjoint(("path", "url"))


class _Choice(NamedTuple):
    """A source that is to be opened: what it reads, and the parameters of no other."""

    part: _Part
    data: tuple[str | NamedFrame, ...]
    own: Mapping[str, Any]


def _found(catalogue: Catalogue, name: str) -> _Part:
    if name == DATASET:
        from intuition_core.sources.datasets.reading import Dataset

        return _Part(DATASET, "source dataset", Dataset, frozenset(parameter_names(Dataset) or ()))
    if name == _FRAME:
        return _frames(catalogue)
    plugin = catalogue.find("source", name)
    factory: Any = catalogue.load("source", name)
    label = f"source {plugin.name} ({plugin.distribution} {plugin.version})"
    return _Part(plugin.name, label, factory, frozenset(parameter_names(factory) or ()))


def _frames(catalogue: Catalogue) -> _Part:
    """Return the source that reads frames, which comes with the one that reads Parquet.

    Raises:
        BadParameter: the one that is installed reads none.
    """
    part = _found(catalogue, _FRAMES_BY)
    factory = getattr(part.factory, "Frames", None)
    if factory is None:
        raise BadParameter(part.label, None, "it reads no frames; bring intuition-source-files up to date")
    return _Part(_FRAME, part.label, factory, part.takes)


def _reader(data: str | NamedFrame) -> str:
    return reader_of(data) if isinstance(data, str) else _FRAME


def _own(data: str | NamedFrame) -> str | None:
    """Name the source that reads data of the core's own kinds; None for all other data."""
    if isinstance(data, NamedFrame):
        return _FRAME
    return DATASET if look_up(data) is not None else None


def _assigned(params: Mapping[str, Any], count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the parameters of all sources, and those of the ones that read each of the data.

    Raises:
        BadParameter: one is for data that there is not.
    """
    common: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, value in params.items():
        numbered = _NUMBERED.fullmatch(key)
        if numbered is None:
            common[key] = value
        elif int(numbered[1]) > count:
            raise BadParameter("source", key, f"is for --data number {numbered[1]}, and there are {count}")
        else:
            own[int(numbered[1]) - 1][numbered[2]] = value
    return common, own


def _choices(
    catalogue: Catalogue,
    name: str | None,
    data: Sequence[str | NamedFrame],
    own: Sequence[Mapping[str, Any]],
    *,
    beside: bool,
) -> list[_Choice]:
    """Return which sources read what."""
    part = cache(partial(_found, catalogue))
    named = part(name) if name is not None else None
    if named is None and not data:
        raise UnknownData("no data")
    if named is not None and (named.reads_data or not beside):
        readers = [named if (own_kind := _own(each)) is None else part(own_kind) for each in data]
    else:
        try:
            readers = [part(_reader(each)) for each in data]
        except UnknownData:
            if named is None:
                raise
            readers = [named] * len(data)  # of which it is told that it reads none
    choices = []
    for (reader, params), rows in groupby(zip(readers, own, data, strict=True), key=lambda row: row[:2]):
        read = tuple(each for _, _, each in rows)
        together = [read] if "url" not in reader.takes or "path" in reader.takes else [(each,) for each in read]
        choices += [_Choice(reader, each, params) for each in together]
    if named is not None and named not in readers and not (data and named.reads_data):
        choices.append(_Choice(named, (), {}))
    return choices


def _opened(
    choice: _Choice, common: Mapping[str, Any], wanted: Mapping[str, Any], *, known: Collection[str] = ()
) -> SourceReader:
    """Make a source and give it its parameters: of several, those that it takes, and those that none is known to take.

    One of several is not given the symbols: it may refuse those that only another has.
    """
    part, data, own = choice
    given = {key: value for key, value in common.items() if key in part.takes or key not in known}
    given |= {**own, **(_data_parameter(part, data) if data else {})}
    rest: dict[str, Any] = {}
    for key, value in wanted.items():
        if value in (None, (), False):
            continue
        if key in part.takes and not (known and key == "symbols"):
            given[key] = value
        else:
            rest[key] = value
    try:
        source = part.factory(data) if part.name == _FRAME else part.factory()
        if hasattr(source, "initialize"):
            source.initialize(check_params(f"source {part.name}", part.factory, given))
    except IntuitionError:
        raise
    except Exception as error:
        raise PartFailed(part.label, "initialize", SECRETS.redacted(f"{type(error).__name__}: {error}")) from error
    told = {key: value for key, value in given.items() if key not in ("path", "url")}
    names = ", ".join(shown(shown_name(each)) for each in data)
    return SourceReader(part.name, part.label, source, names, options=told, **rest)


def _data_parameter(part: _Part, data: tuple[str | NamedFrame, ...]) -> dict[str, Any]:
    names = tuple(map(shown_name, data))
    if "path" in part.takes:
        return {"path": names}
    if "url" in part.takes:
        [address] = names
        kind = "duckdb" if address.endswith(".duckdb") else "sqlite"
        return {"url": address if "://" in address else f"{kind}:///{address}"}
    raise BadParameter(part.label, None, "it takes no `path` and no `url`, so --data means nothing to it")
