from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_weights import EqualWeight, Rebalance, Schedule, TargetWeights

from intuition_core.contracts import Bet, Signal
from intuition_core.params.checking import check_params
from intuition_core.testing.account import FakeAccount

DAY = 86_400_000_000_000


def quote(sid: str, ts: int = 0, price: float = 1.0) -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts}


def weights(**table: str) -> dict[str, Decimal]:
    return {sid: Decimal(weight) for sid, weight in table.items()}


def account(cash: float, **positions: float) -> FakeAccount:
    return FakeAccount(cash=cash, positions=positions, marks=dict.fromkeys("ABCDE", 1.0))


def sized(bets: Sequence[Bet]) -> list[tuple[str | None, str | None, float]]:
    return [(bet.side, bet.sid, float(bet.cash if bet.cash is not None else bet.units or 0)) for bet in bets]


def seen(rebalance: Rebalance, *sids: str) -> Rebalance:
    for sid in sids:
        assert rebalance.observe(quote(sid), account(0)) == ()
    return rebalance


# -- schedule


def test_a_period_begins_once() -> None:
    schedule = Schedule(2)
    times = [5, 6, 5 + 2 * DAY - 1, 5 + 2 * DAY, 5, 5 + 4 * DAY - 1, 5 + 9 * DAY, 5 + 9 * DAY + 1, 5 + 10 * DAY]
    assert [time for time in times if schedule.begins(time)] == [5, 5 + 2 * DAY, 5 + 9 * DAY, 5 + 10 * DAY]


@given(st.lists(st.integers(0, 30), min_size=1), st.integers(1, 7), st.integers(0, 30))
def test_a_schedule_goes_on_from_a_snapshot(hours: list[int], length: int, cut: int) -> None:
    times = [hour * DAY for hour in sorted(hours)]
    schedule, other = Schedule(length), Schedule(length)
    whole = [schedule.begins(time) for time in times]
    first = [other.begins(time) for time in times[:cut]]
    again = Schedule(length)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(other.snapshot())))
    assert first + [again.begins(time) for time in times[cut:]] == whole
    assert sum(whole) == len({(time - times[0]) // (length * DAY) for time in times})


# -- rebalancing


def test_sells_come_first_and_buys_when_they_are_filled() -> None:
    rebalance = seen(Rebalance(band=Decimal(0)), "A", "B", "C")
    towards = weights(A="0.5", B="0.5", C="0")
    holding = account(0, A=60, B=10, C=30)
    assert sized(rebalance.observe(quote("A"), holding, towards=towards)) == [("sell", "A", 10), ("sell", "C", 30)]
    assert rebalance.observe(quote("B"), holding) == []
    assert rebalance.observe(quote("C"), account(30, A=60, B=10)) == []
    assert sized(rebalance.observe(quote("A"), account(40, A=50, B=10))) == [("buy", "B", 40)]
    for sid in "ABC":
        assert rebalance.observe(quote(sid), account(40, A=50, B=10)) == ()


def test_what_does_not_suffice_is_shared_by_what_each_lacks() -> None:
    rebalance = seen(Rebalance(band=Decimal(0)), "A", "B", "C")
    towards = weights(A="0.5", B="0.25", C="0")
    bets = rebalance.observe(quote("E"), account(10, E=90), towards=towards)
    assert sized(bets) == [("buy", "A", 6.66), ("buy", "B", 3.33)]
    bets = seen(rebalance, "A", "B").observe(quote("E"), account(0, E=90), towards=towards)
    assert [bet.reason for bet in bets] == [
        "it lacks 45.00, and no cash is left",
        "it lacks 22.50, and no cash is left",
    ]
    assert all(bet.cash == 0 and bet.side for bet in bets)


def test_a_symbol_without_a_recent_price_waits_for_its_quote() -> None:
    rebalance = seen(Rebalance(band=Decimal(0)), "A")
    towards = weights(A="0.5", B="0.5")
    assert sized(rebalance.observe(quote("A"), account(100), towards=towards)) == [("buy", "A", 50)]
    assert rebalance.observe(quote("C"), account(50, A=50)) == ()
    assert sized(rebalance.observe(quote("B"), account(50, A=50))) == [("buy", "B", 50)]
    # Both were quoted since that one began, and so both have their turn when the next one does; in the one after that,
    # only who was quoted in between.
    both = [("buy", "A", 50), ("buy", "B", 50)]
    assert sized(rebalance.observe(quote("C"), account(100), towards=towards)) == both
    rebalance.observe(quote("B"), account(100))
    assert sized(rebalance.observe(quote("C"), account(100), towards=towards)) == [("buy", "B", 50)]
    assert sized(rebalance.observe(quote("A"), account(100))) == [("buy", "A", 50)]


def test_a_symbol_that_is_not_quoted_any_more_holds_up_the_others_once_at_most() -> None:
    rebalance = seen(Rebalance(band=Decimal(0)), "A", "B")
    towards = weights(A="0", B="0.5")
    assert sized(rebalance.observe(quote("B"), account(50, A=50), towards=towards)) == [("sell", "A", 50)]
    assert rebalance.observe(quote("B"), account(50, A=50)) == []
    assert sized(rebalance.observe(quote("B"), account(50, A=50), towards=towards)) == [("buy", "B", 50)]


def test_a_band_leaves_what_is_near_alone_but_not_what_is_to_go() -> None:
    towards = weights(A="0.5", B="0.45", C="0")

    def bets(holding: FakeAccount) -> list[tuple[str | None, str | None, float]]:
        rebalance = seen(Rebalance(band=Decimal("0.05")), "A", "B", "C")
        return sized(rebalance.observe(quote("A"), holding, towards=towards))

    assert bets(account(5, A=55, B=40)) == []
    assert bets(account(4, A=55, B=40, C=1)) == [("sell", "C", 1)]
    assert bets(account(3, A=56, B=41)) == [("sell", "A", 6)]
    assert bets(account(6, A=55, B=39)) == [("buy", "B", 6)]


def test_an_account_without_sense_is_left_alone() -> None:
    rebalance = seen(Rebalance(band=Decimal(0)), "A")
    (bet,) = rebalance.observe(quote("A"), FakeAccount(cash=float("nan")), towards=weights(A="1"))
    assert (bet.cash, bet.sid, bet.side) == (0, "A", "buy")
    assert "makes no sense" in (bet.reason or "")
    assert rebalance.observe(quote("A"), account(100)) == ()


tables = st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 20), min_size=1).map(
    lambda table: {sid: Decimal(weight) / 100 for sid, weight in table.items()}
)
holdings = st.dictionaries(st.sampled_from("ABCDE"), st.floats(1e-6, 1e6))


