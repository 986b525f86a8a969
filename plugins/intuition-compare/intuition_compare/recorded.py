"""Variants on recorded events: read once, run side by side, told as a table, as JSON and as a picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from intuition_compare.comparison import Comparison, Drawing, compared
from intuition_compare.picture import check_picture, draw
from intuition_compare.runs import Backtests
from intuition_compare.telling import tell
from intuition_compare.variants import combined, on_history
from intuition_core.cli.failures import Failures
from intuition_core.cli.interruption import Interruption, interruptible
from intuition_core.cli.monitor import Monitor
from intuition_core.cli.options import blocked_plugins, key_and_value, settings_of
from intuition_core.config.compose import located
from intuition_core.plugins.catalogue import discover
from intuition_core.sources.opening import open_source
from intuition_core.sources.reading import MergedReader, SourceReader

SEED: Final = 0
"""The seed where none is given, as for a backtest."""

_SPELLED: Final = {"source.name": "--source"}


def compare_history(
    *,
    portfolio: str | None,
    algo: str | None,
    vary: Sequence[str],
    data: Sequence[str],
    source: str | None,
    params: Sequence[str],
    cash: str | None,
    seed: int | None,
    start: int | None,
    end: int | None,
    symbols: str | None,
    level: float,
    replications: int,
    picture: Path | None,
    as_json: bool,
    config: Path | None,
    market: Mapping[str, str | None],
    on_error: str,
) -> int:
    """Compare variants on recorded events, and give the exit code.

    Raises:
        IntuitionError: what was asked for makes no sense, or cannot be run.
    """
    if start is not None and end is not None and start >= end:
        raise click.UsageError("--from is not before --to, so that nothing is left")
    check_picture(picture)
    given = dict(map(key_and_value, params))
    for_source = {key.removeprefix("source."): given.pop(key) for key in list(given) if key.startswith("source.")}
    settings, given = settings_of(given)
    failures = Failures(skipping=on_error == "skip")
    catalogue = discover(blocked=blocked_plugins(config))
    variants, settled = on_history(
        combined(portfolio=portfolio, algo=algo, vary=vary),
        catalogue=catalogue,
        file=config,
        flags={"source.name": source, "cash": cash, "seed": seed, **market, **settings},
        flat=given,
        spelled={**_SPELLED, **{key: f"--param {key}" for key in settings}},
        seed=SEED,
    )
    values = settled.values
    if not data and values.source.name is None:
        raise click.UsageError("no data: name a file with --data, a source with --source, or a session with --session")
    with located(settled, "source.params"):
        opened = open_source(
            catalogue,
            values.source.name,
            data=data,
            params={**values.source.params, **for_source},
            start=start,
            end=end,
            symbols=tuple(filter(None, (symbols or "").split(","))),
            negative_prices=values.negative_prices,
            beside=settled.origins.get("source.name") == "--source",
        )
    drawing = Drawing(level, replications, SEED if values.seed is None else values.seed)
    variants = [variant._replace(composition=failures.heeded(variant.composition)) for variant in variants]
    monitor = Monitor()
    with failures.told():
        backtests = Backtests(variants, monitor=monitor, failures=failures, catalogue=catalogue)
        with interruptible() as interruption, monitor.running():
            comparison = _run(backtests, opened, drawing, interruption)
    tell(comparison, as_json=as_json)
    draw(comparison, picture)
    if interruption.asked:
        click.echo(f"interrupted after {comparison.history.events:,} events", err=True)
        return 130
    if not comparison.history.events:
        click.echo(f"{opened}: no events, or none that --from, --to and --symbols leave", err=True)
    failures.tell_unquoted(comparison.history)
    return failures.tell()


def _run(
    backtests: Backtests, opened: SourceReader | MergedReader, drawing: Drawing, interruption: Interruption
) -> Comparison:
    batches = opened.batches()
    while not interruption.asked:
        batch = interruption.unless_asked(partial(next, batches, None))  # a source may take its time
        if batch is None:
            break
        backtests.take(batch, part=opened.progress)
    return compared(backtests.finish(source=str(opened), complete=not interruption.asked), drawing)
