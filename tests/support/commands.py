"""One of our commands, run in this process."""

import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from intuition_core.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Return what ``--json`` wrote."""
        return json.loads(self.out)


def run_command(*arguments: object) -> Ran:
    """Run a command, and leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(list(map(str, arguments)))
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    out.flush()
    content = out.buffer
    assert isinstance(content, io.BytesIO)
    return Ran(code, content.getvalue().decode(), err.getvalue())
