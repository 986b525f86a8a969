"""``intuition compare``: variants side by side on the same events."""

from pathlib import Path
from typing import Any

import click

from intuition_core.commands import (
    Moment,
    config_option,
    error_option,
    market_flags,
    market_options,
    verbose_option,
)


@click.command()
@click.option("--portfolio", metavar="A,B,…", help="The portfolios to compare.")
@click.option("--algo", metavar="A,B,…", help="The algorithm; several are compared.")
@click.option("--vary", multiple=True, metavar="KEY=1,2,…", help="A parameter, and the values to compare; repeatable.")
@click.option(
    "--data",
    multiple=True,
    metavar="FILE",
    help="A file, a folder or an address with events; several are merged by time.",
)
@click.option("--source", metavar="NAME", help="The source that reads it (default: what the data's ending says).")
@click.option("--session", metavar="NAME", help="Compare with this session, on the events that it has taken.")
@click.option("--follow", is_flag=True, help="With --session: go on as it takes more, until Ctrl-C.")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the parts that take it, of the core, or (source.KEY=VALUE) of the source; repeatable.",
)
@market_options
@error_option
@click.option("--cash", metavar="AMOUNT", help="What each account starts with, in its currency (default 10000).")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Makes every draw repeatable (default 0); with --session, those of the intervals.",
)
@click.option("--from", "start", type=Moment(), help="Leave out what is before this time.")
@click.option("--to", "end", type=Moment(), help="Leave out this time and what is after it.")
@click.option("--symbols", metavar="A,B", help="Only these symbols.")
@click.option(
    "--level",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="How often such intervals are to hold the true difference.",
)
@click.option(
    "--replications",
    type=click.IntRange(100, 1_000_000),
    default=2000,
    show_default=True,
    help="How often the days are drawn anew for the intervals.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the equity of all variants and the differences (.png, .svg or .html).",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An earlier backtest or comparison, as --json wrote it: other data than its own is refused.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output, and nothing else.")
@config_option
@verbose_option
def compare(*, verbose: int, session: str | None, follow: bool, **options: Any) -> int:
    """Run variants of a composition over the same events, side by side.

    \b
    intuition compare --portfolio naive,kelly,fixed --algo sma-cross --data prices.csv
    intuition compare --vary portfolio.fraction=0.1,0.2,0.5 --portfolio fixed --algo sma-cross --source sample
    intuition compare --session first --portfolio naive,kelly --follow

    Each variant has parts and an account of its own, and decides what `intuition backtest` decides. The differences to
    the first variant come with intervals from a block bootstrap. With --session, the session itself is the first: it is
    only read, whether it runs or not.
    """  # noqa: D301  # click's mark is the character, which a raw text would not hold
    from intuition_core.commands import set_up_logging

    set_up_logging(verbose=verbose)
    market = market_flags(options)
    if session is not None:
        from intuition_compare.live import compare_session

        if given := [key for key, value in market.items() if value is not None]:
            raise click.UsageError(f"`{given[0]}` of a session is what it is; it can be given on history alone")
        if options.pop("against") is not None:
            raise click.UsageError("--against is for recorded data; a session has its own events")
        options.pop("on_error")
        return compare_session(session, follow=follow, **options)
    if follow:
        raise click.UsageError("--follow goes on with a session: name it with --session")
    from intuition_compare.recorded import compare_history

    return compare_history(market=market, **options)
