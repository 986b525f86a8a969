"""``intuition backtest``: the same parts on history."""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.cli.channels import check_channels, silent_channels
from intuition_core.cli.failures import Failures
from intuition_core.cli.interruption import Interruption, interruptible
from intuition_core.cli.monitor import Monitor
from intuition_core.cli.options import (
    Moment,
    config_option,
    engine_maker,
    error_option,
    market_flags,
    market_options,
    settings_of,
    trace_option,
    verbose_option,
)
from intuition_core.errors import IntuitionError, did_you_mean

if TYPE_CHECKING:
    from intuition_core.backtest.run import Backtest
    from intuition_core.config.loading import Config
    from intuition_core.contracts import Data, Metric
    from intuition_core.history import History
    from intuition_core.plugins.catalogue import Catalogue
    from intuition_core.sources.contents import Content, EarlierRun
    from intuition_core.sources.reading import MergedReader, SourceReader
    from intuition_core.trading.composition import Composition

SEED: Final = 0
"""The seed where none is given: two runs of one command decide the same."""

_SPELLED: Final = {"source.name": "--source"}


class UnknownBenchmark(IntuitionError):
    """A benchmark symbol of which there was no quote."""

    def __init__(self, symbol: str, quoted: Iterable[str]) -> None:
        self.symbol = symbol
        self.quoted = tuple(sorted(quoted))
        some = ", ".join(self.quoted[:10]) + (", …" if len(self.quoted) > 10 else "")
        super().__init__(
            f"--benchmark {symbol}: the data has no quote of it, only of {some or 'nothing'}"
            f"{did_you_mean(symbol, self.quoted)}"
        )


@click.command()
@click.option("--algo", metavar="NAME", help="The algorithm: a plugin's name, or distribution:name.")
@click.option("--portfolio", metavar="NAME", help="The portfolio; `naive` where none is named.")
@click.option(
    "--data", multiple=True, metavar="FILE", help="A file, a folder or an address with events; several are merged."
)
@click.option("--source", metavar="NAME", help="The source that reads it (default: what the data's ending says).")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of a part, of the core, or (source.KEY=VALUE) of the source; repeatable.",
)
@click.option("--cash", metavar="AMOUNT", help="What the account starts with, in its currency (default 10000).")
@click.option("--seed", type=int, metavar="N", help=f"Makes every draw repeatable (default {SEED}).")
@click.option("--from", "start", type=Moment(), help="Leave out what is before this time.")
@click.option("--to", "end", type=Moment(), help="Leave out this time and what is after it.")
@click.option("--symbols", metavar="A,B", help="Only these symbols.")
@market_options
@click.option("--benchmark", metavar="SYMBOL", help="What to compare with (default: equal amounts of all symbols).")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a report (.html)."
)
@click.option(
    "--decisions",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write every record (.jsonl, .csv or .parquet).",
)
@click.option(
    "--check-lookahead",
    is_flag=True,
    help="Run beginnings of the history too, and the rows of each moment in other orders.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An earlier run, as --json wrote it: other data than its own is refused, and other decisions are told.",
)
@error_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output, and nothing else.")
@trace_option
@config_option
@verbose_option
def backtest(*, as_json: bool, verbose: int, **options: Any) -> int:
    """Run an algorithm and a portfolio over recorded events.

    \b
    intuition backtest --algo sma-cross --portfolio fixed --data prices.csv
    intuition backtest --algo sma-cross --source sample --report out.html

    The parts, the account and the fills are those of `intuition serve`. A summary goes to standard output. Ctrl-C ends
    the run and tells what it came to so far (exit code 130); a second one ends it at once.
    """  # noqa: D301  # click's mark is the character, which a raw text would not hold
    from intuition_core.cli.logs import set_up_logging

    set_up_logging(verbose=verbose)
    return _Command(as_json=as_json, **options).run()


_SHOWN: Final = 5
"""How many of the fills with impossible prices are shown."""


