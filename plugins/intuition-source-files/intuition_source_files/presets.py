"""Layouts in which vendors deliver prices: by what a file is known, and what its columns and times mean."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_N: Final = r"-?\d+(\.\d+)?([eE][+-]?\d+)?"
_WHOLE, _TRUTH, _MOMENT = r"\d+", r"(?i:true|false)", r"\d{13}|\d{16}"
_MONTHS: Final = r"\d{4}-\d\d(-\d\d)?"
_NEW_YORK: Final = "America/New_York"
_SPLITS, _BOTH = "adjusted for splits, not for dividends", "adjusted for splits and dividends"
_SERVER: Final = "MetaTrader writes the time of its server, which the file does not name"


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A layout of files."""

    name: str
    """What it is called; several layouts of one vendor may have the same name."""
    title: str
    """Whose it is, and what is in it."""
    header: str = ""
    """The columns, with commas between them; ``?`` at an end means that it may be missing, ``*`` is any text, ``|`` is
    between several names of one, and a last ``...`` lets there be others. Case and order do not matter."""
    exact: bool = False
    """Whether the case of the header's names matters."""
    ordered: bool = False
    """Whether their order matters."""
    cells: tuple[str, ...] = ()
    """Of a layout without a header: what the cells of the first row look like."""
    columns: tuple[str, ...] = ()
    """Of a layout without a header: what its columns are called."""
    file: str = ""
    """What a file's name without its ending looks like. Its groups ``symbol``, ``bar``, ``minutes``, ``zone`` and
    ``adjusted`` say what they are called."""
    named: bool = False
    """Whether a file must be called so to be of this layout."""
    formats: tuple[str, ...] = ()
    """How times may be written, where it is not as in ISO 8601."""
    options: Mapping[str, Any] = {}
    """What options are where nobody says otherwise; names of columns may have ``*``."""
    ask: Mapping[str, str] = {}
    """Options that the file cannot tell and that are needed where times are no dates alone, and why."""
    prices: str = ""
    """What kind of prices they are, where the layout says so."""
    adjusted: str = "not told whether prices are adjusted"
    left_out: tuple[str, ...] = ()
    """Columns that are not passed on."""
    carried: tuple[str, ...] = ()
    """Columns of prices in which an empty cell means the value before."""
    traded: bool = True
    """Whether the column of volumes counts units; where not, and its first cell is zero, it is left out."""
    divisor: int = 1
    """What a written price is divided by."""
    packed: bool = False
    """Whether it is known only in an archive that is called as the file in it."""
    folders: tuple[str, ...] = ()
    """In folders of which names it is none of this layout."""


_OPEN: Final = {"stamp": "open"}
_CRYPTO: Final = {"stamp": "open", "timezone": "UTC"}
_DOWNLOADED: Final[dict[str, Any]] = {"options": _OPEN, "adjusted": f"{_BOTH}, as it is by default"}
_KLINES: Final = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count")
_TAKERS: Final = ("taker_buy_volume", "taker_buy_quote_volume", "ignore")
_BINANCE: Final = rf"(?P<symbol>[A-Z0-9_]+)-(?P<bar>\d+(s|m|h|d|w|mo))-{_MONTHS}"
_TRADES: Final[dict[str, Any]] = {
    "file": rf"(?P<symbol>[A-Z0-9_]+)-trades-{_MONTHS}",
    "options": {"timezone": "UTC", "volume": "qty"},
    "prices": "trades",
    "adjusted": "nothing to adjust",
}
_AGGREGATED: Final[dict[str, Any]] = {
    "file": rf"(?P<symbol>[A-Z0-9_]+)-aggTrades-{_MONTHS}",
    "options": {"timezone": "UTC", "time": "transact_time", "volume": "quantity"},
    "prices": "trades",
    "adjusted": "nothing to adjust",
}
_AGGREGATED_COLUMNS: Final = (
    *("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id"),
    *("transact_time", "is_buyer_maker"),
)
_OHLC: Final = ("open", "high", "low", "close")
_OTHERS: Final = ("crypto", "cryptofuture", "forex", "cfd", "future", "futureoption")
"""LEAN's folders of prices that stand as they are, where those of equities are in ten-thousandths."""

_HISTORICAL: Final = r"(?P<symbol>.+?)( -)? (Historical Data|Historische Daten).*"
_UNADJUSTED: Final = "not adjusted: trades as they were"

