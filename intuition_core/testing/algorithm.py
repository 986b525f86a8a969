"""The contract of algorithms as tests to subclass."""

from typing import ClassVar

from intuition_core.contracts import Signal
from intuition_core.testing.contract import must
from intuition_core.testing.listening import ListeningContract


class AlgorithmContract(ListeningContract):
    """The checks of an algorithm.

    ::

        class TestMyAlgo(AlgorithmContract):
            part = MyAlgo
            params = {"window": 20}
    """

    kind: ClassVar[str] = "algorithm"

    def test_orders_have_time_to_fill(self) -> None:
        """No signal's ``until`` is over when it is given."""
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
