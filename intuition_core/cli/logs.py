"""Logging of the commands that run: standard error, as text or as JSON lines."""

import atexit
import logging
import os
import sys
from typing import Final

import msgspec

from intuition_core.params.secrets import SECRETS
from intuition_core.supervision.outlet import Outlet
from intuition_core.supervision.stage import STAGE
from intuition_core.system.printable import escaped, indented

LOGGER: Final = "intuition"

_PRIORITIES: Final = {
    logging.DEBUG: "<7>",
    logging.INFO: "<6>",
    logging.WARNING: "<4>",
    logging.ERROR: "<3>",
    logging.CRITICAL: "<2>",
}
"""The beginnings of lines by which the system's journal knows how serious they are."""


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = {
            "ts": int(record.created * 1e9),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            content["traceback"] = SECRETS.redacted(escaped(self.formatException(record.exc_info)))
        return escaped(msgspec.json.encode(content).decode())


class _Text(logging.Formatter):
    """Lines of text; lines that belong to the one before are indented, so that nobody can forge an entry."""

    def format(self, record: logging.LogRecord) -> str:
        text = _message(record) if record.levelno == logging.INFO else super().format(record)
        return indented(SECRETS.redacted(text))


class _Journal(_Text):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, "")
        return priority + super().format(record).replace("\n", f"\n{priority}")


class _Handler(logging.Handler):
    """Writes to standard error, and delays nobody where that takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.outlet = Outlet(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  # what is logged may hold anything; nothing must fail by it
            line = indented(f"{record.levelname}: {record.msg!r} cannot be formatted: {type(error).__name__}")
        self.outlet.write(f"{line}\n")


def set_up_logging(log_format: str = "text", verbose: int = 0) -> logging.Logger:
    """Send logs to standard error and return the logger; ``verbose`` 1 adds our own details, 2 those of libraries.

    Where standard error is the system's journal, each line begins with its priority.
    """
    handler = _Handler()
    atexit.register(handler.outlet.close)
    text = _Journal if _is_journal() else _Text
    handler.setFormatter(_JsonLines() if log_format == "json" else text("%(levelname)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose > 1 else logging.WARNING)
    for name in (LOGGER, "intuition_core", "intuition_connector_mqtt"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    if verbose <= 1:
        # zerorpc logs every remote error with its traceback; the server tells them in its own words.
        logging.getLogger("zerorpc").setLevel(logging.CRITICAL)
    if log_format == "json":  # what parts print is to be no other kind of line
        STAGE.tell = lambda who, line: logging.getLogger(f"{LOGGER}.parts").info("%s: %s", who, line)
    return logging.getLogger(LOGGER)


def _message(record: logging.LogRecord) -> str:
    return SECRETS.redacted(escaped(record.getMessage()))


def _is_journal() -> bool:
    """Return whether standard error is connected to the system's journal, which says so by device and inode."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
