"""``intuition data list``: the datasets of the catalogue."""

from typing import Any

import click

from intuition_core.cli.data.mending import moment
from intuition_core.cli.data.opened import counted, write_json
from intuition_core.errors import IntuitionError


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array.")
def list_datasets(*, as_json: bool) -> None:
    """List the datasets of the catalogue."""
    from intuition_core.sources.datasets.index import read_index
    from intuition_core.sources.datasets.places import catalogue_folder, dataset_names

    rows: list[dict[str, Any]] = []
    for name in dataset_names():
        folder = catalogue_folder() / name
        try:
            index = read_index(folder)
        except IntuitionError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        first, last = index.span or (None, None)
        rows.append(
            {
                "name": name,
                "problem": None,
                "symbols": index.symbols,
                "events": index.rows,
                "first": first,
                "last": last,
                "bytes": sum(piece.bytes for piece in index.pieces),
                "sha256": index.sha256,
                "folder": str(folder),
            }
        )
    if as_json:
        write_json(rows)
        return
    if not rows:
        click.echo("no datasets yet: `intuition data add` makes one", err=True)
    for row in rows:
        click.echo(row["problem"] or _line(row))


def _line(row: dict[str, Any]) -> str:
    symbols, first, last = row["symbols"], row["first"], row["last"]
    if first is None:
        return f"{row['name']}: empty"
    some = ", ".join(symbols[:5]) + (f" and {len(symbols) - 5:,} more" if len(symbols) > 5 else "")
    return (
        f"{row['name']}: {counted(row['events'], 'event')} of {some or 'no symbol'} "
        f"from {moment(first)} to {moment(last)}, "
        f"{row['bytes']:,} bytes, contents {str(row['sha256'])[:12]}"
    )
