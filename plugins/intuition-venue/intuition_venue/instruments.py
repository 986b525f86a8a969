"""What can be traded at a venue, and in which steps."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from intuition_venue.errors import BadSetting, Refused


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A symbol: what is bought, what it is paid in, and the filters that orders must pass.

    Prices and amounts are in the currency `quote`, quantities in units of `base`. `depth` is how much the market offers
    at each price of its book, unless a price says otherwise.
    """

    symbol: str
    base: str
    quote: str
    start: Decimal
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    depth: Decimal
    max_price: Decimal = Decimal(1_000_000)
    spread: int = 1
    name: str = ""

    def check_price(self, price: Decimal) -> None:
        """Raise Refused unless a price is within the limits and a whole number of ticks."""
        if not 0 < price <= self.max_price or price % self.tick:
            raise Refused(
                "price", f"{price} is beyond the limits, or no whole number of ticks of {self.tick}", price=price
            )

    def check_quantity(self, quantity: Decimal) -> None:
        """Raise Refused unless a quantity is within the limits and a whole number of steps."""
        if not self.min_quantity <= quantity <= self.max_quantity or quantity % self.step:
            raise Refused(
                "quantity", f"{quantity} is outside of the limits, or no whole number of steps of {self.step}"
            )

    def check_notional(self, quantity: Decimal, price: Decimal) -> None:
        """Raise Refused if an order is worth less than the venue takes."""
        if quantity * price < self.min_notional:
            raise Refused("notional", f"{quantity * price} is less than {self.min_notional}")

    def floor(self, quantity: Decimal) -> Decimal:
        """Return a quantity, floored to whole steps."""
        return quantity - quantity % self.step

    def to_tick(self, price: Decimal) -> Decimal:
        """Return a price, rounded to whole ticks, at least one."""
        return max((price / self.tick).to_integral_value() * self.tick, self.tick)


def _coin(base: str, start: str, tick: str, step: str, depth: str) -> Instrument:
    return Instrument(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        start=Decimal(start),
        tick=Decimal(tick),
        step=Decimal(step),
        min_quantity=Decimal(step),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
        depth=Decimal(depth),
        name=base,
    )


def _share(symbol: str, start: str, name: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote="USD",
        start=Decimal(start),
        tick=Decimal("0.01"),
        step=Decimal("0.000000001"),
        min_quantity=Decimal("0.000000001"),
        max_quantity=Decimal(1_000_000),
        min_notional=Decimal(0),
        depth=Decimal(500),
        name=name,
    )


INSTRUMENTS: Final = {
    "spot": (
        _coin("BTC", "60000", "0.01", "0.00001", "2"),
        _coin("ETH", "3000", "0.01", "0.0001", "40"),
        _coin("BNB", "600", "0.01", "0.001", "200"),
    ),
    "stocks": (
        _share("AAPL", "200", "Apple Inc. Common Stock"),
        _share("MSFT", "400", "Microsoft Corporation Common Stock"),
        _share("SPY", "600", "SPDR S&P 500 ETF Trust"),
    ),
}
"""What each shape of venue trades unless symbols are named."""

BALANCES: Final = {
    "spot": {"USDT": Decimal(100_000), "BTC": Decimal(1)},
    "stocks": {"USD": Decimal(100_000)},
}
"""What an account holds at first."""


def chosen(shape: str, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
    """Return the instruments of a shape, or those of them that are named; `AAPL=180` sets another first price.

    Raises:
        BadSetting: a symbol that the shape does not have, or a price that is none.
    """
    known = {each.symbol: each for each in INSTRUMENTS[shape]}
    found = []
    for text in symbols or tuple(known):
        symbol, _, price = text.partition("=")
        try:
            found.append(_started(known[symbol], price))
        except KeyError:
            raise BadSetting("--symbols", f"{symbol} is not traded here; there are {', '.join(known)}") from None
    return tuple(found)


def _started(instrument: Instrument, price: str) -> Instrument:
    if not price:
        return instrument
    from dataclasses import replace
    from decimal import InvalidOperation

    try:
        start = Decimal(price)
        instrument.check_price(start)
    except (InvalidOperation, Refused):
        raise BadSetting("--symbols", f"{price} is no price of {instrument.symbol}") from None
    return replace(instrument, start=start)
