"""Those who look at the account see what is wrong."""

from collections.abc import Mapping
from typing import Any

import pytest

from intuition_core.account.statement import Statement
from intuition_core.trading.engine import TradingEngine

from .promises import Promises
from .recomputed import Recomputed
from .scripted import RUN, composed, line

BUY = {"sid": "A", "side": "buy", "win": 3.0, "limit": 10.0}
EVENTS: tuple[dict[str, Any], ...] = (
    {"channel": "quotes", "sid": "A", "quote": 10.0, "ts": 1, "do": {"one": [BUY]}},
    {"channel": "quotes", "sid": "A", "quote": 9.5, "ts": 2, "do": {"one": [{"sid": "A", "side": "sell", "win": 1.0}]}},
    {"channel": "actions", "sid": "A", "action": "dividend", "amount": "0.5", "ts": 3},
    {"channel": "quotes", "sid": "A", "quote": 9.0, "ts": 4},
)


def judge(changes: Mapping[tuple[int, int], dict[str, Any]], account: Mapping[str, str] | None = None) -> None:
    """Let an account be judged by its records, some of them changed: the number of the event and of its record."""
    recipe = composed([line("one", "sized", ["quotes"])])
    live = TradingEngine(recipe, run=RUN)
    recomputed, promises = Recomputed(recipe.to_json()), Promises(recipe.to_json())
    for n, event in enumerate(EVENTS):
        records = [{**record, **changes.get((n, at), {})} for at, record in enumerate(live.step(event))]
        promises.take(event, records)
        recomputed.take(event, records)
    recomputed.check({**Statement.of(live.ledger, live.seq).to_json(), **(account or {})})
    assert promises.open.keys() == {order.id for order in live.open_orders}


def test_what_is_right_is_let_pass() -> None:
    judge({})


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ((1, 0), {"cash": "28.5000000001"}),
        ((1, 0), {"quantity": "3.01"}),
        ((1, 0), {"quantity": "2"}),
        ((1, 0), {"price": 10.01, "cash": "30.03"}),
        ((1, 0), {"algorithm": "two"}),
        ((1, 0), {"cause": f"{RUN}:1:1"}),
        ((1, 0), {"side": "sell"}),
        ((1, 0), {"seq": 1}),
        ((1, 1), {"quantity": "0.9"}),
        ((2, 0), {"cash": "1", "profit": "1"}),
        ((2, 0), {"before": "2"}),
        ((3, 0), {"profit": "0"}),
    ],
)
def test_a_record_that_is_wrong_is_seen(where: tuple[int, int], what: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        judge({where: what})


@pytest.mark.parametrize("name", ["deposits", "cash", "realised", "equity", "reserved"])
def test_an_account_that_is_wrong_is_seen(name: str) -> None:
    with pytest.raises(AssertionError):
        judge({}, {name: "0.000000000001"})