class _Command:
    """One run of the command."""

    def __init__(
        self,
        *,
        as_json: bool,
        data: tuple[str, ...],
        params: tuple[str, ...],
        start: int | None,
        end: int | None,
        symbols: str | None,
        benchmark: str | None,
        report: Path | None,
        decisions: Path | None,
        check_lookahead: bool,
        against: Path | None,
        on_error: str,
        trace: int | None,
        config: Path | None,
        **flags: Any,
    ) -> None:
        from intuition_core.config.compose import compose
        from intuition_core.config.editing import settle
        from intuition_core.plugins.catalogue import discover

        if start is not None and end is not None and start >= end:
            raise click.UsageError("--from is not before --to, so that nothing is left")
        self._as_json = as_json
        self._data = data
        self._span = (start, end)
        self._symbols = tuple(filter(None, (symbols or "").split(",")))
        self._benchmark = benchmark
        self._report = report
        self._decisions = decisions
        self._check_lookahead = check_lookahead
        self._against = against
        self._hashed = as_json or against is not None
        self._failures = Failures(skipping=on_error == "skip")
        self._trace = trace
        self._monitor = Monitor()
        settings, self._source_params = _settings(config, params, flags)
        self._catalogue: Catalogue = discover(blocked=settings.values.plugins.blocked)
        self._settings: Config = settle(settings, self._catalogue, seed=SEED)
        if not data and self._settings.values.source.name is None:
            raise click.UsageError("no data: name a file with --data, or a source with --source")
        self._composition: Composition = self._failures.heeded(compose(self._settings, self._catalogue))

    def run(self) -> int:
        """Run, write the results, and return the exit code."""
        if self._report is not None:
            _check_report(self._report)
        report = _report_part(self._catalogue, required=self._report is not None)
        if self._report is not None:
            _check_folder(self._report)
        source = self._open(hashed=self._hashed)
        earlier = self._earlier(source)
        backtest, history, seconds = self._measured(source)
        source.check_unchanged()
        contents = source.contents() if self._hashed else ()
        quoted = backtest.engine.ledger.marks
        if history.complete and quoted and self._benchmark is not None and self._benchmark not in quoted:
            raise UnknownBenchmark(self._benchmark, quoted)
        if earlier is not None and history.complete:
            earlier.check(contents, ended=True)
            same = "the same" if earlier.decisions_sha256 == backtest.decisions_sha256 else "other"
            click.echo(f"{same} decisions on the same data as in {self._against}", err=True)
        self._show(history, report, seconds, backtest.decisions_sha256, contents)
        self._hint(history, str(source))
        if self._report is not None and report is not None:
            _write_report(report, self._with_sections(history), self._report)
        if not history.complete:
            click.echo(f"interrupted after {history.events:,} events", err=True)
            return 130
        return self._tell_failures(backtest, history)

    def _measured(self, source: "SourceReader | MergedReader") -> "tuple[Backtest, History, tuple[float, float]]":
        """Run over the events of a source; the seconds are those of reading and those of running."""
        from intuition_core.backtest.run import Backtest

        with ExitStack() as stack:
            listen = stack.enter_context(_written(self._decisions)) if self._decisions else None
            stack.enter_context(self._failures.told())
            monitor = self._monitor
            with monitor.starting(self._composition):
                backtest = Backtest(
                    self._composition,
                    benchmark=self._benchmark,
                    listen=self._failures.listening(listen),
                    engine=monitor.maker(engine_maker(self._trace)),
                )
            check_channels(backtest.engine, self._catalogue)
            interruption = stack.enter_context(interruptible())
            stack.enter_context(monitor.running())
            seconds = self._run(backtest, source, interruption)
            complete = not interruption.asked
            with monitor.watching(backtest.engine):
                history = backtest.finish(source=str(source), complete=complete)
        for line in source.told():
            click.echo(line, err=True)
        return backtest, history, seconds

    def _earlier(self, source: "SourceReader | MergedReader") -> "EarlierRun | None":
        """Return the run of `--against`; None where it is not given.

        Raises:
            NoRun: the file holds no run.
            OtherData: it read other data, as far as that is known before this one.
        """
        if self._against is None:
            return None
        from intuition_core.sources.contents import EarlierRun

        earlier = EarlierRun(self._against)
        earlier.check(source.contents(), ended=False)
        return earlier

    def _show(
        self,
        history: "History",
        report: Any,
        seconds: tuple[float, float],
        sha256: str,
        contents: "Sequence[Content]",
    ) -> None:
        """Write the summary, or the JSON object, to standard output."""
        metrics = report.metrics(history) if report is not None else ()
        told = _told(history, metrics, load_s=seconds[0], run_s=seconds[1], sha256=sha256)
        told["data"] = [content.to_json() for content in contents]
        if self._as_json:
            import msgspec

            click.echo(msgspec.json.encode(told).decode())
            return
        from intuition_core.cli.summary import show_summary

        show_summary(history, metrics, told)
        if report is None:
            click.echo("for more figures and --report: pip install intuition-report", err=True)

    def _hint(self, history: "History", source: str) -> None:
        """Write hints about options that had no effect."""
        if not history.events and history.complete:
            click.echo(f"{source}: no events, or none that --from, --to and --symbols leave", err=True)
        if self._trace is not None and self._trace > history.events:
            click.echo(f"--trace {self._trace}: there were {history.events:,} events only", err=True)

    def _tell_failures(self, backtest: "Backtest", history: "History") -> int:
        """Write what failed or had no effect in a complete run, and return the exit code."""
        if self._as_json and history.shut_out:
            from intuition_core.cli.summary import advice

            for reason in history.shut_out:  # which the summary tells otherwise
                click.echo(f"{reason}{advice(reason)}", err=True)
        for channel in silent_channels(backtest.engine):
            click.echo(f"nothing came on the channel `{channel}`, which a part listens to", err=True)
        self._failures.tell_unquoted(history)
        failed = self._failures.tell()
        if self._check_lookahead:
            return self._look_ahead() or failed
        return failed

    def _with_sections(self, history: "History") -> "History":
        """Return the history with the sections that enabled hook plugins add to the report."""
        if not self._settings.values.hooks.enabled:
            return history
        import msgspec

        from intuition_core.config.compose import hook_plugins
        from intuition_core.plugins.hooks import Hooks

        hooks = Hooks("backtest", hook_plugins(self._settings, self._catalogue))
        return msgspec.structs.replace(history, sections=hooks.report_sections(history))

    def _open(self, *, end: int | None = None, hashed: bool = False) -> "SourceReader | MergedReader":
        from intuition_core.config.compose import located
        from intuition_core.sources.opening import open_source

        table = self._settings.values.source
        with located(self._settings, "source.params"):
            return open_source(
                self._catalogue,
                table.name,
                data=self._data,
                params={**table.params, **self._source_params},
                start=self._span[0],
                end=end if end is not None else self._span[1],
                symbols=self._symbols,
                negative_prices=self._settings.values.negative_prices,
                beside=self._settings.origins.get("source.name") == "--source",
                hashed=hashed,
            )

    def _run(
        self, backtest: "Backtest", source: "SourceReader | MergedReader", interruption: Interruption
    ) -> tuple[float, float]:
        """Run all events, and return the seconds of reading and of running."""
        clock = time.perf_counter
        load_s = run_s = 0.0
        gc.collect()
        gc.freeze()  # what is there by now stays; looking at it again and again finds nothing
        gc.set_threshold(50_000, 20, 20)
        with _progress(source, quiet=self._as_json or self._trace is not None) as advance:
            batches = source.batches()
            while not interruption.asked:
                began = clock()
                batch: list[Data] | None = interruption.unless_asked(partial(next, batches, None))
                loaded = clock()
                load_s += loaded - began
                if batch is None:
                    break
                with self._monitor.watching(backtest.engine):
                    backtest.take(batch, part=source.progress)
                run_s += clock() - loaded
                advance(len(batch))
                del batch  # so that the next one is made where it was, in memory that is near
        return load_s, run_s

    def _look_ahead(self) -> int:
        from intuition_core.backtest.lookahead import check
        from intuition_core.backtest.rows import check_rows
        from intuition_core.trading.engine import TradingEngine

        maker, read = self._monitor.maker(TradingEngine), self._monitor.read
        with self._failures.told(), self._monitor.starting(self._composition):  # the run itself has told them
            findings = check(self._composition, lambda end: read(self._open(end=end).batches()), engine=maker)
            others, misplaced = check_rows(self._composition, lambda: read(self._open().batches()), engine=maker)
        for finding in findings:
            click.echo(f"look-ahead: {finding}", err=True)
        for fill in misplaced[:_SHOWN]:
            click.echo(f"look-ahead: {fill}", err=True)
        if len(misplaced) > _SHOWN:
            click.echo(f"look-ahead: {len(misplaced) - _SHOWN:,} more fills like these", err=True)
        for other in others:
            click.echo(f"the order of rows matters: {other}", err=True)
        if not findings and not misplaced:
            click.echo(
                "no look-ahead found: beginnings of the history decide as the whole does, and each fill has a price "
                "that was traded after its decision"
                + ("" if others else "; the rows of one moment may come in any order")
                + ". What a part reads by itself, such as the file, is not seen",
                err=True,
            )
        return 1 if findings or misplaced else 0


