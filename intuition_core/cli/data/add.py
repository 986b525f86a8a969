"""``intuition data add``: files into a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.data.mending import TITLES, name_for
from intuition_core.cli.data.opened import Opened, counted, reading_options, write_json

if TYPE_CHECKING:
    from intuition_core.sources.datasets.adding import Addition
    from intuition_core.sources.datasets.findings import Cleaner
    from intuition_core.sources.datasets.index import Added
    from intuition_core.sources.reading import MergedReader, SourceReader


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="FILE…")
@click.option("--name", metavar="NAME", help="The dataset (default: the name of the first file, up to its ending).")
@click.option("--replace", is_flag=True, help="Let new events take the place of others of the same symbol and time.")
@click.option(
    "--drop",
    "kinds",
    multiple=True,
    type=click.Choice(["duplicates", "outside", "stale"]),
    help="Leave out rows that are there twice, have prices outside of high and low, or are stale; repeatable.",
)
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def add(
    *,
    data: tuple[str, ...],
    name: str | None,
    replace: bool,
    kinds: tuple[str, ...],
    start: int | None,
    end: int | None,
    symbols: str | None,
    config: Path | None,
    as_json: bool,
    verbose: int,
    **options: Any,
) -> None:
    """Add data to a dataset of the catalogue, which is made if there is none of the name.

    FILE is a file, a folder or an address; it is read as in a backtest, and `--data NAME` gives the same events. What
    the dataset has already is left as it is; if it has other prices of the same time, nothing is added, unless
    --replace is given.
    """
    from intuition_core.cli.logs import set_up_logging
    from intuition_core.sources.datasets import adding
    from intuition_core.sources.datasets.findings import Cleaner
    from intuition_core.sources.datasets.places import dataset_folder
    from intuition_core.sources.taken import lines

    set_up_logging(verbose=verbose)
    opened = Opened(data, span=(start, end), symbols=symbols, config=config, **options)
    folder = dataset_folder(name or name_for(data))
    reader = opened.reader()
    cleaner = Cleaner(kinds)
    done = adding.add(
        folder,
        cleaner.clean(reader.batches()),
        lambda: _described(reader, cleaner),
        replace=replace,
        negative_prices=opened.negative_prices,
    )
    for line in lines(reader.taken):
        click.echo(line, err=True)
    _tell(folder, done, cleaner, as_json=as_json)


def _tell(folder: Path, done: "Addition", cleaner: "Cleaner", *, as_json: bool) -> None:
    if as_json:
        write_json(
            {
                "name": folder.name,
                "new": done.new,
                "known": done.known,
                "replaced": done.replaced,
                "left_out": dict(cleaner.counts),
                "events": done.dataset.rows,
                "sha256": done.dataset.sha256,
                "folder": str(folder),
            }
        )
        return
    known = f", {done.known:,} there already" if done.known else ""
    replaced = f", {done.replaced:,} took the place of others" if done.replaced else ""
    click.echo(f"{folder.name}: {counted(done.new, 'event')} new{known}{replaced}; {done.dataset.rows:,} in all")
    for kind, count in cleaner.counts.items():
        click.echo(f"  left out: {TITLES[kind]}, {count:,}")
    click.echo(f"  contents {done.dataset.sha256[:12]}, in {folder}")
    click.echo(f"read it by `--data {folder.name}`", err=True)


def _described(reader: "SourceReader | MergedReader", cleaner: "Cleaner") -> "Added":
    from intuition_core.sources.datasets.index import Added
    from intuition_core.sources.taken import lines

    contents = reader.contents()
    return Added(
        source=", ".join(dict.fromkeys(content.source for content in contents)),
        data=str(reader),
        contents=tuple((content.data, content.sha256) for content in contents),
        lines=tuple(lines(reader.taken)),
        adjusted=tuple(dict.fromkeys(each.adjusted for each in reader.taken)),
        left_out=tuple(f"{TITLES[kind]}, {count:,}" for kind, count in cleaner.counts.items()),
    )
