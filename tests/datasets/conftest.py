"""What the tests of the catalogue share: a catalogue of their own, and the command in this process."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from intuition_core.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Return what ``--json`` wrote."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a catalogue that is empty; the working directory is another one."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home" / "intuition" / "data"


@pytest.fixture
def run() -> Iterator[Callable[..., Ran]]:
    """Run one of our commands."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run_it(*arguments: object) -> Ran:
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(list(map(str, arguments)))
        out.flush()
        content = out.buffer
        assert isinstance(content, io.BytesIO)
        return Ran(code, content.getvalue().decode(), err.getvalue())

    yield run_it
    root.handlers[:] = handlers
    root.setLevel(level)
