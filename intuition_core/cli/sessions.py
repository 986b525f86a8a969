"""``intuition sessions``: what is kept of sessions."""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.errors import IntuitionError

if TYPE_CHECKING:
    from intuition_core.journal import Journal


class MissingExtra(IntuitionError):
    """A library that only some uses need."""

    def __init__(self, use: str, distribution: str) -> None:
        self.use = use
        self.distribution = distribution
        super().__init__(f"{use} needs {distribution}; run `pip install {distribution}`")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array.")
@click.pass_context
def sessions(context: click.Context, *, as_json: bool) -> None:
    """List the sessions that are kept; show, export or archive one."""
    if context.invoked_subcommand is not None:
        return
    from intuition_core.archive import session_file, session_names

    rows = []
    for name in session_names():
        path = session_file(name)
        try:
            rows.append({"name": name, **_summary(path), "problem": None})
        except IntuitionError as error:
            rows.append({"name": name, "problem": str(error)})
    if as_json:
        _write_json(rows)
        return
    if not rows:
        click.echo("no sessions yet: `intuition serve` makes one", err=True)
    for row in rows:
        if row["problem"]:
            click.echo(f"{row['name']}: {row['problem']}")
        else:
            click.echo(f"{row['name']}: {row['events']} events since {_day(row['begun'])}, {row['bytes']:,} bytes")


@sessions.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON object.")
def show(*, name: str, as_json: bool) -> None:
    """Sum one session up: its parts, its events and records, its clients."""
    from intuition_core.archive import find_session

    path = find_session(name)
    journal = _open(path)
    try:
        meta = journal.meta()
        counts: Counter[str] = Counter()
        first = last = None
        for events, records in journal.batches():
            counts.update(record["type"] for record in records)
            first = events[0]["ts"] if first is None else first
            last = events[-1]["ts"]
        told = {
            **_summary(path),
            "run": meta["run"],
            "composition": meta["composition"],
            "first_ts": first,
            "last_ts": last,
            "records": dict(counts),
            "clients": {client: epoch for client, (epoch, _) in journal.clients().items()},
        }
    finally:
        journal.close()
    if as_json:
        _write_json(told)
        return
    click.echo(f"{meta['session']} (run {told['run']}), begun {_day(told['begun'])}")
    for line in told["composition"]["algorithms"]:
        for kind, part in line.items():
            click.echo(f"  {kind} {part['name']} ({part['distribution']} {part['version']}): {part['params']}")
    click.echo(f"  cash {told['composition']['cash']}, seed {told['composition']['seed']}")
    click.echo(f"  {told['events']} events, {', '.join(f'{n} {kind}s' for kind, n in counts.items()) or 'no records'}")
    click.echo(f"  file {path}")


@sessions.command()
@click.argument("name")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), default="jsonl", show_default=True)
@click.option("--events", is_flag=True, help="The events rather than the records.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
def export(*, name: str, form: str, events: bool, output: Path | None) -> None:
    """Write a session's records, oldest first."""
    from intuition_core.archive import find_session

    journal = _open(find_session(name))
    try:
        rows = _rows(journal, events=events)
        if form == "parquet":
            _write_parquet(rows, output)
        elif form == "csv":
            _write_csv(list(rows), output)
        else:
            _write_lines(rows, output)
    finally:
        journal.close()


@sessions.command()
@click.argument("name")
def archive(*, name: str) -> None:
    """Put a session away under a name with the date, so that its own name begins anew."""
    from intuition_core.archive import find_session, held

    path = find_session(name)
    with held(path):
        journal = _open(path, read_only=False)  # which brings everything into the one file
        journal.close()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
        path.rename(target)
    click.echo(f"archived as {target.stem}", err=True)


def _open(path: Path, *, read_only: bool = True) -> "Journal":
    from intuition_core.journal import Journal

    return Journal(path, read_only=read_only)


def _summary(path: Path) -> dict[str, Any]:
    journal = _open(path)
    try:
        meta = journal.meta()
        return {
            "session": meta["session"],
            "begun": meta["begun"],
            "events": journal.last_seq,
            "bytes": path.stat().st_size,
            "file": str(path),
        }
    finally:
        journal.close()


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rows(journal: "Journal", *, events: bool) -> Iterator[dict[str, Any]]:
    seq = 0
    for taken, records in journal.batches():
        if not events:
            yield from records
            continue
        for event in taken:
            seq += 1
            yield {"seq": seq, **event}


def _write_json(content: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")


def _write_lines(rows: Iterator[dict[str, Any]], output: Path | None) -> None:
    import msgspec

    stream = output.open("wb") if output else sys.stdout.buffer
    try:
        for row in rows:
            stream.write(msgspec.json.encode(row) + b"\n")
    finally:
        stream.flush()
        if output:
            stream.close()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Write what a cell cannot hold as JSON."""
    import msgspec

    return {
        key: msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
        for key, value in row.items()
    }


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _write_csv(rows: list[dict[str, Any]], output: Path | None) -> None:
    import csv

    stream = output.open("w", newline="", encoding="utf-8") if output else sys.stdout
    try:
        writer = csv.DictWriter(stream, _columns(rows), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(_flat(row))
    finally:
        stream.flush()
        if output:
            stream.close()


def _write_parquet(rows: Iterator[dict[str, Any]], output: Path | None) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("writing Parquet", "pyarrow") from None
    if output is None:
        msg = "Parquet is no text; name a file with --output"
        raise click.UsageError(msg)
    plain = list(map(_flat, rows))
    columns = {name: [row.get(name) for row in plain] for name in _columns(plain)}
    parquet.write_table(pa.table(columns), output)
