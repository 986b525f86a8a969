"""Commission and slippage of fills.

All arithmetic is exact but for one division. With a quote ``p``, a side's sign ``s`` (1 for a buy, -1 for a sell), a
quantity ``q`` and the event's volume ``v``:

- the price is ``p * (1 + s * (slippage_bps / 10000 + slippage_impact * (q / v)²))``, where ``q / v`` is at most 1 and
  rounded half to even at 12 decimals; a sell's price is not below 0. For a negative ``p`` slippage makes it worse as
  well. The part of the volume is the model of zipline's ``VolumeShareSlippage``;
- the commission is ``commission_per_trade``, plus ``q * commission_per_unit``, plus the amount ``|q * price|`` at
  ``commission_bps / 10000``; at least ``commission_min``, at most ``commission_max``. With ``commission_tiers``,
  pairs of a bound and a rate in basis points, the part of the amount below the first bound pays the first rate, the
  part between the first and the second bound the second rate, as tax brackets do; the part above the last bound pays
  ``commission_bps``;
- a buy costs ``q * price + commission + slippage_per_trade``, a sell brings ``q * price`` less both.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.account.amounts import EXACT, ROUNDING, floor_to_step, plain_decimal
from intuition_core.contracts import Side

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_BPS: Final = Decimal("0.0001")
_SHARE_STEP: Final = Decimal("1e-12")
_FIRST: Final = ("commission_bps", "commission_per_trade", "slippage_bps", "slippage_per_trade")

Tiers = tuple[tuple[Decimal, Decimal], ...]
"""Bounds of the amount traded, rising, each with the rate in basis points below it."""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """The commission and the slippage of each fill.

    Rates are in basis points (hundredths of a percent), amounts in the account's currency. A partial fill is a trade of
    its own. ``slippage_impact`` is the fraction by which a fill of all of an event's volume moves the price; an event
    without ``volume`` has none.
    """

    commission_bps: Decimal = _ZERO
    commission_per_trade: Decimal = _ZERO
    slippage_bps: Decimal = _ZERO
    slippage_per_trade: Decimal = _ZERO
    commission_per_unit: Decimal = _ZERO
    commission_min: Decimal = _ZERO
    commission_max: Decimal | None = None
    commission_tiers: Tiers = ()
    slippage_impact: Decimal = _ZERO

    def __bool__(self) -> bool:
        """Whether any rate or amount is set."""
        return any(value for name, value in msgspec.structs.asdict(self).items() if name != "commission_max")

    @property
    def is_proportional(self) -> bool:
        """Whether all costs are rates of the amount or amounts per trade."""
        return self.linear and not self.commission_per_unit and not self.slippage_impact

    @property
    def linear(self) -> bool:
        """Whether the commission is an amount per trade and a multiple of the quantity."""
        return not self.commission_min and self.commission_max is None and not self.commission_tiers

    @property
    def per_trade(self) -> Decimal:
        """The commission and the slippage of a fill that do not depend on its size."""
        return EXACT.add(self.commission_per_trade, self.slippage_per_trade)

    @property
    def commission_rate(self) -> Decimal:
        """The commission as a fraction of the amount."""
        return EXACT.multiply(self.commission_bps, _BPS)

    def price(self, side: Side, quote: Decimal, share: Decimal = _ZERO) -> Decimal:
        """Return the price at which an order fills against a quote.

        Args:
            side: the side of the order.
            quote: the price of the market.
            share: the part of the event's volume that is filled, from 0 to 1; see `volume_share`.
        """
        rate = self.slippage_bps
        if not rate and not share:
            return quote
        size = quote.copy_abs()
        worse = EXACT.multiply(EXACT.multiply(size, rate), _BPS)
        if share and self.slippage_impact:
            moved = EXACT.multiply(self.slippage_impact, EXACT.multiply(share, share))
            worse = EXACT.add(worse, EXACT.multiply(size, moved))
            if side == "sell" and quote > 0:
                worse = min(worse, quote)
        return EXACT.add(quote, worse) if side == "buy" else EXACT.subtract(quote, worse)

    def commission(self, amount: Decimal, quantity: Decimal) -> Decimal:
        """Return the commission of an amount traded, in the account's currency, of so many units."""
        amount = amount.copy_abs()  # `abs` would round to the digits of a context that is not ours
        tiered = _ZERO
        if self.commission_tiers:
            tiered, amount = self._tiered(amount)
        share = EXACT.multiply(EXACT.multiply(amount, self.commission_bps), _BPS)
        commission = EXACT.add(EXACT.add(share, tiered), self.commission_per_trade)
        if self.commission_per_unit:
            commission = EXACT.add(commission, EXACT.multiply(quantity, self.commission_per_unit))
        if commission < self.commission_min:
            commission = self.commission_min
        if self.commission_max is not None and commission > self.commission_max:
            commission = self.commission_max
        return commission

    def _tiered(self, amount: Decimal) -> tuple[Decimal, Decimal]:
        """Return the commission of an amount in the tiers, and the part of the amount above them."""
        paid = below = _ZERO
        for bound, rate in self.commission_tiers:
            part = EXACT.subtract(min(amount, bound), below)
            paid = EXACT.add(paid, EXACT.multiply(EXACT.multiply(part, rate), _BPS))
            if amount <= bound:
                return paid, _ZERO
            below = bound
        return paid, EXACT.subtract(amount, below)

    def to_json(self) -> dict[str, Any]:
        """Return the costs in plain JSON types; two that compare equal are the same."""
        # The first four are always there, as in journals of earlier versions; the others only where they are set.
        plain: dict[str, Any] = {name: plain_decimal(getattr(self, name)) for name in _FIRST}
        for name in ("commission_per_unit", "commission_min", "commission_max", "slippage_impact"):
            if (amount := getattr(self, name)) is not None and (amount or name == "commission_max"):
                plain[name] = plain_decimal(amount)
        if self.commission_tiers:
            plain["commission_tiers"] = [list(map(plain_decimal, tier)) for tier in self.commission_tiers]
        return plain