@given(towards=tables, cash=st.floats(0, 1e6), positions=holdings, band=st.integers(0, 10))
def test_bets_are_whole_cents_within_the_cash_and_never_beyond_a_weight(
    towards: dict[str, Decimal], cash: float, positions: dict[str, float], band: int
) -> None:
    rebalance = seen(Rebalance(band=Decimal(band) / 100), *"ABCDE")
    before = account(cash, **positions)
    bets = [bet for bet in rebalance.observe(quote("A"), before, towards=towards) if bet.cash or bet.units]
    bought = sum((Decimal(bet.cash or 0) for bet in bets if bet.side == "buy"), Decimal(0))
    assert bought <= Decimal(str(cash))
    assert len({bet.side for bet in bets}) <= 1
    assert len({bet.sid for bet in bets}) == len(bets)
    for bet in bets:
        assert bet.sid is not None
        part = float(towards[bet.sid]) * before.equity
        holds = positions.get(bet.sid, 0.0)
        if bet.cash is None:
            assert (bet.units, towards[bet.sid]) == (holds, 0)
            continue
        assert bet.cash == round(Decimal(bet.cash), 2)
        if bet.side == "buy":
            assert holds + float(bet.cash) <= part * (1 + 1e-12) + 1e-6
        else:
            assert holds - float(bet.cash) >= part * (1 - 1e-12) - 0.010001


@given(
    sids=st.lists(st.sampled_from("ABCD"), min_size=1, max_size=40),
    begins=st.sets(st.integers(0, 39)),
    cut=st.integers(0, 40),
    towards=tables,
)
def test_a_rebalancing_goes_on_from_a_snapshot(
    sids: list[str], begins: set[int], cut: int, towards: dict[str, Decimal]
) -> None:
    def run(rebalance: Rebalance, numbers: range) -> list[Sequence[Bet]]:
        return [
            rebalance.observe(
                quote(sids[n]), account(30, A=30.0 + n % 3, B=10), towards=towards if n in begins else None
            )
            for n in numbers
        ]

    whole = run(Rebalance(band=Decimal(0)), range(len(sids)))
    cut = min(cut, len(sids))
    other, again = Rebalance(band=Decimal(0)), Rebalance(band=Decimal(0))
    first = run(other, range(cut))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(other.snapshot())))
    assert first + run(again, range(cut, len(sids))) == whole


# -- the portfolios with it


@pytest.mark.parametrize(
    ("part", "params"),
    [
        (TargetWeights, {"weights": {"A": 0.5, "B": 0.3}, "trigger": "quote", "days": 2}),
        (TargetWeights, {"weights": {"A": 0.5, "B": 0.3}, "days": 2}),
        (EqualWeight, {"symbols": ["A", "B"], "days": 2}),
    ],
)
def test_portfolios_go_on_from_a_snapshot(part: type, params: Mapping[str, Any]) -> None:
    def made() -> Any:
        live = part()
        live.initialize(check_params("portfolio", part, params))
        return live

    def ask(live: Any, n: int) -> Any:
        return live.observe(quote("AB"[n % 2], n * DAY // 3), account(40, A=40 - n % 5, B=20))

    for cut in range(0, 20, 3):
        whole, first, again = made(), made(), made()
        expected = [ask(whole, n) for n in range(20)]
        got = [ask(first, n) for n in range(cut)]
        again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))
        assert got + [ask(again, n) for n in range(cut, 20)] == expected
        assert any(expected) is (params.get("trigger") == "quote" or part is EqualWeight)


def test_with_quotes_as_the_trigger_signals_change_nothing() -> None:
    live = TargetWeights()
    live.initialize(check_params("portfolio", TargetWeights, {"weights": {"A": 0.5}, "trigger": "quote"}))
    for answer in (
        live.optimize(Signal("A", "buy"), account(100)),
        live.release(Signal("A", "sell"), account(9, A=1)),
    ):
        (bet,) = answer
        assert bet.cash == 0
        assert "the schedule says" in (bet.reason or "")
    assert sized(live.observe(quote("A"), account(100))) == [("buy", "A", 50)]
