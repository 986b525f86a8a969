"""``intuition compare`` on recorded events: read once, and run through all variants side by side."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from intuition_compare.comparison import Comparison, Drawing, compared
from intuition_compare.picture import check_picture, draw
from intuition_compare.runs import Backtests
from intuition_compare.telling import tell
from intuition_compare.variants import Variant, combined, on_history
from intuition_core.commands import (
    Failures,
    Monitor,
    blocked_plugins,
    interruptible,
    key_and_value,
    settings_of,
)
from intuition_core.runs import (
    Catalogue,
    Config,
    EarlierRun,
    MergedReader,
    SourceReader,
    discover,
    located,
    open_source,
)

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
    against: Path | None,
    as_json: bool,
    config: Path | None,
    market: Mapping[str, str | None],
    on_error: str,
) -> int:
    """Compare variants on recorded events, and return the exit code.

    Raises:
        IntuitionError: what was asked for makes no sense, or cannot be run.
    """
    if start is not None and end is not None and start >= end:
        raise click.UsageError("--from is not before --to, so that nothing is left")
    check_picture(picture)
    given = dict(map(key_and_value, params))
    for_source = {key.removeprefix("source."): given.pop(key) for key in list(given) if key.startswith("source.")}
    settings, given = settings_of(given)
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
    if not data and settled.values.source.name is None:
        raise click.UsageError("no data: name a file with --data, a source with --source, or a session with --session")
    span = {"start": start, "end": end, "symbols": tuple(filter(None, (symbols or "").split(",")))}
    hashed = as_json or against is not None
    opened = _open(settled, catalogue, data=data, params=for_source, hashed=hashed, **span)
    drawing = Drawing(level, replications, SEED if settled.values.seed is None else settled.values.seed)
    failures = Failures(skipping=on_error == "skip")
    earlier = _earlier(against, opened)
    comparison, interrupted = _run(variants, opened, drawing, failures=failures, catalogue=catalogue)
    opened.check_unchanged()
    contents = opened.contents() if hashed else ()
    if earlier and not interrupted:
        earlier.check(contents, ended=True)
    click.echo("".join(f"{line}\n" for line in opened.told()), nl=False, err=True)
    tell(comparison, as_json=as_json, data=[content.to_json() for content in contents])
    draw(comparison, picture)
    return _exit_code(comparison, opened, failures, interrupted=interrupted)


def _earlier(against: Path | None, opened: SourceReader | MergedReader) -> EarlierRun | None:
    """Return the earlier run whose data is to be read; None where none is named.

    Raises:
        NoRun: the file holds no run.
        OtherData: it read other data, as far as that is known by now.
    """
    if against is None:
        return None
    earlier = EarlierRun(against)
    earlier.check(opened.contents(), ended=False)
    return earlier


def _open(
    config: Config, catalogue: Catalogue, *, data: Sequence[str], params: Mapping[str, Any], **wanted: Any
) -> SourceReader | MergedReader:
    """Open the configured source of the events.

    Raises:
        IntuitionError: it is unknown, does not take its parameters, or cannot read the data.
    """
    values = config.values
    with located(config, "source.params"):
        return open_source(
            catalogue,
            values.source.name,
            data=data,
            params={**values.source.params, **params},
            negative_prices=values.negative_prices,
            beside=config.origins.get("source.name") == "--source",
            **wanted,
        )


def _run(
    variants: Sequence[Variant],
    opened: SourceReader | MergedReader,
    drawing: Drawing,
    *,
    failures: Failures,
    catalogue: Catalogue,
) -> tuple[Comparison, bool]:
    """Run all variants over the events of a source; return the comparison, and whether Ctrl-C ended it.

    Raises:
        IntuitionError: the source cannot be read, or a part failed whose policy is to end the run.
    """
    variants = [variant._replace(composition=failures.heeded(variant.composition)) for variant in variants]
    monitor = Monitor()
    with failures.told():
        backtests = Backtests(variants, monitor=monitor, failures=failures, catalogue=catalogue)
        with interruptible() as interruption, monitor.running():
            batches = opened.batches()
            while not interruption.asked:
                batch = interruption.unless_asked(partial(next, batches, None))  # a source may take its time
                if batch is None:
                    break
                backtests.take(batch, part=opened.progress)
            runs = backtests.finish(source=str(opened), complete=not interruption.asked)
            return compared(runs, drawing), interruption.asked


def _exit_code(
    comparison: Comparison, opened: SourceReader | MergedReader, failures: Failures, *, interrupted: bool
) -> int:
    """Tell what kept the comparison from being whole, and return the exit code."""
    if interrupted:
        click.echo(f"interrupted after {comparison.history.events:,} events", err=True)
        return 130
    if not comparison.history.events:
        click.echo(f"{opened}: no events, or none that --from, --to and --symbols leave", err=True)
    failures.tell_unquoted(comparison.history)
    return failures.tell()
