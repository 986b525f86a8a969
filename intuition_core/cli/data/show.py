"""``intuition data show``: what is in a file, and what is odd about it."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.cli.data.mending import TITLES, mend, moment
from intuition_core.cli.data.opened import Opened, calendar_option, flags_of, reading_options, write_json

if TYPE_CHECKING:
    from intuition_core.data import Event
    from intuition_core.sources.datasets.findings import Finding
    from intuition_core.sources.datasets.index import Index

_ROWS: Final = 3
"""How many of the first and of the last events are shown."""


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="FILE…")
@reading_options
@calendar_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def show(
    *,
    data: tuple[str, ...],
    calendar: str | None,
    as_json: bool,
    start: int | None,
    end: int | None,
    symbols: str | None,
    config: Path | None,
    verbose: int,
    **options: Any,
) -> None:
    """Show how data is read, its first and last events, and what is odd about it.

    FILE is a file, a folder, an address or a dataset. Looked for are rows that are there twice, prices outside of a
    bar's high and low, jumps that look like splits, stale stretches and, with --calendar, gaps. Each finding comes with
    the command that mends it.
    """
    from intuition_core.cli.logs import set_up_logging
    from intuition_core.sources.datasets.findings import Examination

    set_up_logging(verbose=verbose)
    opened = Opened(data, span=(start, end), symbols=symbols, config=config, **options)
    examination = Examination(opened.hours(calendar))
    reader = opened.reader()
    first: list[Event] = []
    last: deque[Event] = deque(maxlen=_ROWS)
    count = 0
    for batch in reader.batches():
        examination.take(batch)
        first += batch[: _ROWS - len(first)] if len(first) < _ROWS else []
        last.extend(batch[-_ROWS:])
        count += len(batch)
    findings = [
        (finding, mend(finding, data, flags_of(options), _index_of(data))) for finding in examination.findings()
    ]
    shown = list(last)[-min(max(count - len(first), 0), _ROWS) :] if count > len(first) else []
    if as_json:
        write_json(
            {
                "events": count,
                "taken": reader.taken,
                "contents": reader.contents(),
                "first": first,
                "last": shown,
                "findings": [{"finding": finding, "mend": command} for finding, command in findings],
            }
        )
        return
    for line in reader.told() or [f"{reader}: {count:,} events"]:
        click.echo(line)
    for content in reader.contents():
        click.echo(f"  {content.kind} {content.data}: SHA-256 {content.sha256}")
    _tell_rows(first, shown, count)
    _tell_findings(findings, calendar)


def _tell_rows(first: "Sequence[Event]", last: "Sequence[Event]", count: int) -> None:
    for event in first:
        click.echo(f"  {_row(event)}")
    if count > len(first) + len(last):
        click.echo("  …")
    for event in last:
        click.echo(f"  {_row(event)}")


def _tell_findings(findings: "Sequence[tuple[Finding, str]]", calendar: str | None) -> None:
    for finding, command in findings:
        _tell(finding, command)
    if not findings:
        against = "" if calendar is None else f", gaps against {calendar} included"
        click.echo(f"nothing odd was found{against}")
    if calendar is None:
        click.echo("gaps were not looked for: name the exchange by --calendar, such as XNYS or 24/7", err=True)


def _index_of(data: tuple[str, ...]) -> "Index | None":
    from intuition_core.sources.datasets.index import read_index
    from intuition_core.sources.datasets.places import look_up

    if len(data) != 1 or "://" in data[0]:
        return None
    folder = look_up(data[0])
    return None if folder is None else read_index(folder)


def _row(event: "Event") -> str:
    """Return an event on one line, its time first."""
    words = [moment(event["ts"]), str(event.get("sid", ""))]
    words += [
        f"{key} {value}"
        for key, value in event.items()
        if key not in ("ts", "sid", "start") and (key, value) != ("channel", "quotes")
    ]
    if "start" in event:
        words.append(f"since {moment(event['start'])}")
    return "  ".join(words)


def _tell(finding: "Finding", command: str) -> None:
    click.echo(f"{TITLES[finding.kind]}: {finding.count:,}")
    for example in finding.examples:
        until = f" to {moment(example.end)}" if example.end is not None else ""
        click.echo(f"  {example.sid} {moment(example.ts)}{until}: {example.problem}")
    click.echo(f"  mend: {command}")
