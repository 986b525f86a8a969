"""What the tests of ``intuition backtest`` share: runs of it, processes beside it, files of recorded prices."""

import importlib.util
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.processes import free, intuition, mosquitto, serve, start

from intuition_core.cli import main

__all__ = ["free", "intuition", "mosquitto", "serve", "start"]


class Ran(NamedTuple):
    """A run of the command, in this process."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """What ``--json`` told, once it is sure that the run was complete."""
        assert self.code == 0, self.err
        told = json.loads(self.out)
        assert isinstance(told, dict)
        return told


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _run(*arguments: object) -> Ran:
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with _logging_as_it_was(), redirect_stdout(out), redirect_stderr(err):
        code = main(list(map(str, arguments)))
    out.flush()
    content = out.buffer
    assert isinstance(content, io.BytesIO)
    return Ran(code, content.getvalue().decode(), err.getvalue())


@pytest.fixture(scope="session")
def run() -> Callable[..., Ran]:
    """Run one of our commands."""
    return _run


@pytest.fixture(scope="session")
def backtest() -> Callable[..., Ran]:
    """Run ``intuition backtest``; sma-cross with fixed, unless it is told otherwise."""
    return lambda *arguments: _run("backtest", "--algo", "sma-cross", "--portfolio", "fixed", *arguments)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, in which no configuration lies."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a CSV file, and give its path."""

    def write(header: str, rows: Sequence[str], name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


@pytest.fixture(scope="session")
def shipped() -> Mapping[str, Path]:
    """Files of recorded prices that packages ship, which are found without importing the packages."""

    def find(package: str, *names: str) -> Path:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        path = Path(str(files(importlib.util.module_from_spec(spec)).joinpath(*names)))
        assert path.is_file()
        return path

    return {
        "stocks": find("bokeh_sampledata", "_data", "stocks.csv.gz"),
        "oil": find("arch", "data", "wti", "wti.csv.gz"),
        "sp500": find("skfolio", "datasets", "data", "sp500_dataset.csv.gz"),
    }
