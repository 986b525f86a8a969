"""Logging of the commands that run: standard error, as text or as JSON lines."""

import logging
import sys
from typing import Final

import msgspec

from intuition_core.supervision.stage import STAGE

LOGGER: Final = "intuition"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = {
            "ts": int(record.created * 1e9),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(content).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage() if record.levelno == logging.INFO else super().format(record)
        return text if sys.stderr.isatty() else text.replace("\r", " ")


def set_up_logging(log_format: str = "text", verbose: int = 0) -> logging.Logger:
    """Send logs to standard error and return the logger; ``verbose`` 1 adds our own details, 2 those of libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else _Text("%(levelname)s: %(message)s"))
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
