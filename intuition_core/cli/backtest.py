"""``intuition backtest``: the same parts on history."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.cli.failures import Failures, Listener
from intuition_core.cli.interruption import interruptible
from intuition_core.cli.monitor import Monitor
from intuition_core.cli.options import (
    Moment,
    config_option,
    engine_maker,
    error_option,
    market_flags,
    market_options,
    trace_option,
    verbose_option,
)

if TYPE_CHECKING:
    from intuition_core.history import History
    from intuition_core.research.execution import Execution
    from intuition_core.research.run import Run
    from intuition_core.research.setup import Setup
    from intuition_core.sources.contents import Content, EarlierRun
    from intuition_core.sources.reading import MergedReader, SourceReader
    from intuition_core.trading.composition import Composition

_MOVED: Final = {"SEED": "setup", "UnknownBenchmark": "execution"}

_SPELLED: Final = {"source.name": "--source"}


def __getattr__(name: str) -> Any:
    """Return a name that is elsewhere now."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from intuition_core.deprecated import names

    return names(__name__, f"intuition_core.research.{_MOVED[name]}", name)


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
@click.option("--seed", type=int, metavar="N", help="Makes every draw repeatable (default 0).")
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
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the whole run, for `load_run` in Python and for --against.",
)
@click.option(
    "--equity",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the equity curve (.csv, .parquet or .jsonl).",
)
@click.option(
    "--trades",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the round trips (.csv, .parquet or .jsonl).",
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
    help="An earlier run, as --json or --save wrote it: other data is refused, and other decisions are told.",
)
@error_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output, and nothing else.")
@click.option("--curve", is_flag=True, help="With --json: the equity curve, too.")
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
        save: Path | None,
        equity: Path | None,
        trades: Path | None,
        curve: bool,
        check_lookahead: bool,
        against: Path | None,
        on_error: str,
        trace: int | None,
        config: Path | None,
        **flags: Any,
    ) -> None:
        from intuition_core.cli.outputs import Outputs
        from intuition_core.research.run import Records
        from intuition_core.research.setup import Span

        if start is not None and end is not None and start >= end:
            raise click.UsageError("--from is not before --to, so that nothing is left")
        if curve and not as_json:
            raise click.UsageError("--curve is a part of what --json writes; give that too, or --equity FILE")
        self._curve = curve
        self._outputs = Outputs(save, equity, trades)
        self._records: Records | None = Records() if self._outputs.keeps_records else None
        self._as_json = as_json
        self._data = data
        self._span = Span(start=start, end=end, symbols=tuple(filter(None, (symbols or "").split(","))))
        self._benchmark = benchmark
        self._report = report
        self._decisions = decisions
        self._check_lookahead = check_lookahead
        self._against = against
        self._hashed = as_json or against is not None or save is not None
        self._failures = Failures(skipping=on_error == "skip")
        self._trace = trace
        self._monitor = Monitor()
        self._setup = _setup(config, params, flags)
        if not data and not self._setup.names_source:
            raise click.UsageError("no data: name a file with --data, or a source with --source")
        self._composition: Composition = self._failures.heeded(self._setup.composition())

    def run(self) -> int:
        """Run, write the results, and return the exit code."""
        from intuition_core.cli.outputs import check_folder
        from intuition_core.research.setup import report_part

        if self._report is not None:
            _check_report(self._report)
        report = report_part(self._setup.catalogue, required=self._report is not None)
        if self._report is not None:
            check_folder(self._report)
        self._outputs.check()
        source = self._open(hashed=self._hashed)
        earlier = self._earlier(source)
        execution, history = self._executed(source)
        contents = execution.check(source, history, hashed=self._hashed)
        if earlier is not None and history.complete:
            earlier.check(contents, ended=True)
            same = "the same" if earlier.decisions_sha256 == execution.decisions_sha256 else "other"
            click.echo(f"{same} decisions on the same data as in {self._against}", err=True)
        run = self._result(execution, history, report, contents, notes=source.told())
        self._show(run, has_report=report is not None)
        self._hint(history, str(source))
        self._outputs.write(run)
        if self._report is not None and report is not None:
            _write_report(report, self._setup.with_sections(history), self._report)
        if not history.complete:
            click.echo(f"interrupted after {history.events:,} events", err=True)
            return 130
        return self._tell_failures(execution, history)

    def _executed(self, source: "SourceReader | MergedReader") -> "tuple[Execution, History]":
        """Run over the events of a source."""
        from intuition_core.cli.observer import CommandObserver
        from intuition_core.research.execution import Execution

        with ExitStack() as stack:
            listen = stack.enter_context(_written(self._decisions)) if self._decisions else None
            if self._records is not None:
                listen = _both(self._records.add, listen)
            stack.enter_context(self._failures.told())
            observer = CommandObserver(self._monitor)
            execution = Execution(
                self._composition,
                self._setup.catalogue,
                benchmark=self._benchmark,
                listen=self._failures.listening(listen),
                engine=self._monitor.maker(engine_maker(self._trace)),
                observer=observer,
            )
            observer.interruption = stack.enter_context(interruptible())
            stack.enter_context(self._monitor.running())
            with _progress(source, quiet=self._as_json or self._trace is not None) as observer.progress:
                execution.take(source)
            history = execution.finish(source)
        for line in source.told():
            click.echo(line, err=True)
        return execution, history

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

    def _result(
        self,
        execution: "Execution",
        history: "History",
        report: Any,
        contents: "Sequence[Content]",
        *,
        notes: "Sequence[str]",
    ) -> "Run":
        """Return the run as programs in Python have it."""
        from intuition_core.research.run import Run

        return Run(
            history,
            execution.decisions_sha256,
            contents=contents,
            records=self._records,
            seconds=execution.seconds,
            notes=notes,
            metrics=report.metrics(history) if report is not None else (),
            sections=self._setup.with_sections,
        )

    def _show(self, run: "Run", *, has_report: bool) -> None:
        """Write the summary, or the JSON object, to standard output."""
        told = run.to_json(curve=self._curve)
        if self._as_json:
            import msgspec

            click.echo(msgspec.json.encode(told).decode())
            return
        from intuition_core.cli.summary import show_summary

        show_summary(run.history, run.metrics.given, told)
        if not has_report:
            click.echo("for more figures and --report: pip install intuition-report", err=True)

    def _hint(self, history: "History", source: str) -> None:
        """Write hints about options that had no effect."""
        if not history.events and history.complete:
            click.echo(f"{source}: no events, or none that --from, --to and --symbols leave", err=True)
        if self._trace is not None and self._trace > history.events:
            click.echo(f"--trace {self._trace}: there were {history.events:,} events only", err=True)

    def _tell_failures(self, execution: "Execution", history: "History") -> int:
        """Write what failed or had no effect in a complete run, and return the exit code."""
        if self._as_json and history.shut_out:
            from intuition_core.cli.summary import advice

            for reason in history.shut_out:  # which the summary tells otherwise
                click.echo(f"{reason}{advice(reason)}", err=True)
        for channel in execution.silent_channels:
            click.echo(f"nothing came on the channel `{channel}`, which a part listens to", err=True)
        self._failures.tell_unquoted(history)
        failed = self._failures.tell()
        if self._check_lookahead:
            return self._look_ahead() or failed
        return failed

    def _open(self, *, end: int | None = None, hashed: bool = False) -> "SourceReader | MergedReader":
        import msgspec

        span = self._span if end is None else msgspec.structs.replace(self._span, end=end)
        return self._setup.open(self._data, span, hashed=hashed)

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


def _setup(config: Path | None, params: tuple[str, ...], flags: Mapping[str, Any]) -> "Setup":
    """Return what the configuration and the flags ask for."""
    from intuition_core.cli.options import key_and_value
    from intuition_core.research.setup import read_setup

    keys = {"algo": "algorithm.name", "portfolio": "portfolio.name", "source": "source.name"}
    given = {**market_flags(own := dict(flags)), **{keys.get(name, name): value for name, value in own.items()}}
    return read_setup(config, flags=given, flat=dict(map(key_and_value, params)), spelled=_SPELLED)


def _check_report(path: Path) -> None:
    """Check, before the run, that the report has a file name that it can be written to.

    Raises:
        UsageError: its ending is not that of an HTML page.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(
            f"--report {path}: a report is a page; name it {path.name.partition('.')[0]}.html, and print that for a PDF"
        )


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


def _both(first: "Listener", second: "Listener | None") -> "Listener":
    """Return a listener that passes records on to two."""

    def listen(records: Sequence[Mapping[str, Any]]) -> None:
        first(records)
        if second is not None:
            second(records)

    return listen


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
