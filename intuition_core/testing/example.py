"""Parameters and events with which any part can be tried."""

import csv
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect as shapes

from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.params.checking import parameter_names, params_class
from intuition_core.sources.opening import BY_SUFFIX
from intuition_core.testing.recording import quotes

_COLUMNS: Final = ("ts", "sid", "open", "high", "low", "close", "volume")


def example_params(kind: str, name: str, factory: Callable[[], Any], folder: Path) -> dict[str, Any]:
    """Return parameters for parts that need some; the files that these name are made in a folder.

    Recorded quotes are written for those sources of which the core knows what they read. A connector is pointed to a
    port of this machine at which nobody listens.
    """
    takes = parameter_names(factory) or ()
    if kind == "connector" and "url" in takes:
        scheme = urlsplit(str(_default(factory, "url") or "")).scheme
        return {"url": f"{scheme}://127.0.0.1:{_closed_port()}"} if scheme else {}
    suffix = next((suffix for suffix, reader in BY_SUFFIX.items() if reader == name), None)
    if kind != "source" or suffix is None:
        return {}
    path = folder / f"quotes{suffix}"
    if suffix == ".csv" and "path" in takes:
        _write_csv(path)
        return {"path": str(path)}
    if suffix == ".jsonl" and "path" in takes:
        path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in quotes()))
        return {"path": str(path)}
    if suffix == ".parquet" and "path" in takes:
        _write_parquet(path)
        return {"path": str(path)}
    if suffix == ".db" and {"url", "table"}.issubset(takes):
        _write_sqlite(path)
        return {"url": f"sqlite:///{path}", "table": "quotes"}
    return {}


def example_events(channels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the recorded quotes, each with messages on the other channels that have the quote as ``value``."""
    others = [channel for channel in channels if channel != DEFAULT_CHANNEL]
    events = []
    for event in quotes():
        events.append(event)
        said = {"sid": event["sid"], "value": event["quote"], "ts": event["ts"]}
        events += [{"channel": channel, **said} for channel in others]
    return events


def missing_params(factory: Callable[[], Any], given: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that a part needs and that are missing."""
    declared = params_class(factory)
    fields = () if declared is None else getattr(shapes.type_info(declared), "fields", ())
    return [field.encode_name for field in fields if field.required and field.encode_name not in given]


def _default(factory: Callable[[], Any], name: str) -> Any:
    declared = params_class(factory)
    fields = () if declared is None else getattr(shapes.type_info(declared), "fields", ())
    return next((field.default for field in fields if field.encode_name == name), None)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(quotes())


def _write_parquet(path: Path) -> None:
    import pyarrow as pa  # a source that reads the format brings it along
    from pyarrow.parquet import write_table

    events = quotes()
    write_table(pa.table({name: [event[name] for event in events] for name in _COLUMNS}), path)


def _write_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE quotes ({', '.join(_COLUMNS)})")
        database.executemany(
            f"INSERT INTO quotes VALUES ({', '.join('?' * len(_COLUMNS))})",  # noqa: S608  # names and marks of our own
            [[event[name] for name in _COLUMNS] for event in quotes()],
        )
