"""A composition on recorded events, shown to the process in front that looks after its parts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from intuition_core.backtest.run import Backtest
from intuition_core.cli.monitor import Monitor
from intuition_core.contracts import Data
from intuition_core.history import History
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.research.channels import check_channels
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import TradingEngine


class RecordedRun:
    """A run of a composition over recorded events.

    Args:
        composition: the recipe.
        listen: called with the records, in their order, several at a time.
        monitor: shows the parts to the process in front; None where nothing looks after them.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        composition: Composition,
        *,
        listen: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self._monitor = monitor if monitor is not None else Monitor()
        with self._monitor.starting(composition):
            self._backtest = Backtest(composition, listen=listen, engine=self._monitor.maker(TradingEngine))

    @property
    def decisions_sha256(self) -> str:
        """The SHA-256 of all decisions so far, in hexadecimal, as each command prints it."""
        return self._backtest.decisions_sha256

    def check_channels(self, catalogue: Catalogue) -> None:
        """Refuse channels that parts listen to and that nobody can send.

        Args:
            catalogue: the plugins there are, for the hint.

        Raises:
            NobodySends: there is such a channel.
        """
        check_channels(self._backtest.engine, catalogue)

    def take(self, events: Sequence[Data], *, part: float | None = None) -> None:
        """Take the next events.

        Args:
            events: in the order of their ``ts``, none earlier than the last one taken; parts may change them.
            part: the share of all events that has been given with these, from 0 to 1; None where it is not known.

        Raises:
            PartFailed: a part failed whose policy is to end the run.
        """
        with self._monitor.watching(self._backtest.engine):
            self._backtest.take(events, part=part)

    def finish(self, *, source: str, complete: bool = True) -> History:
        """Cancel the open orders and return the course of the account and its trades.

        Args:
            source: a short text for people that names the origin of the events.
            complete: whether all events were taken.
        """
        with self._monitor.watching(self._backtest.engine):
            return self._backtest.finish(source=source, complete=complete)