PRESETS: Final = (
    Preset(
        name="yahoo",
        title="Yahoo, from the download page or `yfinance.download`",
        header="Date|Datetime,Open,High,Low,Close,Adj Close,Volume",
        options={**_OPEN, "close": "Close"},
        adjusted=_SPLITS,
    ),
    Preset(
        name="yfinance",
        title="`yfinance`'s `history()` as it is by default",
        header="Date|Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits,Capital Gains?",
        options={**_OPEN, "actions": "adjusted"},
        adjusted=f"{_BOTH}, as `history()` does by default",
        left_out=("Capital Gains",),
    ),
    Preset(
        name="yfinance",
        title="`yfinance`'s `history(auto_adjust=False)`",
        header="Date|Datetime,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits,Capital Gains?",
        options={**_OPEN, "close": "Close", "actions": "dividends"},
        adjusted=f"{_SPLITS}; dividends are booked",
        left_out=("Capital Gains",),
    ),
    Preset(
        name="yfinance-download",
        title="`yfinance.download` of one symbol, without a line of symbols",
        header="Date|Datetime,Close,High,Low,Open,Volume",
        ordered=True,
        **_DOWNLOADED,
    ),
    Preset(
        name="yfinance-download",
        title="`yfinance.download`, with a line of fields above one of symbols",
        **_DOWNLOADED,
    ),
    Preset(
        name="stooq",
        title="Stooq's bulk files, and others with its header",
        header="<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>?",
        options={"symbol": "<TICKER>", "time": "<DATE>", "time_of_day": "<TIME>", "volume": "<VOL>"},
        ask={
            "timezone": "the file does not tell it",
            "stamp": "the file does not tell whether bars open or close then",
        },
        left_out=("<PER>", "<OPENINT>"),
    ),
    Preset(
        name="binance-klines",
        title="Binance's klines, spot and futures",
        cells=(_MOMENT, *(_N,) * 5, _MOMENT, _N, _WHOLE, _N, _N, r"\d+(\.\d+)?"),
        columns=(*_KLINES, *_TAKERS),
        file=_BINANCE,
        options={**_CRYPTO, "time": "open_time"},
        adjusted="nothing to adjust",
        left_out=("close_time", "ignore"),
    ),
    Preset(
        name="binance-klines",
        title="Binance's klines, with a header",
        header=",".join((*_KLINES, *_TAKERS)),
        file=_BINANCE,
        options={**_CRYPTO, "time": "open_time"},
        adjusted="nothing to adjust",
        left_out=("close_time", "ignore"),
    ),
    Preset(
        name="binance-trades",
        title="Binance's trades, spot",
        cells=(_WHOLE, _N, _N, _N, _MOMENT, _TRUTH, _TRUTH),
        columns=("trade_id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
        **_TRADES,
    ),
    Preset(
        name="binance-trades",
        title="Binance's trades, futures",
        header="id,price,qty,quote_qty,time,is_buyer_maker",
        **_TRADES,
    ),
    Preset(
        name="binance-trades",
        title="Binance's trades, futures, without a header",
        cells=(_WHOLE, _N, _N, _N, _MOMENT, _TRUTH),
        columns=("trade_id", "price", "qty", "quote_qty", "time", "is_buyer_maker"),
        **_TRADES,
    ),
    Preset(
        name="binance-aggtrades",
        title="Binance's aggregated trades",
        cells=(_WHOLE, _N, _N, _WHOLE, _WHOLE, _MOMENT, _TRUTH, _TRUTH),
        columns=(*_AGGREGATED_COLUMNS, "is_best_match"),
        **_AGGREGATED,
    ),
    Preset(
        name="binance-aggtrades",
        title="Binance's aggregated trades, futures, without a header",
        cells=(_WHOLE, _N, _N, _WHOLE, _WHOLE, _MOMENT, _TRUTH),
        columns=_AGGREGATED_COLUMNS,
        **_AGGREGATED,
    ),
    Preset(
        name="binance-aggtrades",
        title="Binance's aggregated trades, futures",
        header=",".join(_AGGREGATED_COLUMNS),
        **_AGGREGATED,
    ),
    Preset(
        name="kraken",
        title="Kraken's OHLCVT",
        cells=(r"\d{10}", *(_N,) * 5, _WHOLE),
        columns=("time", *_OHLC, "volume", "trades"),
        file=r"(?P<symbol>[A-Z0-9.]+)_(?P<minutes>\d{1,5})",
        options=_CRYPTO,
        adjusted="nothing to adjust",
    ),
    Preset(
        name="kraken-trades",
        title="Kraken's time and sales",
        cells=(r"\d{10}(\.\d+)?", _N, _N),
        columns=("time", "price", "volume"),
        options={"timezone": "UTC"},
        prices="trades",
        adjusted="nothing to adjust",
    ),
    Preset(
        name="metatrader",
        title="MetaTrader 4's history centre",
        cells=(r"\d{4}\.\d\d\.\d\d", r"\d\d:\d\d", *(_N,) * 5),
        columns=("date", "time", *_OHLC, "tickvol"),
        options={**_OPEN, "time": "date", "time_of_day": "time"},
        ask={"timezone": _SERVER},
        prices="bids",
        adjusted="not adjusted: quotes as they were",
    ),
    Preset(
        name="metatrader",
        title="MetaTrader 5's bars",
        header="<DATE>,<TIME>?,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>?,<VOL>?,<SPREAD>?",
        file=r"(?P<symbol>.+)_(M\d+|H\d+|Daily|Weekly|Monthly)_\d{8,12}_\d{8,12}",
        options={**_OPEN, "time": "<DATE>", "time_of_day": "<TIME>", "volume": "<VOL>"},
        ask={"timezone": _SERVER},
        prices="bids",
        adjusted="not adjusted: quotes as they were",
        traded=False,
    ),
    Preset(
        name="metatrader-ticks",
        title="MetaTrader 5's ticks",
        header="<DATE>,<TIME>,<BID>,<ASK>,<LAST>?,<VOLUME>?,<FLAGS>?",
        file=r"(?P<symbol>.+)_\d{8,12}_\d{8,12}",
        options={"time": "<DATE>", "time_of_day": "<TIME>", "quote": "<BID>", "bid": "<BID>", "ask": "<ASK>"},
        ask={"timezone": _SERVER},
        prices="bids, with asks",
        adjusted="not adjusted: quotes as they were",
        left_out=("<LAST>", "<VOLUME>", "<FLAGS>"),
        carried=("<BID>", "<ASK>"),
    ),
    Preset(
        name="histdata",
        title="HistData's bars, ASCII",
        cells=(r"\d{8} \d{6}", *(_N,) * 5),
        columns=("time", *_OHLC, "volume"),
        file=r"DAT_ASCII_(?P<symbol>[A-Z0-9]+)_(?P<bar>M1)_\d{4,6}",
        formats=("%Y%m%d %H%M%S",),
        options={**_OPEN, "timezone": "Etc/GMT+5"},
        prices="bids",
        adjusted="nothing to adjust",
        traded=False,
    ),
    Preset(
        name="histdata",
        title="HistData's bars for MetaTrader",
        cells=(r"\d{4}\.\d\d\.\d\d", r"\d\d:\d\d", *(_N,) * 5),
        columns=("date", "time", *_OHLC, "volume"),
        file=r"DAT_MT_(?P<symbol>[A-Z0-9]+)_(?P<bar>M1)_\d{4,6}",
        named=True,
        options={**_OPEN, "timezone": "Etc/GMT+5", "time": "date", "time_of_day": "time"},
        prices="bids",
        adjusted="nothing to adjust",
        traded=False,
    ),
    Preset(
        name="histdata-ticks",
        title="HistData's ticks, ASCII",
        cells=(r"\d{8} \d{9}", _N, _N, _N),
        columns=("time", "bid", "ask", "volume"),
        file=r"DAT_ASCII_(?P<symbol>[A-Z0-9]+)_T_\d{4,6}",
        formats=("%Y%m%d %H%M%S%f",),
        options={"timezone": "Etc/GMT+5", "quote": "bid", "bid": "bid"},
        prices="bids, with asks",
        adjusted="nothing to adjust",
        traded=False,
    ),
    Preset(
        name="dukascopy",
        title="Dukascopy's candles",
        header="Gmt time|Local time|Time (EET)|Time (UTC)|Time (GMT),Open,High,Low,Close,Volume?",
        file=r"(?P<symbol>.+?)_Candlestick_(?P<bar>\d+_(s|M|Hour|D))_(BID|ASK)_.*",
        formats=("%d.%m.%Y %H:%M:%S.%f GMT%z", "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%Y.%m.%d %H:%M:%S"),
        options=_OPEN,
        ask={"timezone": "the file does not tell it"},
        prices="one side of quotes",
        adjusted="not adjusted: quotes as they were",
    ),
    Preset(
        name="dukascopy-ticks",
        title="Dukascopy's ticks",
        header="Gmt time|Local time|Time (EET)|Time (UTC)|Time (GMT),Ask,Bid,AskVolume,BidVolume",
        file=r"(?P<symbol>.+?)_Ticks_.*",
        formats=("%d.%m.%Y %H:%M:%S.%f GMT%z", "%d.%m.%Y %H:%M:%S.%f", "%Y.%m.%d %H:%M:%S.%f"),
        options={"quote": "Bid", "bid": "Bid", "ask": "Ask"},
        ask={"timezone": "the file does not tell it"},
        prices="bids, with asks",
        adjusted="not adjusted: quotes as they were",
    ),
    Preset(
        name="alphavantage",
        title="Alpha Vantage, adjusted",
        header="timestamp,open,high,low,close,adjusted_close|adjusted close,volume,dividend_amount|dividend amount,"
        "split_coefficient?",
        file=r"(daily|weekly|monthly)_adjusted_(?P<symbol>.+)",
        options={"close": "close", "actions": "book"},
        adjusted="not adjusted; splits and dividends are booked",
    ),
    Preset(
        name="alphavantage",
        title="Alpha Vantage",
        header="timestamp,open,high,low,close,volume?",
        file=r"(intraday_(?P<bar>\d+min)|daily|weekly|monthly)_(?P<symbol>(?!adjusted).+)",
        named=True,
        options={"stamp": "open", "timezone": _NEW_YORK},
        adjusted="intraday adjusted for splits and dividends unless asked otherwise, daily not adjusted",
    ),
    Preset(
        name="polygon",
        title="Polygon's flat files of bars",
        header="ticker,volume,open,close,high,low,window_start,transactions",
        options={"stamp": "open", "timezone": _NEW_YORK, "time": "window_start", "sort": True},
        adjusted="not adjusted: trades as they were",
    ),
    Preset(
        name="polygon-trades",
        title="Polygon's flat files of trades",
        header="ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,"
        "tape?,trf_id?,trf_timestamp?",
        options={"timezone": "UTC", "time": "sip_timestamp", "volume": "size", "sort": True},
        prices="trades",
        adjusted="not adjusted: trades as they were",
        left_out=("id", "conditions"),
    ),
    Preset(
        name="tradingview",
        title="TradingView's chart export",
        header="time,open,high,low,close,Volume,...",
        exact=True,
        file=r"(?P<exchange>[A-Z0-9_]+)_(?P<symbol>[^,]+), ?(?P<bar>\d+[A-Z]?|[A-Z])( .*|_[0-9a-f]+)?",
        options={**_OPEN, "timezone": "UTC"},
        adjusted="adjusted as the chart was: for splits always, for dividends if it was set so",
    ),
    Preset(
        name="tradingview",
        title="TradingView's chart export, without volumes",
        header="time,open,high,low,close,...",
        file=r"(?P<exchange>[A-Z0-9_]+)_(?P<symbol>[^,]+), ?(?P<bar>\d+[A-Z]?|[A-Z])( .*|_[0-9a-f]+)?",
        named=True,
        options={**_OPEN, "timezone": "UTC"},
        adjusted="adjusted as the chart was: for splits always, for dividends if it was set so",
    ),
    Preset(
        name="interactive-brokers",
        title="Interactive Brokers' API, as `ib_insync` and `ib_async` write it",
        header="?,date|time,open,high,low,close,volume,average|wap,barCount|count,hasGaps?",
        formats=("%Y%m%d %H:%M:%S",),
        options=_OPEN,
        ask={"timezone": "TWS writes times in the zone that was chosen at its login"},
        adjusted="trades are adjusted for splits, not for dividends",
        left_out=("",),
    ),
    Preset(
        name="investing",
        title="Investing.com",
        header="Date,Price,Open,High,Low,Vol.?,Change %?",
        file=_HISTORICAL,
        formats=("%m/%d/%Y", "%d/%m/%Y", "%b %d, %Y"),
        options={**_OPEN, "close": "Price", "quote": "Price", "volume": "Vol.", "thousands": ",", "decimal": "."},
        adjusted=_SPLITS,
        left_out=("Change %",),
    ),
    Preset(
        name="investing",
        title="Investing.com in German",
        header="Datum,Zuletzt,Eröffn.,Hoch,Tief,Vol.?,+/- %?",
        file=_HISTORICAL,
        formats=("%d.%m.%Y",),
        options={
            **_OPEN,
            "time": "Datum",
            "close": "Zuletzt",
            "open": "Eröffn.",
            "high": "Hoch",
            "low": "Tief",
            "volume": "Vol.",
            "thousands": ".",
            "decimal": ",",
        },
        adjusted=_SPLITS,
        left_out=("+/- %",),
    ),
    Preset(
        name="investing",
        title="Investing.com in French",
        header="Date,Dernier,Ouv.,Plus Haut,Plus Bas,Vol.?,Variation %?",
        formats=("%d/%m/%Y",),
        options={
            **_OPEN,
            "close": "Dernier",
            "open": "Ouv.",
            "high": "Plus Haut",
            "low": "Plus Bas",
            "volume": "Vol.",
            "thousands": ".",
            "decimal": ",",
        },
        adjusted=_SPLITS,
        left_out=("Variation %",),
    ),
    Preset(
        name="nasdaq",
        title="Nasdaq's historical quotes",
        header="Date,Close/Last,Volume?,Open,High,Low",
        formats=("%m/%d/%Y",),
        options={"close": "Close/Last", "timezone": _NEW_YORK, "thousands": ",", "decimal": "."},
        adjusted=_SPLITS,
    ),
    Preset(
        name="cryptodatadownload",
        title="CryptoDataDownload",
        header="unix,date,symbol,open,high,low,close,Volume*,Volume *?,tradecount?,buyTakerAmount?,buyTakerQuantity?,"
        "weightedAverage?",
        file=r"(?P<exchange>[A-Za-z]+)_(?P<pair>\w+)_.*",
        options={**_CRYPTO, "time": "unix", "symbol": "symbol", "volume": "Volume*"},
        adjusted="nothing to adjust",
        left_out=("date",),
    ),
    Preset(
        name="firstrate",
        title="FirstRate Data's stocks and funds",
        cells=(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", *(_N,) * 5),
        columns=("time", *_OHLC, "volume"),
        file=r"(?P<symbol>[A-Z0-9.\-]+)_(full_)?(?P<bar>1min|5min|30min|1hour|1day)_(?P<adjusted>adjsplitdiv|adjsplit|"
        r"(?i:unadjusted))",
        named=True,
        options={**_OPEN, "timezone": _NEW_YORK},
    ),
    Preset(
        name="firstrate",
        title="FirstRate Data's futures, currencies and indices",
        cells=(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", *(_N,) * 4, rf"({_N})?"),
        columns=("time", *_OHLC, "volume"),
        file=r"(?P<symbol>[A-Z0-9.\-]+)_(full_)?(?P<bar>1min|5min|30min|1hour|1day)",
        named=True,
        options=_OPEN,
        ask={"timezone": "the file does not tell it"},
    ),
    Preset(
        name="freqtrade",
        title="freqtrade's candles",
        header="date,open,high,low,close,volume",
        file=r"(?P<symbol>[A-Z0-9]+_[A-Z0-9]+(_[A-Z0-9]+)?)-(?P<bar>\d+(m|h|d|w|M))(-\w+)?",
        named=True,
        options=_CRYPTO,
        adjusted="nothing to adjust",
    ),
    Preset(
        name="lean-minute",
        title="LEAN's minutes, seconds and ticks of equities",
        cells=(r"\d{1,8}(\.\d+)?", *(_WHOLE,) * 5),
        columns=("time", *_OHLC, "volume"),
        file=r"(?P<day>\d{8})_(?P<symbol>[^_]+)_(minute|second)_trade",
        named=True,
        options={**_OPEN, "timezone": _NEW_YORK},
        adjusted=_UNADJUSTED,
        divisor=10_000,
        folders=_OTHERS,
    ),
    Preset(
        name="lean-daily",
        title="LEAN's days and hours of equities",
        cells=(r"\d{8} \d\d:\d\d", *(_WHOLE,) * 5),
        columns=("time", *_OHLC, "volume"),
        file=r"(?P<symbol>.+)",
        packed=True,
        folders=_OTHERS,
        formats=("%Y%m%d %H:%M",),
        options={**_OPEN, "timezone": _NEW_YORK},
        adjusted=_UNADJUSTED,
        divisor=10_000,
    ),
    Preset(
        name="ariva",
        title="German portals with columns of pieces and turnover",
        header="Datum,Erster|Eröffnung,Hoch,Tief,Schlusskurs|Schluss,Stuecke|Stücke,Volumen?",
        options={"volume": "St*cke", "time": "Datum"},
        left_out=("Volumen",),
    ),
)
"""The layouts that are known."""

NAMES: Final = tuple(dict.fromkeys(preset.name for preset in PRESETS))
"""What they are called."""