def _settings(
    config: Path | None, params: tuple[str, ...], flags: Mapping[str, Any]
) -> "tuple[Config, dict[str, Any]]":
    """Return the configuration, and the parameters of the source."""
    from intuition_core.cli.options import key_and_value
    from intuition_core.config.diagnosis import read_config

    flat = dict(map(key_and_value, params))
    source = {key.removeprefix("source."): flat.pop(key) for key in list(flat) if key.startswith("source.")}
    keys = {"algo": "algorithm.name", "portfolio": "portfolio.name", "source": "source.name"}
    given = {**market_flags(own := dict(flags)), **{keys.get(name, name): value for name, value in own.items()}}
    settings, flat = settings_of(flat)
    spelled = {**_SPELLED, **{key: f"--param {key}" for key in settings}}
    return read_config(config, flags={**given, **settings}, flat=flat, spelled=spelled), source


def _report_part(catalogue: "Catalogue", *, required: bool) -> Any:
    """Return the report that is installed; None where none is, and none is required."""
    reports = [plugin for plugin in catalogue.plugins if plugin.kind == "report" and plugin.status == "available"]
    if not reports and not required:
        return None
    factory: Any = catalogue.load("report", reports[0].ref if len(reports) == 1 else "html")
    return factory()


def _check_report(path: Path) -> None:
    """Check, before the run, that the report has a file name that it can be written to.

    Raises:
        UsageError: its ending is not that of an HTML page.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(
            f"--report {path}: a report is a page; name it {path.name.partition('.')[0]}.html, and print that for a PDF"
        )


def _check_folder(path: Path) -> None:
    """Check, before the run, that the folder of the report exists.

    Raises:
        CannotWrite: there is no such folder.
    """
    from intuition_core.cli.tables import CannotWrite

    if not path.absolute().parent.is_dir():
        raise CannotWrite(path, "there is no such folder")


def _write_report(report: Any, history: "History", path: Path) -> None:
    from intuition_core.cli.tables import CannotWrite

    try:
        report.write(history, path)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from None
    click.echo(f"report written to {path}", err=True)


@contextmanager
def _written(path: Path) -> "Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]":
    """Open the file for the records; the value is called with them."""
    from intuition_core.cli.tables import RECORD_COLUMNS, format_of, open_table

    with open_table(format_of(path), path, RECORD_COLUMNS) as table:
        yield table.add


def _told(
    history: "History", metrics: "Sequence[Metric]", *, load_s: float, run_s: float, sha256: str
) -> dict[str, Any]:
    return {
        "events": history.events,
        "run_s": round(run_s, 6),
        "events_per_s": round(history.events / run_s, 1) if run_s else None,
        "load_s": round(load_s, 6),
        "fills": history.counts.get("fill", 0),
        "orders": history.counts.get("decision", 0),
        "final_equity": history.statement["equity"],
        "cash": history.statement["cash"],
        "positions": history.statement["positions"],
        "metrics": {metric.name: metric.to_json() for metric in metrics},
        "decisions_sha256": sha256,
    }


@contextmanager
def _progress(source: "SourceReader | MergedReader", *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress on a terminal; the value is called with each batch."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from intuition_core.cli.screen import console

    columns = (
        TextColumn("{task.fields[events]:>12,} events"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:>10,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, events=0, rate=0.0)
        began = time.monotonic()
        count = 0

        def advance(events: int) -> None:
            nonlocal count
            count += events
            part = source.progress
            rate = count / max(time.monotonic() - began, 1e-9)
            total = None if part is None else 1.0
            progress.update(task, total=total, completed=part or 0.0, events=count, rate=rate)

        yield advance
