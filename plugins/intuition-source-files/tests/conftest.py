"""What the tests have in common."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intuition_source_files import Csv, Parquet

from intuition_core.data import normalise, sent


@pytest.fixture(scope="session")
def read() -> Callable[..., list[dict[str, Any]]]:
    """Reads all events of files, which both ways of reading must give, as plain as the core wants them."""

    def read(source: type[Csv | Parquet], path: Any, **params: Any) -> list[dict[str, Any]]:
        paths = [str(one) for one in path] if isinstance(path, list) else str(path)
        reader = source()
        reader.initialize(msgspec.convert({"path": paths, **params}, source.Params))
        events = list(reader.events())
        assert reader.progress() == 1.0
        assert list(itertools.chain.from_iterable(reader.batches())) == events
        negative = params.get("negative_prices", False)
        for event in events:
            as_sent = {key: sent(value) if key in ("ts", "start") else value for key, value in event.items()}
            assert normalise(as_sent, now=_no_clock, negative_prices=negative) == [event]
            assert type(event.get("quote", 0.0)) is float
            assert "quote" in event or event["channel"] != "quotes"
        assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
        return events

    return read


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of text."""

    def write(text: str, name: str = "GOOG.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, newline="")
        return path

    return write


def _no_clock() -> int:
    raise AssertionError("every event has its time")
