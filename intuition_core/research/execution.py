"""A composition run over the events of a source that is open: what the command and a call from Python share."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from intuition_core.backtest.run import Backtest
from intuition_core.data import Event
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.history import History
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.research.channels import check_channels, silent_channels
from intuition_core.research.quiet import collecting_rarely
from intuition_core.sources.contents import Content
from intuition_core.sources.reading import MergedReader, SourceReader
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import TradingEngine


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


class Observer:
    """An observer of a run: this one does nothing, and lets every exception pass, Ctrl-C among them."""

    @property
    def asked(self) -> bool:
        """Whether the run is asked to end."""
        return False

    def starting(self, composition: Composition) -> AbstractContextManager[None]:  # noqa: ARG002  # others use it
        """Return a context in which the parts are made."""
        return nullcontext()

    def watching(self, engine: TradingEngine) -> AbstractContextManager[None]:  # noqa: ARG002  # others use it
        """Return a context in which an engine takes events."""
        return nullcontext()

    def next(self, batches: Iterator[list[Event]]) -> list[Event] | None:
        """Return the next events; None after the last ones, or where the run is asked to end."""
        return next(batches, None)

    def advance(self, events: int) -> None:
        """Note how many events were taken."""


class Execution:
    """A run of a composition over the events of one source.

    Attributes:
        backtest: the run itself.
        seconds: those of reading events, and those of taking them.

    Args:
        composition: the recipe.
        catalogue: the plugins there are, for hints.
        benchmark: the symbol to compare with; None for equal amounts of all symbols.
        listen: called with the records, in their order, several at a time.
        engine: makes the live parts.
        observer: looks on, and may ask the run to end.

    Raises:
        NobodySends: a part listens to a channel that nobody can send.
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        composition: Composition,
        catalogue: Catalogue,
        *,
        benchmark: str | None = None,
        listen: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
        engine: Callable[..., TradingEngine] = TradingEngine,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Observer()
        self._benchmark = benchmark
        self.seconds = (0.0, 0.0)
        with self._observer.starting(composition):
            self.backtest = Backtest(composition, benchmark=benchmark, listen=listen, engine=engine)
        check_channels(self.backtest.engine, catalogue)

    @property
    def decisions_sha256(self) -> str:
        """The SHA-256 of all decisions so far, in hexadecimal, as each command prints it."""
        return self.backtest.decisions_sha256

    @property
    def silent_channels(self) -> list[str]:
        """The channels that parts listen to and on which no event came."""
        return silent_channels(self.backtest.engine)

    def take(self, source: SourceReader | MergedReader) -> None:
        """Take all events of a source, or those until the observer asks the run to end.

        Raises:
            IntuitionError: the source cannot be read.
            PartFailed: a part failed whose policy is to end the run.
        """
        clock, observer, backtest = time.perf_counter, self._observer, self.backtest
        load_s = run_s = 0.0
        with collecting_rarely():
            batches = source.batches()
            while not observer.asked:
                began = clock()
                batch = observer.next(batches)
                loaded = clock()
                load_s += loaded - began
                if batch is None:
                    break
                with observer.watching(backtest.engine):
                    backtest.take(batch, part=source.progress)
                run_s += clock() - loaded
                observer.advance(len(batch))
                del batch  # freed before the next batch is made, which then reuses memory that is in the cache
        self.seconds = load_s, run_s

    def finish(self, source: SourceReader | MergedReader) -> History:
        """Cancel what can no longer fill, and return what the run came to."""
        with self._observer.watching(self.backtest.engine):
            return self.backtest.finish(source=str(source), complete=not self._observer.asked)

    def check(self, source: SourceReader | MergedReader, history: History, *, hashed: bool) -> Sequence[Content]:
        """Check a run that has ended; return what it read, with hashes where they are wanted.

        Raises:
            DataChanged: a file was written to while it was read.
            UnknownBenchmark: the data has no quote of the benchmark.
        """
        source.check_unchanged()
        contents = source.contents() if hashed else ()
        quoted = self.backtest.engine.ledger.marks
        if history.complete and quoted and self._benchmark is not None and self._benchmark not in quoted:
            raise UnknownBenchmark(self._benchmark, quoted)
        return contents
