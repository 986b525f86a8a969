"""``intuition data fetch``: a source's history into a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.data.mending import UNITS, moment
from intuition_core.cli.data.opened import Opened, calendar_option, counted, quoted, write_json
from intuition_core.cli.options import Moment, config_option, verbose_option

if TYPE_CHECKING:
    from intuition_core.sources.datasets.fetching import Fetched


@click.command()
@click.option("--source", required=True, metavar="NAME", help="The source that is asked.")
@click.option("--symbols", required=True, metavar="A,B", help="The symbols.")
@click.option("--from", "start", type=Moment(), help="The first time (default: where the last fetch ended).")
@click.option("--to", "end", type=Moment(), help="The time before which events are wanted (default: now).")
@click.option("--name", metavar="NAME", help="The dataset (default: the name of the source).")
@click.option(
    "--param", "params", multiple=True, metavar="source.KEY=VALUE", help="A parameter of the source; repeatable."
)
@click.option(
    "--pause", type=click.FloatRange(min=0), metavar="SECONDS", help="Between two requests (default: the source's own)."
)
@click.option("--again", is_flag=True, help="Ask again for what was asked for already.")
@click.option("--replace", is_flag=True, help="Let new events take the place of others of the same symbol and time.")
@calendar_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@config_option
@verbose_option
def fetch(
    *,
    source: str,
    symbols: str,
    start: int | None,
    end: int | None,
    name: str | None,
    params: tuple[str, ...],
    pause: float | None,
    again: bool,
    replace: bool,
    calendar: str | None,
    as_json: bool,
    config: Path | None,
    verbose: int,
) -> int:
    """Ask a source for history, and keep it in a dataset.

    \b
    intuition data fetch --source NAME --symbols BTCUSDT --from 2024-01-01 --name btc
    intuition data fetch --source NAME --symbols BTCUSDT --name btc

    Only what was not asked for yet is asked for. What has come is kept, however the command ends; the same command goes
    on there. With --calendar gaps are listed. The exit code is 1 where something could not be fetched.
    """  # noqa: D301  # click's mark is the character, which a raw text would not hold
    import time

    from intuition_core.cli.logs import set_up_logging
    from intuition_core.sources.datasets.fetching import Fetching
    from intuition_core.sources.datasets.places import dataset_folder
    from intuition_core.sources.reading import MergedReader

    set_up_logging(verbose=verbose)
    opened = Opened((), source=source, params=params, config=config)
    folder = dataset_folder(name or source.rpartition(":")[2])
    reader = opened.reader()
    assert not isinstance(reader, MergedReader)  # noqa: S101  # one source was named, and no data
    fetching = Fetching(
        folder, reader, name=source, pause=pause, again=again, replace=replace, negative_prices=opened.negative_prices
    )
    wanted = list(dict.fromkeys(filter(None, symbols.split(","))))
    until = time.time_ns() if end is None else end
    done = []
    try:
        for sid in wanted:
            done.append(fetching.fetch(sid, start, until))
            if not as_json:
                _tell(done[-1])
    except KeyboardInterrupt:
        click.echo("interrupted; what has come is kept, and the same command goes on there", err=True)
        raise
    gaps = _gaps(opened, folder, wanted, calendar)
    if as_json:
        rows = [{"sid": each.sid, "new": each.new, "known": each.known, "requests": each.requests} for each in done]
        failures = [each.failure for each in done if each.failure is not None]
        write_json({"name": folder.name, "fetched": rows, "failures": failures, "gaps": gaps, "folder": str(folder)})
        return 1 if failures else 0
    for gap in gaps:
        click.echo(f"gap: {gap.sid} {moment(gap.start)} to {moment(gap.end)}, {counted(gap.count, UNITS[gap.kind])}")
    return _tell_failures(done, source, folder)


def _tell_failures(done: "Sequence[Fetched]", source: str, folder: Path) -> int:
    """Write what could not be fetched, and return the exit code."""
    failed = 0
    for failure in (each.failure for each in done):
        if failure is None:
            continue
        failed = 1
        span = ["--from", moment(failure.start), "--to", moment(failure.end + 10**9 - 1)]
        command = quoted(
            ["intuition", "data", "fetch", "--source", source, "--symbols", failure.sid, *span, "--name", folder.name]
        )
        click.echo(
            f"not fetched: {failure.sid} {moment(failure.start)} to {moment(failure.end)} ({failure.problem}); "
            f"go on by: {command}",
            err=True,
        )
    return failed


def _tell(done: "Fetched") -> None:
    known = f", {done.known:,} there already" if done.known else ""
    click.echo(f"{done.sid}: {counted(done.new, 'event')} new{known}; {counted(done.requests, 'request')}")


def _gaps(opened: Opened, folder: Path, symbols: list[str], calendar: str | None) -> list[Any]:
    """Return the gaps of the symbols against a calendar; none without a calendar or a dataset."""
    from intuition_core.sources.datasets.findings import Examination
    from intuition_core.sources.datasets.places import INDEX
    from intuition_core.sources.datasets.reading import Dataset, DatasetParams

    if calendar is None or not (folder / INDEX).is_file():
        return []
    dataset = Dataset()
    dataset.initialize(DatasetParams(path=str(folder), negative_prices=opened.negative_prices))
    known = tuple(sid for sid in symbols if sid in dataset.index.symbols)
    if not known:
        return []
    dataset.initialize(DatasetParams(path=str(folder), symbols=known, negative_prices=opened.negative_prices))
    examination = Examination(opened.hours(calendar))
    for batch in dataset.batches():
        examination.take(batch)
    return examination.gaps