NO_COSTS: Final = Costs()


def volume_share(quantity: Decimal, volume: Decimal | None) -> Decimal:
    """Return the part of a volume that a quantity is: at most 1, at 12 decimals, half to even; 0 of an unknown one."""
    if volume is None:
        return _ZERO
    if quantity >= volume:
        return _ONE
    return ROUNDING.divide(quantity, volume).quantize(_SHARE_STEP, context=ROUNDING)


def to_tick(price: Decimal, tick: Decimal | None, *, up: bool) -> Decimal:
    """Return the nearest whole tick that is not below a price, or with ``up=False`` not above it."""
    if tick is None:
        return price
    whole = EXACT.multiply(EXACT.divide_int(price, tick), tick)
    if up and whole < price:
        return EXACT.add(whole, tick)
    if not up and whole > price:
        return EXACT.subtract(whole, tick)
    return whole


class Priced(NamedTuple):
    """The amounts of a fill.

    ``price`` is what a unit costs in the currency of the quotes, slippage included, and ``unit`` the same in the
    account's; ``fees`` are paid beyond ``quantity * unit``: the ``commission``, and slippage per trade. ``slippage`` is
    what the fill loses to it in all. All but the price are in the account's currency.
    """

    price: Decimal
    unit: Decimal
    fees: Decimal
    commission: Decimal
    slippage: Decimal


class Terms(NamedTuple):
    """What one order can be filled at, at one event.

    ``quote`` is the price of the market, ``limit`` the worst that slippage may make of it, ``tick`` the step of prices
    that slippage is rounded to, against the trader; ``volume`` that of the event. ``worth`` returns what a unit is
    worth in the account's currency at a price; without it that is the price.
    """

    costs: Costs
    side: Side
    quote: Decimal
    limit: Decimal | None = None
    tick: Decimal | None = None
    volume: Decimal | None = None
    worth: Callable[[Decimal], Decimal] | None = None

    def price(self, quantity: Decimal) -> Decimal:
        """Return the price of a fill, slippage included."""
        costs = self.costs
        share = volume_share(quantity, self.volume) if costs.slippage_impact else _ZERO
        price = costs.price(self.side, self.quote, share)
        buying = self.side == "buy"
        if price != self.quote:
            price = to_tick(price, self.tick, up=buying)
        if self.limit is None:
            return price
        return min(price, self.limit) if buying else max(price, self.limit)

    def unit(self, price: Decimal) -> Decimal:
        """Return what a unit is worth at a price, in the account's currency."""
        return price if self.worth is None else self.worth(price)

    def priced(self, quantity: Decimal) -> Priced:
        """Return the price of a fill, and what is paid beyond it."""
        costs = self.costs
        price = self.price(quantity)
        unit = self.unit(price)
        amount = EXACT.multiply(quantity, unit)
        commission, per_trade = costs.commission(amount, quantity), costs.slippage_per_trade
        worse = EXACT.subtract(amount, EXACT.multiply(quantity, self.unit(self.quote))).copy_abs()
        return Priced(price, unit, EXACT.add(commission, per_trade), commission, EXACT.add(worse, per_trade))

    def cash(self, quantity: Decimal) -> Decimal:
        """Return what a fill moves in all: what a buy costs, or what a sell brings."""
        priced = self.priced(quantity)
        amount = EXACT.multiply(quantity, priced.unit)
        return EXACT.add(amount, priced.fees) if self.side == "buy" else EXACT.subtract(amount, priced.fees)

    def most(self, budget: Decimal, step: Decimal) -> Decimal:
        """Return the most units, in whole steps, whose amount and costs together are within a budget.

        Where costs are linear in the quantity that is one division; elsewhere, since more units never cost less, the
        number of steps is searched for by halves.
        """
        costs = self.costs
        unit = self.unit(self.price(step))
        if unit <= 0:
            return _ZERO
        if costs.linear and (self.volume is None or not costs.slippage_impact):
            rest = EXACT.subtract(budget, costs.per_trade)
            each = EXACT.add(EXACT.multiply(unit, EXACT.add(_ONE, costs.commission_rate)), costs.commission_per_unit)
            return floor_to_step(rest, each, step) if rest > 0 else _ZERO
        low, high = 0, int(EXACT.divide_int(max(budget, _ZERO), EXACT.multiply(unit, step)))
        while low < high:
            middle = (low + high + 1) // 2
            quantity = EXACT.multiply(Decimal(middle), step)
            priced = self.priced(quantity)
            if EXACT.add(EXACT.multiply(quantity, priced.unit), priced.fees) <= budget:
                low = middle
            else:
                high = middle - 1
        return EXACT.multiply(Decimal(low), step)
