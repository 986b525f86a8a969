"""By what names columns of recorded data are known, the same for all sources."""

import re
from collections.abc import Collection, Mapping
from typing import Final

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        *("timestamp", "datetime", "date", "time", "ts"),
        *("unix", "unixtime", "unix time", "unix timestamp", "epoch"),
        *("gmt time", "local time", "time (utc)", "time (gmt)", "time (eet)", "datum", "fecha"),
    ),
    "symbol": ("symbol", "sid", "ticker"),
    "quote": ("quote", "price", "kurs", "cours"),
    "open": ("open", "eröffnung", "eröffnungskurs", "erster", "ouverture", "apertura"),
    "high": ("high", "hoch", "tageshoch", "plus haut", "máximo"),
    "low": ("low", "tief", "tagestief", "plus bas", "mínimo"),
    "close": ("close", "schluss", "schlusskurs", "clôture", "cierre"),
    "volume": ("volume", "volumen"),
    "bid": ("bid",),
    "ask": ("ask",),
}
"""By what names, in small letters, the columns of each kind are known."""

PRICES: Final = ("open", "high", "low", "close", "bid", "ask")
"""The fields of an event that are prices, besides its quote."""

CLOCKS: Final = frozenset({"time", "uhrzeit", "zeit", "heure", "hora"})
"""By what names columns of times of day are known, beside one of dates."""

DAYS: Final = ("date", "datum", "fecha")
"""By what names columns of dates are known, beside one of times of day."""

DIVIDENDS: Final = frozenset(
    {
        *("dividend", "dividends", "dividend amount", "div cash", "divcash", "ex dividend"),
        *("cash dividend", "cash dividends"),
    }
)
"""By what names columns of dividends are known, as `plain_name` gives them."""

SPLITS: Final = frozenset(
    {
        *("split", "splits", "stock split", "stock splits", "split factor", "splitfactor", "split ratio"),
        "split coefficient",
    }
)
"""By what names columns of splits are known, as `plain_name` gives them."""

MARKET: Final = frozenset(
    {
        *("volume", "vol", "volumen", "volumes", "tickvol", "tick volume", "base volume", "quote volume", "turnover"),
        *("bid", "ask", "mid", "last", "last price", "px last", "close last", "closing price", "price close", "vwap"),
        *("adj close", "adjclose", "adjusted close", "close adj", "adjusted", "unadjusted close"),
        *("settle", "settlement", "settlement price", "settle price", "open interest", "openinterest", "openint", "oi"),
        *("trades", "number of trades", "count", "spread", "change", "change %", "chg", "return", "returns"),
        *("hoch", "tief", "eröffnung", "schluss", "schlusskurs", "kurs", "cierre", "apertura", "clôture", "ouverture"),
        *("value", "average", "mean", "median", "wert"),
        *("previous close", "prev close", "bid size", "ask size", "bidsize", "asksize", "size", *DIVIDENDS, *SPLITS),
    }
)
"""What no symbol of a table with a column for each is called, as `plain_name` gives it, but what a row says of one."""


def known_name(name: str) -> str:
    """Return a column's name as those in `NAMES` are written."""
    return name.strip().strip("<>").lower()


def plain_name(name: str) -> str:
    """Return a column's name in small letters, without what some write around and between words."""
    return " ".join(re.sub(r"[_.\-]+", " ", name.strip().strip("<>*")).lower().split())


def called(names: Collection[str], kind: str) -> list[str]:
    """Return those of some columns' names by which columns of a kind are known."""
    return [name for name in names if known_name(name) in NAMES[kind]]
