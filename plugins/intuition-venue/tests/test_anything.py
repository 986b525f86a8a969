"""Whatever is sent is answered: by an order, or by an error in the interface's own words."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_venue.instruments import chosen
from intuition_venue.spot import lists, trading
from intuition_venue.spot.errors import SpotError
from intuition_venue.spot.params import Params
from intuition_venue.stocks import data, errors
from intuition_venue.stocks import trading as stocks_trading
from intuition_venue.venue import Settings, Venue

NUMBERS = ["0.1", "1", "0", "-1", "1e400", "nan", "inf", "0.000000001", "59000", "61000", "1e12", "x", "", "٣", "1_0"]
SYMBOLS, SIDES = ["BTCUSDT", "ETHUSDT", "NOPE", ""], ["BUY", "SELL", "buy", ""]
TYPES = ["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT", "OCO", ""]


def any_of(**choices: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in choices.items()})


NAMES = ("quantity", "price", "stopPrice", "quoteOrderQty", "orderId", "limit", "fromId", "startTime", "endTime")
ORDERS = any_of(
    symbol=SYMBOLS,
    side=SIDES,
    type=TYPES,
    timeInForce=["GTC", "IOC", "FOK", "DAY", ""],
    newClientOrderId=["mine", "no spaces", "x" * 40, ""],
    origClientOrderId=["mine", ""],
    cancelReplaceMode=["STOP_ON_FAILURE", "ALLOW_FAILURE", "NEVER"],
    cancelOrigClientOrderId=["mine"],
    newOrderRespType=["ACK", "FULL", "ALL"],
    **dict.fromkeys(NAMES, NUMBERS),
)
LISTS = any_of(
    symbol=SYMBOLS,
    side=SIDES,
    **{f"{prefix}Type": TYPES for prefix in ("above", "below", "working", "pending", "pendingAbove", "pendingBelow")},
    **{f"{prefix}Side": SIDES for prefix in ("working", "pending")},
    **dict.fromkeys(
        (
            *("quantity", "price", "stopPrice", "stopLimitPrice", "orderListId"),
            *(f"{prefix}Quantity" for prefix in ("working", "pending")),
            *(f"{prefix}Price" for prefix in ("above", "below", "working", "pending", "pendingAbove", "pendingBelow")),
            *(f"{prefix}StopPrice" for prefix in ("above", "below", "pending", "pendingAbove", "pendingBelow")),
        ),
        NUMBERS,
    ),
)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(NUMBERS),
    st.text(max_size=5),
    st.just([1]),
    st.just({}),
)
LEG = st.one_of(ANYTHING, st.fixed_dictionaries({}, optional={"limit_price": ANYTHING, "stop_price": ANYTHING}))
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["AAPL", "NOPE"]),
        "side": st.sampled_from(["buy", "sell", 3]),
        "type": st.sampled_from(["market", "limit", "stop", "stop_limit", "none"]),
        "time_in_force": st.sampled_from(["day", "gtc", "ioc", "fok", "opg"]),
        "order_class": st.sampled_from(["", "simple", "bracket", "oco", "oto", "mleg"]),
        "take_profit": LEG,
        "stop_loss": LEG,
        **dict.fromkeys(("qty", "notional", "limit_price", "stop_price", "client_order_id"), ANYTHING),
    },
)
QUERIES = any_of(
    timeframe=["1Min", "3Hour", "1Day", "0Min", "1Week", ""],
    start=["2026-01-01", "2026-01-01T00:00:00.123456789Z", "never", ""],
    end=["2026-01-01T00:00:00+02:00", "1e400"],
    limit=[*NUMBERS],
    page_token=["", "x", "MTA=", "LTE="],
    sort=["asc", "desc"],
    status=["open", "closed", "all", "none"],
    direction=["asc", "desc"],
    after=["2026-01-01", "never"],
    page_size=[*NUMBERS],
)


def made(shape: str, folder: Path) -> Iterator[Venue]:
    venue = Venue(Settings(shape=shape, instruments=chosen(shape, ()), log=folder / "log.jsonl"))
    yield venue
    venue.close()


@pytest.fixture(scope="module")
def spot_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    yield from made("spot", tmp_path_factory.mktemp("spot"))


@pytest.fixture(scope="module")
def stocks_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    yield from made("stocks", tmp_path_factory.mktemp("stocks"))


@settings(max_examples=300, deadline=None)
@given(
    params=ORDERS, what=st.sampled_from(["place", "show", "cancel", "cancel_all", "replace", "all", "trades", "open"])
)
def test_orders_of_the_spot_interface(spot_venue: Venue, params: dict[str, str], what: str) -> None:
    with suppress(SpotError):
        assert getattr(trading.Trading(spot_venue), what)(Params(params)) is not None


@settings(max_examples=200, deadline=None)
@given(params=LISTS, what=st.sampled_from(["oco", "old_oco", "oto", "otoco", "show", "cancel"]))
def test_lists_of_the_spot_interface(spot_venue: Venue, params: dict[str, str], what: str) -> None:
    with suppress(SpotError):
        assert getattr(lists.Lists(spot_venue), what)(Params(params)) is not None


@settings(max_examples=300, deadline=None)
@given(body=BODIES)
def test_orders_of_the_stocks_interface(stocks_venue: Venue, body: dict[str, Any]) -> None:
    asked = stocks_trading.Trading(stocks_venue)
    with suppress(errors.StocksError):
        placed = asked.place(body)
        asked.replace(placed["id"], body)


@settings(max_examples=150, deadline=None)
@given(query=QUERIES, kind=st.sampled_from(["bars", "trades", "quotes", "orders", "activities"]))
def test_queries_of_the_stocks_interface(stocks_venue: Venue, query: dict[str, str], kind: str) -> None:
    with suppress(errors.StocksError):
        if kind in {"orders", "activities"}:
            assert isinstance(getattr(stocks_trading.Trading(stocks_venue), kind)(query), list)
        else:
            assert data.Data(stocks_venue).one(kind, "AAPL", query)["symbol"] == "AAPL"
