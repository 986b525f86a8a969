"""The contract of algorithms as tests to subclass."""

from typing import ClassVar

from intuition_core.backtest.rows import check_rows
from intuition_core.contracts import Signal
from intuition_core.params.checking import check_params
from intuition_core.testing.contract import SEED, must, skip
from intuition_core.testing.listening import ListeningContract
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.naive import Naive


class AlgorithmContract(ListeningContract):
    """The checks of an algorithm.

    ::

        class TestMyAlgo(AlgorithmContract):
            part = MyAlgo
            params = {"window": 20}
    """

    kind: ClassVar[str] = "algorithm"

    def test_orders_have_time_to_fill(self) -> None:
        """Signals end after the event at which they are given: ``until`` is later than its ``ts``."""
        made = self.make()
        for number, event in enumerate(self.questions()):
            for answer in self._read(self._answered(made, number, event), number, event):
                if isinstance(answer, Signal) and type(answer.until) is int:
                    must(
                        answer.until > event["ts"],
                        f"to {self.named(number, event)} it answers with a signal until {answer.until}, which is not"
                        f" after the event's own `ts` of {event['ts']}: `until` is a time, not a span, in nanoseconds"
                        " UTC, such as `data['ts'] + 3_600_000_000_000` for an hour",
                    )

    def test_rows_of_one_moment_in_any_order(self) -> None:
        """With the rows of each moment reversed and shuffled, it comes to the same; each fill has a price it may."""
        algorithm = Part(kind="algorithm", name="under-test", factory=self.factory, params=self.parameters())
        naive = Part(kind="portfolio", name="naive", factory=Naive, params=check_params("portfolio naive", Naive, {}))
        recipe = Composition(sleeves=(Sleeve(algorithm=algorithm, portfolio=naive),), seed=SEED)
        others, misplaced = check_rows(recipe, lambda: [self.questions()])
        must(not misplaced, f"an order is filled at a price from before it was decided: {', '.join(misplaced[:1])}")
        if others:
            skip(f"the order of rows matters: {others[0]}; targets and timers do not depend on it")
