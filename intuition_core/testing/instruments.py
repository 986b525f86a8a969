"""The contract of tables of instruments as tests to subclass."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from intuition_core.account.instruments import read_instruments
from intuition_core.errors import IntuitionError
from intuition_core.testing.contract import Made, must, skip
from intuition_core.testing.starting import StartingContract

_SURE: Final = 15
"""The significant digits that a float of Python's has in any case; more of them are its rounding."""


class InstrumentsContract(StartingContract):
    """The checks of a table of instruments.

    ::

        class TestMyInstruments(InstrumentsContract):
            part = MyInstruments
    """

    kind: ClassVar[str] = "instruments"
    asked: ClassVar[str] = "instruments"

    def rows(self) -> list[Mapping[str, Any]]:
        """Return the rows of a new part.

        Raises:
            AssertionError: the part raises, or gives something else.
        """
        live = self.make().live
        try:
            given = list(live.instruments())
        except Exception as error:
            raise AssertionError(
                f"`instruments()` raised {type(error).__name__}: {error}; give an iterable of rows"
            ) from error
        for number, row in enumerate(given, 1):
            must(
                isinstance(row, Mapping),
                f'row {number} is {row!r:.60}: give a mapping, such as {{"symbol": "ESZ6", "tick": "0.25"}}',
            )
        return given

    def exercise(self, made: Made) -> None:
        """Read all rows."""
        for _ in made.live.instruments():
            pass

    # -- the checks

    def test_rows_can_be_read(self) -> None:
        """Each row has a symbol of its own and fields that can be read; there are some."""
        rows = self.rows()
        try:
            read_instruments((f"row {number}", row) for number, row in enumerate(rows, 1))
        except IntuitionError as error:
            raise AssertionError(str(error)) from None
        must(bool(rows), "it gives no instruments: set `params` to some that it has instruments for")

    def test_numbers_are_exact(self) -> None:
        """Lots, ticks and multipliers are text, `Decimal`, or floats that are written with few digits."""
        for number, row in enumerate(self._rows(), 1):
            for key, value in row.items():
                must(
                    not isinstance(value, float) or value == float(f"{value:.{_SURE}g}"),
                    f"row {number}: `{key}` is {value!r}, which has been rounded: give text or a Decimal, as the"
                    " account's arithmetic is exact",
                )

    def test_gives_the_same_again(self) -> None:
        """A second part with the same parameters returns the same table, in the same order."""
        one, other = self._rows(), self._rows()
        for number, (first, then) in enumerate(zip(one, other, strict=False), 1):
            must(
                first == then,
                f"row {number} is {first!r:.120}, and {then!r:.120} from another part with the same parameters: a"
                " session that is started again would be another one; keep the order, and draw nothing",
            )
        must(
            len(one) == len(other),
            f"it gives {len(one)} instruments, and {len(other)} from another part with the same parameters",
        )

    def test_no_global_randomness(self) -> None:
        """The part draws from no generator that it shares with others."""
        self._rows()
        self._without("randomness", "a table of instruments is known, not drawn")

    def _rows(self) -> list[Mapping[str, Any]]:
        try:
            return self.rows()
        except AssertionError:
            skip("it cannot be judged before it gives rows, see test_rows_can_be_read")
