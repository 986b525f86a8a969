"""Risk parts are shown the account at the same events, however its equity is added up."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.margin import Margin
from intuition_core.contracts import Bet, Signal, Watch
from intuition_core.trading import risk_monitor
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

SYMBOLS = "ABCD"


class Trader:
    """Does what an event says."""

    def initialize(self, params: Any) -> None:
        self._name = params["name"]

    def event(self, data: Any) -> Signal | None:
        side = data.get(self._name)
        return Signal(data["sid"], side) if side else None


class Ten:
    """Bets ten units."""

    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(units=10)


class Near:
    """Wants to see the account when its equity has changed by more than so much, and notes when it does."""

    def initialize(self, params: Any) -> None:
        self._seen, self._by, self._every = params["seen"], params["by"], params["every"]

    def check(self, order: Any, account: Any) -> Any:
        return order

    def observe(self, account: Any, ts: int) -> Watch | str:
        self._seen.append((ts, account.equity))
        if account.equity < 9_500:
            return "too little is left"
        until = {} if self._every is None else {"until": ts + self._every}
        return Watch(below=account.equity - self._by, above=account.equity + self._by, **until)


def recipe(seen: list[Any], *, by: float, every: int | None, several: bool, **more: Any) -> Composition:
    lines = tuple(
        Sleeve(
            algorithm=Part(kind="algorithm", name=name, factory=Trader, params={"name": name}),
            portfolio=Part(kind="portfolio", name="ten", factory=Ten, params={}),
            share=Decimal("0.4") if several else None,
        )
        for name in ("one", "two")[: 2 if several else 1]
    )
    near = Part(kind="risk", name="near", factory=Near, params={"seen": seen, "by": by, "every": every})
    return Composition(sleeves=lines, risks=(near,), seed=0, cash=Decimal(10_000), margin=Margin(), **more)


events = st.fixed_dictionaries(
    {
        "sid": st.sampled_from(SYMBOLS),
        "quote": st.sampled_from([9.0, 9.9, 10.0, 10.1, 11.0, 30.0]),
        "one": st.sampled_from([None, None, "buy", "sell"]),
        "two": st.sampled_from([None, None, "buy", "sell"]),
        "ts": st.sampled_from([0, 1, 1, 2]),
        "channel": st.sampled_from(["quotes"] * 9 + ["actions"]),
    }
)


@given(
    story=st.lists(events, min_size=5, max_size=60),
    by=st.sampled_from([0.5, 5.0, 100.0, 1e6]),
    every=st.sampled_from([None, None, 5]),
    several=st.booleans(),
    fill=st.sampled_from(["next", "same"]),
    batched=st.booleans(),
)
def test_parts_see_the_same_as_if_all_was_added_up_at_each_event(
    story: list[dict[str, Any]], by: float, every: int | None, several: bool, fill: Any, batched: bool
) -> None:
    told = []
    for counted in (True, False):
        seen: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(risk_monitor, "_FEW", 1)
            if not counted:
                patch.setattr(risk_monitor.RiskMonitor, "_is_clear", risk_monitor.RiskMonitor._follow)
            live = TradingEngine(recipe(seen, by=by, every=every, several=several, fill=fill), run="r")
            history, ts = [], 1_700_000_000_000_000_000
            for event in story:
                ts += event["ts"]
                if event["channel"] == "actions":
                    history.append(
                        {"channel": "actions", "sid": event["sid"], "ts": ts, "action": "split", "ratio": "2:1"}
                    )
                else:
                    history.append({**event, "ts": ts})
            records: list[Any] = []
            if batched:
                records += [record for each in live.run_through(history) for record in each]
            for event in () if batched else history:
                records += live.step(event)
                monitor = live.manager.monitor
                if monitor._counted:
                    assert abs(monitor._about - live.account.equity) <= 1e-14 * monitor._scale
        told.append((seen, records))
    assert told[0] == told[1]


def test_the_account_is_added_up_again_after_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    added = []
    monkeypatch.setattr(risk_monitor, "_MOST", 3)
    count = risk_monitor.RiskMonitor._count
    monkeypatch.setattr(
        risk_monitor.RiskMonitor, "_count", lambda monitor, equity: (added.append(equity), count(monitor, equity))
    )
    live = TradingEngine(recipe([], by=1e6, every=None, several=False), run="r")
    for ts in range(20):
        event = {"channel": "quotes", "sid": "AB"[ts % 2], "quote": 10.0, "ts": ts, "one": "buy" if ts < 2 else None}
        live.step(event)
    assert 4 <= len(added) <= 8
