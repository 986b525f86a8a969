"""The base of the contracts of parts that are asked once, when a session starts."""

import inspect
from typing import ClassVar

from intuition_core.testing.contract import Contract, must, skip
from intuition_core.testing.effects import Effect, observed


class StartingContract(Contract):
    """Checks of a part that is asked once, before anything runs.

    Attributes:
        asked: the method that it is asked by, set by the contract.
    """

    asked: ClassVar[str]

    def test_initialize_takes_parameters_alone(self) -> None:
        """`initialize` takes parameters and no context: there is no account yet."""
        initialize = getattr(self.factory(), "initialize", None)
        if initialize is None:
            skip("it has no `initialize`, so it takes no parameters")
        try:
            inspect.signature(initialize).bind(None)
        except TypeError as error:
            raise AssertionError(
                f"`initialize` cannot be called with the parameters alone ({error}): define `initialize(self, params)`"
            ) from None

    def _without(self, effect: Effect, advice: str) -> None:
        self.exercise(self.make())  # what is imported when first needed may read the clock
        with observed(getattr(self.factory, "__module__", "")) as calls:
            self.exercise(self.make())
        found = list(dict.fromkeys(str(call) for call in calls if call.effect == effect))
        must(not found, f"the {self.kind} part calls {', '.join(found[:3])}: {advice}")
