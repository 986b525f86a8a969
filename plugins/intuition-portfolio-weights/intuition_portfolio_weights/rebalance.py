"""From what is held to given weights: sells first, then buys from the cash there is.

A weight below 0 is one of what is sold short. There, buying back comes first, with the sales, and selling short with
the purchases. What is on the other side than its weight is closed first, all of it.

A sale's cash is there when its order is filled, and a purchase's cash is set aside when its order is placed. So what
there is too much of is sold first. When each symbol that was to be sold has been quoted again, and its order is filled
or refused, the others are bought, from the cash that is then there. If that is less than they lack, each gets the same
part of what it lacks.

A symbol can be traded when it has a price that is not too old: it was quoted since the rebalancing before this one
began, or it is quoted now. Others have their turn at their first quote, as long as no new rebalancing begins.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from intuition_core.contracts import Account, Bet, Data, Side
from intuition_portfolio_weights.amounts import available, held, nothing, part_of, senseless, share_of, staked

_NONE: Final[Sequence[Bet]] = ()


class Rebalance:
    """Moves an account to weights, over as many quotes as that takes.

    Args:
        band: leave a symbol alone that is off its weight by no more than this, as a fraction of the equity; one whose
            weight is 0 is always sold.
    """

    def __init__(self, *, band: Decimal) -> None:
        self._band = band
        self._weights: dict[str, Decimal] = {}
        self._quoted: set[str] = set()
        self._priced: set[str] = set()
        self._to_sell: set[str] = set()
        self._to_buy: set[str] = set()
        self._awaited: set[str] = set()

    def observe(self, data: Data, account: Account, *, towards: Mapping[str, Decimal] | None = None) -> Sequence[Bet]:
        """Look at a quote, and give the bets that are due now.

        Args:
            data: the quote.
            account: as it is after the quote.
            towards: begin anew with these weights, fractions of the equity that come to at most 1 without their signs,
                negative for what is to be short; symbols that are not among them are left alone.

        Returns:
            Bets of cash in the account's currency, in whole cents, each with its symbol and side; of units where all of
            a position is sold; of nothing, with the reason, where something lacks and cannot be bought.
        """
        sid = data["sid"]
        if towards is not None:
            self._weights = dict(towards)
            self._to_sell, self._to_buy, self._awaited = set(towards), set(towards), set()
            self._priced, self._quoted = self._quoted, set()
        self._quoted.add(sid)
        self._priced.add(sid)
        if towards is None and not (sid in self._to_sell or sid in self._to_buy or sid in self._awaited):
            return _NONE
        if not any(order.sid == sid and order.closing for order in account.orders):
            self._awaited.discard(sid)  # a quote of the same moment fills nothing, and a volume may not suffice
        if problem := senseless(account):
            self._to_sell, self._to_buy = set(), set()
            return [nothing(problem, sid, "buy")]
        bets = self._sells(account)
        return bets if self._awaited else [*bets, *self._buys(account)]

    def _sells(self, account: Account) -> list[Bet]:
        """Return the bets that close a position or a part of one."""
        bets = []
        for sid in self._turn(self._to_sell):
            units = account.positions.get(sid, 0.0)
            if not units:
                continue
            weight = self._weights[sid]
            side: Side = "sell" if units > 0 else "buy"
            excess = held(sid, account) - part_of(account.equity, abs(weight))
            if not weight or (weight > 0) is not (units > 0):
                bets.append(Bet(units=abs(units), sid=sid, side=side))
            elif excess > part_of(account.equity, self._band):
                bets.append(Bet(cash=excess, sid=sid, side=side))
            else:
                continue
            self._awaited.add(sid)
        return bets

    def _buys(self, account: Account) -> list[Bet]:
        """Return the bets that open a position or add to one, within the cash there is."""
        lacks: dict[str, tuple[Side, Decimal]] = {}
        for sid in self._turn(self._to_buy):
            weight = self._weights[sid]
            side: Side = "buy" if weight >= 0 else "sell"
            lack = part_of(account.equity, abs(weight)) - staked(sid, account, side)
            if lack > part_of(account.equity, self._band):
                lacks[sid] = side, lack
        if not lacks:
            return []
        there = max(Decimal(0), available(account))
        whole = sum((lack for _, lack in lacks.values()), Decimal(0))
        bets = []
        for sid, (side, lack) in lacks.items():
            cash = lack if whole <= there else share_of(there, lack, whole)
            if cash:
                bets.append(Bet(cash=cash, sid=sid, side=side))
            else:
                bets.append(nothing(f"it lacks {lack}, and no cash is left", sid, side))
        return bets

    def _turn(self, due: set[str]) -> list[str]:
        """Return the symbols to be traded now, in the order of the weights, and take them off those due."""
        turn = [sid for sid in self._weights if sid in due and sid in self._priced]
        due.difference_update(turn)
        return turn

    def snapshot(self) -> dict[str, Any]:
        """Return the symbols still to be traded, in types that MessagePack carries."""
        return {
            "weights": {sid: str(weight) for sid, weight in self._weights.items()},
            "quoted": sorted(self._quoted),
            "priced": sorted(self._priced),
            "to_sell": sorted(self._to_sell),
            "to_buy": sorted(self._to_buy),
            "awaited": sorted(self._awaited),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._weights = {sid: Decimal(weight) for sid, weight in state["weights"].items()}
        self._quoted = set(state["quoted"])
        self._priced = set(state["priced"])
        self._to_sell = set(state["to_sell"])
        self._to_buy = set(state["to_buy"])
        self._awaited = set(state["awaited"])
