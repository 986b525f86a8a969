"""Orders and trades as the exchange keeps them."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

KINDS: Final = ("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit")
"""`stop` and `take_profit` become market orders once their stop price is reached, the others limit orders."""

OPEN: Final = frozenset({"held", "waiting", "working"})
"""`held` waits for another order's fill, `waiting` for its stop price, `working` for a price that fills it."""

CLOSED: Final = frozenset({"filled", "cancelled", "expired", "replaced"})

_AMOUNTS: Final = ("quantity", "amount", "price", "stop")
ZERO: Final = Decimal(0)


@dataclass(slots=True, kw_only=True)
class Order:
    """An order: what was asked for, and what has become of it.

    `quantity` is in units; an order by `amount` buys for that much of the quote currency and has no quantity before it
    is filled. `created` and `updated` are in nanoseconds UTC by the venue's clock.
    """

    symbol: str
    account: str
    client_id: str
    side: str
    kind: str
    tif: str = "gtc"
    quantity: Decimal | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    stop: Decimal | None = None
    post_only: bool = False
    group: int | None = None
    group_kind: str | None = None
    role: str | None = None
    group_client_id: str | None = None
    replaces: int | None = None
    terms: dict[str, Any] = field(default_factory=dict)

    id: int = 0
    created: int = 0
    updated: int = 0
    status: str = "working"
    reason: str | None = None
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    triggered: bool = False
    cancelling: bool = False
    replaced_by: int | None = None

    @property
    def open(self) -> bool:
        """Whether anything more can become of the order."""
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal:
        """The units that are still to be filled; of an order by amount none are known."""
        return ZERO if self.quantity is None else self.quantity - self.filled

    @property
    def buys(self) -> bool:
        """Whether the order buys."""
        return self.side == "buy"

    @property
    def stops(self) -> bool:
        """Whether the order waits for its stop price first."""
        return self.kind not in {"market", "limit"}

    @property
    def at_market(self) -> bool:
        """Whether the order takes any price, once it works."""
        return self.kind in {"market", "stop", "take_profit"}

    def reached_by(self, last: Decimal) -> bool:
        """Return whether a price of the market reaches the stop price."""
        if self.stop is None:
            return False
        above = self.buys == self.kind.startswith("stop")
        return last >= self.stop if above else last <= self.stop

    def written(self) -> dict[str, Any]:
        """Return what was asked for, for the log."""
        wanted: dict[str, Any] = {
            "symbol": self.symbol,
            "order": self.id,
            "account": self.account,
            "client_id": self.client_id,
            "side": self.side,
            "kind": self.kind,
            "tif": self.tif,
            "status": self.status,
            "created": self.created,
        }
        wanted |= {name: str(value) for name in _AMOUNTS if (value := getattr(self, name)) is not None}
        for name in ("group", "group_kind", "role", "group_client_id", "replaces"):
            if (value := getattr(self, name)) is not None:
                wanted[name] = value
        if self.post_only:
            wanted["post_only"] = True
        if self.terms:
            wanted["terms"] = self.terms
        return wanted

    @classmethod
    def read(cls, entry: dict[str, Any]) -> "Order":
        """Return the order that an entry of the log placed."""
        fields = {name: entry[name] for name in ("symbol", "account", "client_id", "side", "kind", "tif", "status")}
        fields |= {name: Decimal(entry[name]) for name in _AMOUNTS if name in entry}
        optional = ("group", "group_kind", "role", "group_client_id", "replaces", "post_only", "terms")
        fields |= {name: entry[name] for name in optional if name in entry}
        return cls(id=entry["order"], created=entry["created"], updated=entry["created"], **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A fill: `price` in the quote currency, `fee` in `fee_asset`; `at` in nanoseconds UTC by the venue's clock."""

    symbol: str
    id: int
    order: int
    account: str
    client_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at: int
    busted: bool = False

    @property
    def cost(self) -> Decimal:
        """What was paid or received, in the quote currency, before the fee."""
        return self.price * self.quantity
