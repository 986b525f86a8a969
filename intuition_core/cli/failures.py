"""What goes wrong in runs over history: parts, whose first failure ends a run or is counted, and what is not booked."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click
import msgspec

from intuition_core.errors import did_you_mean
from intuition_core.research.quiet import failures_counted
from intuition_core.trading.records import refuses_an_event

if TYPE_CHECKING:
    from intuition_core.history import History
    from intuition_core.trading.composition import Composition

_NAMED: Final = 5
"""How many symbols without a quote are named."""

Listener: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], None]


class Failures:
    """The failures of parts in a run, and the splits, dividends and rates that were not booked.

    Args:
        skipping: whether the run goes on after a failure, without the part's say in that event.
    """

    def __init__(self, *, skipping: bool) -> None:
        self._skipping = skipping
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[int, str]] = {}

    def heeded(self, composition: "Composition") -> "Composition":
        """Return the composition with the policy that `--on-error` asks for."""
        if self._skipping:
            return composition
        return composition.mapped(lambda part: msgspec.structs.replace(part, policy="raise"))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Keep single failures out of the log in the block, since `tell` writes them by kind."""
        with failures_counted():
            yield

    def listening(self, listen: Listener | None) -> Listener:
        """Return a listener that counts failures and passes records on to ``listen``."""

        def told(records: Sequence[Mapping[str, Any]]) -> None:
            for record in records:
                if record["type"] == "error":
                    self._count(record)
                elif record["type"] == "rejection" and refuses_an_event(record):
                    reason = f"not booked: {record['reason']}"
                    self._counts[reason] += 1
                    self._first.setdefault(reason, (record["seq"], f"symbol {record['sid']}"))
            if listen is not None:
                listen(records)

        return told

    def _count(self, record: Mapping[str, Any]) -> None:
        what, _, message = record["problem"].partition(": ")
        kind, _, message = message.partition(": ")
        key = f"{what}: {kind}"
        self._counts[key] += 1
        self._first.setdefault(key, (record["seq"], message))

    @staticmethod
    def tell_unquoted(history: "History") -> None:
        """Write which splits and dividends were of symbols that were never quoted."""
        for sid, count in itertools.islice(history.unquoted.items(), _NAMED):
            what = "a split or dividend" if count == 1 else f"{count:,} splits and dividends"
            click.echo(f"{what} of {sid}, which was never quoted{did_you_mean(sid, history.priced)}", err=True)
        if (more := len(history.unquoted) - _NAMED) > 0:
            click.echo(f"splits and dividends of {more:,} more symbols that were never quoted", err=True)

    def tell(self) -> int:
        """Write each kind of failure with its count, and return the exit code."""
        for key, count in self._counts.most_common():
            seq, message = self._first[key]
            times = "once" if count == 1 else f"{count:,} times, first"
            click.echo(f"{key}: {message} ({times} at event {seq})", err=True)
        return 1 if self._counts else 0
