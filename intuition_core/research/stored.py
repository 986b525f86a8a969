"""Runs in files: the object that ``intuition backtest --json`` writes, with the course of the account and the records.

The format is described in docs/reference/runs.md.
"""

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.backtest.trades import Trades
from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_core.plugins.catalogue import discover
from intuition_core.research.errors import UnreadableRun
from intuition_core.research.run import FORMAT, Records, Run
from intuition_core.research.setup import report_part
from intuition_core.sources.contents import Content
from intuition_core.trading.records import fills_of

_OPTIONAL: Final = {"days": (), "slices": (6,)}
"""Places of values that may be None in the rows of a history; other numbers that JSON could not hold were undefined."""


def encoded(run: Run, history: History, records: Records) -> bytes:
    """Return a run as a file holds it.

    Args:
        run: the run.
        history: its history, with what hook plugins add to a report.
        records: its records, from which the trades are made again.
    """
    course = msgspec.structs.replace(history, trades=(), slices=list(history.slices), days=list(history.days))
    labels = {row["name"]: row["label"] for row in run.metrics.table}
    told = {"format": FORMAT, **run.to_json(), "labels": labels, "notes": run.notes, "history": course}
    return msgspec.json.encode(told)[:-1] + b',"records":' + records.to_json() + b"}\n"


class _File(msgspec.Struct, frozen=True):
    """What of a file is needed to make the run again."""

    decisions_sha256: str
    metrics: dict[str, dict[str, Any]]
    format: int = 0
    data: tuple[Content, ...] = ()
    load_s: float = 0.0
    run_s: float = 0.0
    labels: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    history: dict[str, Any] | None = None
    records: msgspec.Raw = msgspec.Raw(b"[]")


def load_run(path: str | Path) -> Run:
    """Return a run that `Run.save` or ``intuition backtest --save`` wrote; nothing is run for it.

    Raises:
        UnreadableRun: the file cannot be read, or holds no such run.
    """
    path = Path(path)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
        if found.history is None:
            raise UnreadableRun(path, "it has no course of the account, as what --json writes has none")
        if found.format > FORMAT:
            raise UnreadableRun(path, f"its format {found.format} is newer than this version of intuition-core")
        rows = msgspec.json.decode(found.records, type=list[dict[str, Any]])
        history = _history(found.history)
    except OSError as error:
        raise UnreadableRun(path, error.strerror or str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableRun(path, f"it is no saved run ({error})") from None
    records = Records()
    records.add(rows)
    return Run(
        msgspec.structs.replace(history, trades=Trades(fills_of(rows))),
        found.decisions_sha256,
        contents=found.data,
        records=records,
        seconds=(found.load_s, found.run_s),
        notes=found.notes,
        report=lambda: report_part(discover(), required=True),
        metrics=[_metric(name, found.labels.get(name, name), value) for name, value in found.metrics.items()],
    )


def _history(tree: Mapping[str, Any]) -> History:
    rows = {
        name: [
            [nan if value is None and at not in optional else value for at, value in enumerate(row)]
            for row in tree.get(name, ())
        ]
        for name, optional in _OPTIONAL.items()
    }
    return msgspec.convert({**tree, **rows}, History)


def _metric(name: str, label: str, told: Mapping[str, Any]) -> Metric:
    return Metric(name, label, told["value"], told["unit"], told["convention"])
