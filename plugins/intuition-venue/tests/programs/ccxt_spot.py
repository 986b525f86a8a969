"""Drives a venue through ccxt as it comes: ``ccxt_spot.py URL KEY SECRET``; prints what was found as one JSON object.

It runs in an environment of ccxt's own, and imports nothing of this project.
"""

import asyncio
import json
import re
import sys
import urllib.request

import ccxt
import ccxt.pro

URL, KEY, SECRET = sys.argv[1:]


def pointed(value):
    """Addresses with the venue in place of the host."""
    if isinstance(value, dict):
        return {name: pointed(each) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    host = URL.partition("://")[2]
    return re.sub(r"^(http|ws)s?://[^/]+", lambda matched: f"{matched[1]}://{host}", value)


def exchange(module, **options):
    made = module.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False, **options})
    made.urls["api"] = pointed(made.urls["api"])
    return made


def tell(what, body):
    data = json.dumps(body).encode()
    urllib.request.urlopen(f"{URL}/_venue/{what}", data=data, timeout=30).close()


def refusal(call, *arguments):
    try:
        call(*arguments)
    except ccxt.BaseError as error:
        return [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("ccxt")]
    return []


def rest(venue):
    symbol, found = "BTC/USDT", {}
    found["markets"] = sorted(venue.load_markets())
    market = venue.market(symbol)
    found["market"] = [market["precision"]["price"], market["precision"]["amount"], market["limits"]["cost"]["min"]]
    found["balance"] = venue.fetch_balance()["total"]
    resting = venue.create_order(symbol, "limit", "buy", 0.1, 59000, {"newClientOrderId": "rests"})
    found["resting"] = [resting["status"], resting["clientOrderId"]]
    found["by client id"] = venue.fetch_order(None, symbol, {"origClientOrderId": "rests"})["id"] == resting["id"]
    found["duplicate"] = refusal(venue.create_order, symbol, "limit", "buy", 0.1, 59000, {"newClientOrderId": "rests"})
    tell("price", {"symbol": "BTCUSDT", "price": "58999", "size": "0.04"})
    partly = venue.fetch_order(resting["id"], symbol)
    found["partly"] = [partly["status"], partly["filled"], partly["remaining"]]
    found["open"] = [order["clientOrderId"] for order in venue.fetch_open_orders(symbol)]
    found["cancelled"] = venue.cancel_order(resting["id"], symbol)["status"]
    found["unknown"] = refusal(venue.cancel_order, resting["id"], symbol)
    tell("price", {"symbol": "BTCUSDT", "price": "60000"})
    market_order = venue.create_order(symbol, "market", "sell", 0.1)
    found["market order"] = [market_order["status"], market_order["filled"], market_order["fees"][0]["currency"]]
    found["fees"] = venue.fetch_my_trades(symbol)[0]["fee"]
    stop = venue.create_order(symbol, "limit", "sell", 0.1, 58000, {"stopLossPrice": 58500})
    edited = venue.edit_order(stop["id"], symbol, "limit", "sell", 0.1, 70000)
    found["edited"] = [edited["status"], edited["price"], venue.fetch_order(stop["id"], symbol)["status"]]
    ioc = venue.create_order(symbol, "limit", "buy", 0.1, 50000, {"timeInForce": "IOC"})
    found["ioc"] = [ioc["status"], ioc["filled"]]
    found["refused"] = refusal(venue.create_order, symbol, "limit", "buy", 100, 59000)
    found["dust"] = refusal(venue.create_order, symbol, "limit", "buy", 0.00001, 59000)
    found["orders"] = len(venue.fetch_orders(symbol))
    found["bars"] = len(venue.fetch_ohlcv(symbol, "1h", limit=5))
    found["book"] = venue.fetch_order_book(symbol)["asks"][0][0] > venue.fetch_ticker(symbol)["last"]
    for name, fault in {
        "lost": {"do": "lose", "acted": True},
        "bad gateway": {"do": "status", "status": 502},
        "limited": {"do": "status", "status": 429, "headers": {"Retry-After": "5"}, "body": '{"code":-1003,"msg":""}'},
        "banned": {"do": "status", "status": 418, "body": '{"code":-1003,"msg":""}'},
    }.items():
        tell("faults", {"on": "POST /api/v3/order", **fault})
        found[name] = refusal(venue.create_order, symbol, "limit", "buy", 0.1, 59000)
    tell("faults", {"on": "POST /api/v3/order", "do": "truncate"})
    found["garbled"] = venue.create_order(symbol, "limit", "buy", 0.1, 59000)["id"]
    tell("clock", {"skew_ms": 20_000})
    found["skewed"] = refusal(venue.fetch_balance)
    venue.load_time_difference()
    venue.options["adjustForTimeDifference"] = True
    found["adjusted"] = venue.fetch_balance()["total"]["USDT"] > 0
    tell("clock", {"skew_ms": 0})
    return found


async def streams(venue):
    symbol, found = "BTC/USDT", {}
    try:
        await venue.load_markets()
        ticker = asyncio.ensure_future(venue.watch_bids_asks([symbol]))
        trades = asyncio.ensure_future(venue.watch_trades(symbol))
        bars = asyncio.ensure_future(venue.watch_ohlcv(symbol, "1m"))
        orders = asyncio.ensure_future(venue.watch_orders(symbol))
        fills = asyncio.ensure_future(venue.watch_my_trades(symbol))
        balance = asyncio.ensure_future(venue.watch_balance())
        waiting = [ticker, trades, bars, orders, fills, balance]
        placed = set()
        while not all(future.done() for future in waiting):
            await asyncio.to_thread(tell, "price", {"symbol": "BTCUSDT", "price": "60000"})
            placed.add((await venue.create_order(symbol, "market", "buy", 0.001))["id"])
            await asyncio.wait(waiting, timeout=0.1)
        found["ticker"] = (await ticker)[symbol]["bid"]
        found["trades"] = (await trades)[0]["price"]
        found["bars"] = len((await bars)[0])
        found["orders"] = {order["id"] for order in await orders} <= placed
        found["fills"] = {fill["order"] for fill in await fills} <= placed
        found["balance"] = (await balance)["total"]["BTC"] > 0
        placed_there = await venue.create_order_ws(symbol, "limit", "buy", 0.1, 59000)
        found["placed"] = placed_there["status"]
        found["cancelled"] = (await venue.cancel_order_ws(placed_there["id"], symbol))["status"]
    finally:
        await venue.close()
    return found


spot = {"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}}
told = {
    "version": ccxt.__version__,
    "rest": rest(exchange(ccxt)),
    "streams": asyncio.run(streams(exchange(ccxt.pro, **spot))),
}
sys.stdout.write(json.dumps(told))
