"""What the state machine has found, each as short as it can be."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from support import quote

from intuition_core.account.books import Books
from intuition_core.account.margin import Margin
from intuition_core.contracts import Account, Order
from intuition_core.trading.composition import Part
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine

from .scripted import RUN, composed, line


def engine(*names: str, run: str = RUN, **recipe: Any) -> TradingEngine:
    return TradingEngine(composed([line(name, "whole", ["quotes"]) for name in names], **recipe), run=run)


class Every:
    """Wants to see every quote of what is held."""

    seen: list[float]

    def initialize(self, params: Mapping[str, Any]) -> None:
        self.seen = params["seen"]

    def check(self, order: Order, account: Account) -> Order:
        return order

    def observe(self, account: Account, ts: int) -> None:
        self.seen.append(account.equity)


def every(seen: list[float]) -> tuple[Part, ...]:
    return (Part(kind="risk", name="every", factory=Every, params={"seen": seen}),)


def test_a_replaced_order_counts_the_same_whatever_the_run_is_called() -> None:
    hashes = set()
    for run in ("test.1", "other.1"):
        live, digest = engine("one", run=run), Digest(run)
        want = {"sid": "A", "side": "buy", "win": 1, "tag": "x", "limit": 5.0}
        records = [*live.step(quote(10.0, do={"one": [want, {**want, "tag": "y"}]}))]
        records += live.step(quote(10.0, 2, do={"one": [{**want, "limit": 6.0}]}))
        assert [record["replaces"] for record in records if "replaces" in record] == [[f"{run}:1:0"]]
        digest.add(records)
        hashes.add(digest.hexdigest())
    assert len(hashes) == 1


def test_an_order_to_sell_short_below_nothing_makes_no_room_for_others() -> None:
    live = engine("one", margin=Margin())
    live.step(quote(90.0, do={"one": [{"sid": "A", "side": "sell", "win": 10, "quote": -37.63}]}))
    assert len(live.open_orders) == 1
    assert live.ledger.available == live.ledger.cash


SIDES = {"one": "buy", "two": "sell"}


def test_one_may_hold_what_another_has_sold_short_while_a_limit_looks_on() -> None:
    seen: list[float] = []
    live = engine("one", "two", margin=Margin(), risks=every(seen))
    live.step(quote(10.0, do={name: [{"sid": "A", "side": side, "win": 5}] for name, side in SIDES.items()}))
    live.step(quote(10.0, 2))
    assert live.books.positions["A"].quantity == 0
    live.step(quote(20.0, 3))
    assert seen == [10_000.0, 10_000.0]


def test_who_wants_to_see_every_quote_sees_every_quote_of_a_history() -> None:
    courses: list[list[float]] = []
    for through in (False, True):
        courses.append(seen := [])
        live = engine("one", risks=every(seen))
        events = [quote(10.0, do={"one": [{"sid": "A", "side": "buy", "win": 5}]})]
        events += [quote(price, ts) for ts, price in enumerate((10.0, 11.0, 12.0), 2)]
        if through:
            list(live.run_through(events))
        else:
            for event in events:
                live.step(event)
    assert courses == [[10_000.0, 10_005.0, 10_010.0]] * 2


@pytest.mark.parametrize("more", [{"stop_loss": 9.0}, {"take_profit": 11.0}, {"group": "x"}])
def test_rules_1_refuse_what_they_would_leave_without_protection(more: dict[str, Any]) -> None:
    live = engine("one", rules=1)
    [refused] = live.step(quote(10.0, do={"one": [{"sid": "A", "side": "buy", "win": 1, **more}]}))
    assert refused["reason"] == "brackets and groups come with rules 2, and the session goes by rules 1"
    assert live.ledger.reserved == 0


def test_what_is_shared_out_is_never_more_than_there_is() -> None:
    books = Books(Decimal("10.01"), {"one": Decimal(0), "two": Decimal(0), "three": Decimal(0)})
    less = Decimal("0." + "9" * 29 + "6")
    for name, cash in {"one": less, "two": less, "three": Decimal("6.01")}.items():
        books.ledgers[name].cash = cash
    books.ledgers["three"].reserve("order", "A", Decimal("6.01"))
    books.idle = Decimal(2)
    books.share_out({"one": Decimal("0.2"), "two": Decimal("0.2"), "three": Decimal("0.6")})
    assert books.idle >= 0


def test_groups_parents_and_sales_count_the_same_whatever_the_run_is_called() -> None:
    entry = {"sid": "A", "side": "buy", "win": 10, "stop_loss": 5.0, "take_profit": 20.0}
    both = [{"sid": "A", "side": "sell"}, {"sid": "B", "side": "buy", "loss": 9_950}]
    events = [quote(10.0, do={"one": [entry]}), quote(10.0, 2), {**quote(4.0, 3), "sid": "B"}]
    events.append(quote(10.0, 4, do={"one": both}))
    hashes = set()
    for run in ("test.1", "other.1", ""):
        live, digest = engine("one", run=run), Digest(run)
        records = [record for event in events for record in live.step(event)]
        assert {key for record in records for key in record} >= {"parent", "group", "after"}
        digest.add(records)
        hashes.add(digest.hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("wish", [{}, {"sid": "A"}, {"sid": "B"}])
def test_an_order_that_waits_for_a_sale_ends_once_whatever_is_taken_back(wish: Mapping[str, Any]) -> None:
    live = engine("one")
    records = [*live.step(quote(10.0, do={"one": [{"sid": "A", "side": "buy", "loss": 9_900}]}))]
    records += live.step({**quote(4.0, 2), "sid": "B"})
    records += live.step(quote(10.0, 3))
    both = [{"sid": "A", "side": "sell"}, {"sid": "B", "side": "buy", "loss": 9_900}]
    records += live.step({**quote(4.0, 4, do={"one": both}), "sid": "B"})
    assert [record["after"] for record in records if "after" in record] == [[f"{RUN}:4:0"]]
    records += live.step({**quote(4.0, 4, do={"one": [wish]}), "sid": "B"})
    records += live.step({**quote(4.0, 5), "sid": "B"})
    records += live.step(quote(10.0, 6))
    ended = [record["cause"] for record in records if record["type"] == "rejection"]
    filled = [record["cause"] for record in records if record["type"] == "fill" and record["seq"] > 4]
    assert sorted([*ended, *filled]) == [f"{RUN}:4:0", f"{RUN}:4:1"]


def test_an_order_that_waits_for_a_sale_is_not_filled_at_the_event_of_its_decision() -> None:
    live = engine("one", fill="same")
    records = [*live.step({**quote(10.0), "sid": "B"})]
    records += live.step(quote(10.0, 2, do={"one": [{"sid": "A", "side": "buy", "loss": 9_900}]}))
    both = [{"sid": "A", "side": "sell"}, {"sid": "B", "side": "buy", "loss": 9_900}]
    records += live.step({**quote(10.0, 3, do={"one": both}), "sid": "B"})
    assert [record["after"] for record in records if "after" in record] == [[f"{RUN}:3:0"]]
    assert [record["seq"] for record in records if record["type"] == "fill"] == [2]
    records += live.step(quote(10.0, 4))
    records += live.step({**quote(10.0, 5), "sid": "B"})
    assert [(record["seq"], record["sid"]) for record in records if record["type"] == "fill"][1:] == [
        (4, "A"),
        (5, "B"),
    ]


@pytest.mark.parametrize("fill", ["next", "same"])
def test_one_order_of_a_group_is_filled_though_each_could_be_at_once(fill: str) -> None:
    live = engine("one", fill=fill)
    one = {"sid": "A", "side": "buy", "win": 1, "group": "p"}
    for seq in (1, 3):  # a name may be used again
        records = [*live.step(quote(10.0, seq, do={"one": [one, {**one, "limit": 11.0}]}))]
        records += live.step(quote(10.0, seq + 1))
        assert len([record for record in records if record["type"] == "fill"]) == 1
        assert [record["reason"] for record in records if record["type"] == "rejection"] == [
            "another order of its group was filled"
        ]


def test_records_of_an_event_come_in_the_order_in_which_they_were_booked() -> None:
    live = TradingEngine(composed([line("one", "sized", ["quotes"])]), run=RUN)
    records = [*live.step(quote(10.0, do={"one": [{"sid": "A", "side": "buy", "loss": 9_900}]}))]
    records += live.step(quote(10.0, 2))
    sale = {"sid": "A", "side": "sell", "win": 900, "limit": 50.0, "until": 4}
    records += live.step(quote(10.0, 3, do={"one": [sale, {"sid": "A", "side": "buy", "loss": 5_000}]}))
    records += live.step(quote(10.0, 4, do={"one": [{"sid": "A", "side": "sell", "win": 10}]}))
    records += live.step(quote(10.0, 5))
    # The first sale is over, the second one is filled, and then the buy has what there is.
    last = [(each["type"], each["side"], each.get("quantity")) for each in records if each["seq"] == 5]
    assert last == [("rejection", "sell", None), ("fill", "sell", "10"), ("fill", "buy", "20")]


def test_groups_that_were_filled_at_once_are_forgotten_with_their_event() -> None:
    live = engine("one", fill="same")
    for ts in range(1, 20):
        live.step(quote(10.0, ts, do={"one": [{"sid": "A", "side": "buy", "win": 1, "group": f"g{ts}"}]}))
    assert live.manager._placement._settled == {("one", "g19")}
