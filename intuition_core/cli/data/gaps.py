"""``intuition data gaps``: what a dataset lacks."""

from pathlib import Path

import click

from intuition_core.cli.data.mending import UNITS, mend, moment
from intuition_core.cli.data.opened import Opened, counted, write_json
from intuition_core.cli.options import config_option, verbose_option


@click.command()
@click.argument("name")
@click.option(
    "--calendar", metavar="NAME", required=True, help="The exchange whose sessions count, such as XNYS, or 24/7."
)
@click.option("--symbols", metavar="A,B", help="Only these symbols.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array.")
@config_option
@verbose_option
def gaps(*, name: str, calendar: str, symbols: str | None, as_json: bool, config: Path | None, verbose: int) -> int:
    """List the sessions for which a dataset has no events, and the stretches within one that its bars do not cover.

    NAME is a dataset, or a file. What is before the first event of a symbol and after its last is no gap. The exit code
    is 1 where there are gaps.
    """
    from intuition_core.cli.logs import set_up_logging
    from intuition_core.sources.datasets.findings import Examination
    from intuition_core.sources.datasets.index import read_index
    from intuition_core.sources.datasets.places import look_up

    set_up_logging(verbose=verbose)
    opened = Opened((name,), source=None, params=(), symbols=symbols, config=config)
    examination = Examination(opened.hours(calendar))
    for batch in opened.reader().batches():
        examination.take(batch)
    found = examination.gaps
    if as_json:
        write_json(found)
        return 1 if found else 0
    for gap in found:
        click.echo(f"{gap.sid} {moment(gap.start)} to {moment(gap.end)}: {counted(gap.count, UNITS[gap.kind])}")
    if not found:
        click.echo(f"{name}: no gaps against {calendar}", err=True)
        return 0
    folder = look_up(name)
    finding = next(each for each in examination.findings() if each.kind == "gaps")
    command = mend(finding, (name,), (), None if folder is None else read_index(folder))
    click.echo(f"mend: {command}", err=True)
    return 1
