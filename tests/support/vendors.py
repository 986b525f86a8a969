"""Files of forty rows as vendors deliver them, and what is in them."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ROWS = 40
NEW_YORK = ZoneInfo("America/New_York")
EST = ZoneInfo("Etc/GMT+5")
HELSINKI = ZoneInfo("Europe/Helsinki")


@dataclass(frozen=True)
class Bar:
    """A bar as the market had it."""

    begin: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


def bars(begin: datetime, step: timedelta, price: float = 100.0, digits: int = 2) -> list[Bar]:
    """Make forty bars, each a step later by the clock of the zone."""
    made = []
    for number in range(ROWS):
        close = round(price * (1 + 0.001 * ((number * 7) % 11 - 5)), digits)
        open_ = round(price * (1 + 0.001 * ((number * 5) % 11 - 5)), digits)
        high, low = round(max(open_, close) * 1.002, digits), round(min(open_, close) * 0.998, digits)
        made.append(Bar(begin + number * step, open_, high, low, close, 1000 + 10 * number))
    return made


def days(price: float = 100.0, digits: int = 2) -> list[Bar]:
    """Make forty bars of days that follow each other."""
    return bars(datetime(2024, 1, 2, tzinfo=UTC), timedelta(days=1), price, digits)


@dataclass(frozen=True)
class File:
    """A file, and what is to come of it."""

    vendor: str
    name: str
    content: str | bytes
    bars: list[Bar]
    length: timedelta
    """How long a bar lasts; none for single prices."""
    sid: str = "AAPL"
    params: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    zone: str = "UTC"
    dates: bool = False
    source: str = "Csv"
    fields: tuple[str, ...] = ("open", "high", "low", "close", "volume")
    says: tuple[str, ...] = ()


def lines(header: str | None, made: list[Bar], row: Callable[[Bar], str], *, backwards: bool = False) -> str:
    """Write a header and a line for each bar."""
    rows = [row(bar) for bar in (reversed(made) if backwards else made)]
    return "\n".join(([header] if header is not None else []) + rows) + "\n"


def ohlcv(bar: Bar, mark: str = ",") -> str:
    """Write prices and volume."""
    return mark.join(map(str, (bar.open, bar.high, bar.low, bar.close, bar.volume)))


def zipped(name: str, content: str) -> bytes:
    """Pack one file."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return into.getvalue()


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(moment.timestamp()) * 1000


def billionths(price: float) -> int:
    """Return a price as a whole number of billionths."""
    return round(price * 100) * 10**7


def german(number: float) -> str:
    """Write a number as in German."""
    return f"{number:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


def files() -> list[File]:
    """Return one file of each layout."""
    one_day, minute, hour = timedelta(days=1), timedelta(minutes=1), timedelta(hours=1)
    daily = days()
    session = bars(datetime(2024, 1, 2, 9, 30, tzinfo=NEW_YORK), minute)
    utc = bars(datetime(2024, 1, 2, tzinfo=UTC) + minute, minute, 42000.5)
    fx = bars(datetime(2024, 1, 2, 0, 1, tzinfo=EST), minute, 1.1, 5)
    server = bars(datetime(2024, 1, 2, 9, 0, tzinfo=HELSINKI), minute, 1.1, 5)
    made = [
        File(
            "Yahoo, download page",
            "AAPL.csv",
            lines(
                "Date,Open,High,Low,Close,Adj Close,Volume",
                daily,
                lambda b: f"{b.begin:%Y-%m-%d},{b.open},{b.high},{b.low},{b.close},{b.close * 0.9:.6f},{b.volume}",
            ),
            daily,
            one_day,
            dates=True,
            preset="yahoo",
            says=("adjusted for splits, not for dividends",),
        ),
        File(
            "yfinance, history",
            "AAPL.csv",
            lines(
                "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits",
                [Bar(b.begin.replace(tzinfo=NEW_YORK), b.open, b.high, b.low, b.close, b.volume) for b in daily],
                lambda b: f"{b.begin.isoformat(' ')},{ohlcv(b)},{0.24 if b.begin.day == 9 else 0.0},0.0",
            ),
            [Bar(b.begin.replace(tzinfo=NEW_YORK), b.open, b.high, b.low, b.close, b.volume) for b in daily],
            one_day,
            dates=True,
            preset="yfinance",
            zone="as written",
            says=("adjusted for splits and dividends",),
        ),
        File(
            "yfinance, intraday",
            "AAPL.csv",
            lines(
                "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits",
                session,
                lambda b: f"{b.begin.isoformat(' ')},{ohlcv(b)},0.0,0.0",
            ),
            session,
            minute,
            preset="yfinance",
        ),
        File(
            "yfinance, download of one",
            "download.csv",
            "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
            + lines(None, daily, lambda b: f"{b.begin:%Y-%m-%d},{b.close},{b.high},{b.low},{b.open},{b.volume}"),
            daily,
            one_day,
            dates=True,
            preset="yfinance-download",
        ),
        File(
            "Stooq, daily",
            "AAPL.csv",
            lines("Date,Open,High,Low,Close,Volume", daily, lambda b: f"{b.begin:%Y-%m-%d},{ohlcv(b)}"),
            daily,
            one_day,
            dates=True,
        ),
        File(
            "Stooq, daily in Polish",
            "AAPL.csv",
            lines(
                "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen",
                daily,
                lambda b: f"{b.begin:%Y-%m-%d},{ohlcv(b)}",
            ),
            daily,
            one_day,
            dates=True,
            preset="stooq",
        ),
        File(
            "Stooq, bulk daily",
            "aapl.us.txt",
            lines(
                "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
                daily,
                lambda b: f"AAPL.US,D,{b.begin:%Y%m%d},000000,{ohlcv(b)},0",
            ),
            daily,
            one_day,
            sid="AAPL.US",
            dates=True,
            preset="stooq",
        ),
        File(
            "Stooq, bulk intraday",
            "aapl.us.txt",
            lines(
                "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
                session,
                lambda b: f"AAPL.US,1,{b.begin:%Y%m%d,%H%M%S},{ohlcv(b)},0",
            ),
            session,
            minute,
            sid="AAPL.US",
            preset="stooq",
            zone="America/New_York",
            params={"timezone": "America/New_York", "stamp": "open", "bar": "1m"},
        ),
        File(
            "Binance, klines",
            "BTCUSDT-1m-2024-01.csv",
            lines(
                None, utc, lambda b: f"{milliseconds(b.begin)},{ohlcv(b)},{milliseconds(b.begin) + 59999},1.5,7,1,1,0"
            ),
            utc,
            minute,
            sid="BTCUSDT",
            preset="binance-klines",
        ),
        File(
            "Binance, klines in microseconds, zipped",
            "BTCUSDT-1m-2025-01.zip",
            zipped(
                "BTCUSDT-1m-2025-01.csv",
                lines(
                    None,
                    utc,
                    lambda b: f"{milliseconds(b.begin)}000,{ohlcv(b)},{milliseconds(b.begin) + 59999}999,1.5,7,1,1,0",
                ),
            ),
            utc,
            minute,
            sid="BTCUSDT",
            preset="binance-klines",
        ),
        File(
            "Binance, klines of futures",
            "BTCUSDT-1m-2024-02.csv",
            lines(
                "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
                "taker_buy_quote_volume,ignore",
                utc,
                lambda b: f"{milliseconds(b.begin)},{ohlcv(b)},{milliseconds(b.begin) + 59999},1.5,7,1,1,0",
            ),
            utc,
            minute,
            sid="BTCUSDT",
            preset="binance-klines",
        ),
        File(
            "Binance, trades",
            "BTCUSDT-trades-2024-01-02.csv",
            lines(None, utc, lambda b: f"{b.volume},{b.close},0.5,21000.2,{milliseconds(b.begin)},True,True"),
            utc,
            timedelta(0),
            sid="BTCUSDT",
            preset="binance-trades",
            fields=("quote",),
        ),
        File(
            "Binance, aggregated trades of futures",
            "BTCUSDT-aggTrades-2024-01-02.csv",
            lines(
                "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
                utc,
                lambda b: f"{b.volume},{b.close},0.5,1,2,{milliseconds(b.begin)},true",
            ),
            utc,
            timedelta(0),
            sid="BTCUSDT",
            preset="binance-aggtrades",
            fields=("quote",),
        ),
        File(
            "Kraken, OHLCVT",
            "XBTUSD_1.csv",
            lines(None, utc, lambda b: f"{int(b.begin.timestamp())},{ohlcv(b)},12"),
            utc,
            minute,
            sid="XBTUSD",
            preset="kraken",
        ),
        File(
            "Kraken, candles of its interface",
            "XBTUSD.csv",
            lines(
                "time,open,high,low,close,vwap,volume,count",
                utc,
                lambda b: f"{int(b.begin.timestamp())},{b.open},{b.high},{b.low},{b.close},{b.close},{b.volume},12",
            ),
            utc,
            minute,
            sid="XBTUSD",
            preset="kraken",
        ),
        File(
            "Coinbase, candles of its interface",
            "BTC-USD.csv",
            lines(
                "time,low,high,open,close,volume",
                utc[::-1],
                lambda b: f"{int(b.begin.timestamp())},{b.low},{b.high},{b.open},{b.close},{b.volume}",
            ),
            utc,
            minute,
            sid="BTC-USD",
            preset="coinbase",
        ),
        File(
            "Alpaca, bars of its interface",
            "bars.csv",
            lines(
                "symbol,timestamp,open,high,low,close,volume,trade_count,vwap",
                session,
                lambda b: f"AAPL,{b.begin.astimezone(UTC).isoformat(' ')},{ohlcv(b)},12,{b.close}",
            ),
            session,
            minute,
            preset="alpaca",
        ),
        File(
            "Kraken, trades",
            "XBTUSD.csv",
            lines(None, utc, lambda b: f"{int(b.begin.timestamp())},{b.close},0.01"),
            utc,
            timedelta(0),
            sid="XBTUSD",
            preset="kraken-trades",
            fields=("quote",),
        ),
        File(
            "MetaTrader 4, bars",
            "EURUSD.csv",
            lines(None, server, lambda b: f"{b.begin:%Y.%m.%d,%H:%M},{ohlcv(b)}"),
            server,
            minute,
            sid="EURUSD",
            preset="metatrader",
            zone="Europe/Helsinki",
            params={"timezone": "Europe/Helsinki"},
            fields=("open", "high", "low", "close"),
        ),
        File(
            "MetaTrader 5, bars",
            "EURUSD_M1_202401020900_202401020939.csv",
            lines(
                "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
                server,
                lambda b: f"{b.begin:%Y.%m.%d\t%H:%M:%S}\t{ohlcv(b, chr(9))}\t0\t3",
            ),
            server,
            minute,
            sid="EURUSD",
            preset="metatrader",
            zone="Europe/Helsinki",
            params={"timezone": "Europe/Helsinki"},
            fields=("open", "high", "low", "close"),
        ),
        File(
            "MetaTrader 5, days",
            "EURUSD_Daily_202401020000_202402100000.csv",
            lines(
                "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
                days(1.1, 5),
                lambda b: f"{b.begin:%Y.%m.%d}\t{ohlcv(b, chr(9))}\t0\t3",
            ),
            days(1.1, 5),
            one_day,
            sid="EURUSD",
            preset="metatrader",
            dates=True,
            fields=("open", "high", "low", "close"),
        ),
        File(
            "MetaTrader 5, ticks",
            "EURUSD_202401020900_202401020939.csv",
            lines(
                "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>",
                server,
                lambda b: (
                    f"{b.begin:%Y.%m.%d\t%H:%M:%S}.000\t{b.close}\t{b.close if b.begin.minute == 0 else ''}\t\t\t6"
                ),
            ),
            server,
            timedelta(0),
            sid="EURUSD",
            preset="metatrader-ticks",
            zone="Europe/Helsinki",
            params={"timezone": "Europe/Helsinki"},
            fields=("quote", "bid"),
        ),
        File(
            "HistData, bars",
            "DAT_ASCII_EURUSD_M1_202401.csv",
            lines(None, fx, lambda b: f"{b.begin:%Y%m%d %H%M%S};{b.open};{b.high};{b.low};{b.close};0"),
            fx,
            minute,
            sid="EURUSD",
            preset="histdata",
            zone="Etc/GMT+5",
            fields=("open", "high", "low", "close"),
        ),
        File(
            "HistData, bars for MetaTrader",
            "DAT_MT_EURUSD_M1_202401.csv",
            lines(None, fx, lambda b: f"{b.begin:%Y.%m.%d,%H:%M},{b.open},{b.high},{b.low},{b.close},0"),
            fx,
            minute,
            sid="EURUSD",
            preset="histdata",
            zone="Etc/GMT+5",
            fields=("open", "high", "low", "close"),
        ),
        File(
            "HistData, ticks",
            "DAT_ASCII_EURUSD_T_202401.csv",
            lines(None, fx, lambda b: f"{b.begin:%Y%m%d %H%M%S}000,{b.close},{b.high},0"),
            fx,
            timedelta(0),
            sid="EURUSD",
            preset="histdata-ticks",
            zone="Etc/GMT+5",
            fields=("quote", "bid"),
        ),
        File(
            "Dukascopy, candles",
            "EURUSD_Candlestick_1_M_BID_02.01.2024-02.01.2024.csv",
            lines("Gmt time,Open,High,Low,Close,Volume", utc, lambda b: f"{b.begin:%d.%m.%Y %H:%M:%S}.000,{ohlcv(b)}"),
            utc,
            minute,
            sid="EURUSD",
            preset="dukascopy",
        ),
        File(
            "Dukascopy, candles by local time",
            "EURUSD_Candlestick_1_M_BID_02.01.2024-02.01.2024.csv",
            lines(
                "Local time,Open,High,Low,Close,Volume",
                server,
                lambda b: f"{b.begin:%d.%m.%Y %H:%M:%S}.000 GMT+0200,{ohlcv(b)}",
            ),
            server,
            minute,
            sid="EURUSD",
            preset="dukascopy",
        ),
        File(
            "Dukascopy, ticks",
            "EURUSD_Ticks_02.01.2024-02.01.2024.csv",
            lines(
                "Gmt time,Ask,Bid,AskVolume,BidVolume",
                utc,
                lambda b: f"{b.begin:%d.%m.%Y %H:%M:%S}.000,{b.high},{b.close},1.2,0.9",
            ),
            utc,
            timedelta(0),
            sid="EURUSD",
            preset="dukascopy-ticks",
            fields=("quote", "bid"),
        ),
        File(
            "Alpha Vantage, daily adjusted",
            "daily_adjusted_AAPL.csv",
            lines(
                "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
                daily,
                lambda b: (
                    f"{b.begin:%Y-%m-%d},{b.open},{b.high},{b.low},{b.close},{b.close * 0.9:.4f},{b.volume},0.0000,1.0"
                ),
                backwards=True,
            ),
            daily,
            one_day,
            dates=True,
            preset="alphavantage",
        ),
        File(
            "Alpha Vantage, intraday",
            "intraday_1min_AAPL.csv",
            lines(
                "timestamp,open,high,low,close,volume",
                session,
                lambda b: f"{b.begin:%Y-%m-%d %H:%M:%S},{ohlcv(b)}",
                backwards=True,
            ),
            session,
            minute,
            preset="alphavantage",
            zone="America/New_York",
        ),
        File(
            "Polygon, flat file of minutes",
            "2024-01-02.csv.gz",
            gzip.compress(
                lines(
                    "ticker,volume,open,close,high,low,window_start,transactions",
                    session,
                    lambda b: f"AAPL,{b.volume},{b.open},{b.close},{b.high},{b.low},{milliseconds(b.begin)}000000,3",
                ).encode()
            ),
            session,
            minute,
            preset="polygon",
            zone="America/New_York",
        ),
        File(
            "Databento, bars in billionths",
            "dbeq-basic-20240102.ohlcv-1m.csv",
            lines(
                "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
                session,
                lambda b: (
                    f"{milliseconds(b.begin)}000000,33,39,38,{billionths(b.open)},{billionths(b.high)},"
                    f"{billionths(b.low)},{billionths(b.close)},{b.volume},AAPL"
                ),
            ),
            session,
            minute,
            preset="databento",
        ),
        File(
            "Databento, bars with a decimal point",
            "dbeq-basic-20240102.ohlcv-1m.csv",
            lines(
                "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
                session,
                lambda b: (
                    f"{b.begin.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000000000Z,33,39,38,{b.open:.9f},{b.high:.9f},{b.low:.9f},"
                    f"{b.close:.9f},{b.volume},AAPL"
                ),
            ),
            session,
            minute,
            preset="databento",
        ),
        File(
            "TradingView",
            "BATS_AAPL, 1.csv",
            lines("time,open,high,low,close,Volume,MA", utc, lambda b: f"{int(b.begin.timestamp())},{ohlcv(b)},7.5"),
            utc,
            minute,
            preset="tradingview",
        ),
        File(
            "TradingView, times with offsets",
            "BATS_AAPL, 1.csv",
            lines(
                "time,open,high,low,close",
                session,
                lambda b: f"{b.begin.isoformat()},{b.open},{b.high},{b.low},{b.close}",
            ),
            session,
            minute,
            preset="tradingview",
            fields=("open", "high", "low", "close"),
        ),
        File(
            "Interactive Brokers, ib_insync",
            "AAPL.csv",
            lines(
                ",date,open,high,low,close,volume,average,barCount",
                session,
                lambda b: f"{b.volume},{b.begin.isoformat(' ')},{ohlcv(b)},100.5,12",
            ),
            session,
            minute,
            preset="interactive-brokers",
        ),
        File(
            "Interactive Brokers, times with their zone",
            "AAPL.csv",
            lines(
                "Date,Open,High,Low,Close,Volume,Average,BarCount",
                session,
                lambda b: f"{b.begin:%Y%m%d %H:%M:%S} US/Eastern,{ohlcv(b)},100.5,12",
            ),
            session,
            minute,
            preset="interactive-brokers",
            zone="US/Eastern",
        ),
        File(
            "Investing.com",
            "AAPL Historical Data.csv",
            "\ufeff"
            + lines(
                '"Date","Price","Open","High","Low","Vol.","Change %"',
                days(1100),
                lambda b: (
                    f'"{b.begin:%m/%d/%Y}","{b.close:,.2f}","{b.open:,.2f}","{b.high:,.2f}","{b.low:,.2f}",'
                    f'"{b.volume / 1000:.2f}K","0.52%"'
                ),
                backwards=True,
            ),
            days(1100),
            one_day,
            sid="AAPL",
            dates=True,
            preset="investing",
        ),
        File(
            "Investing.com, German",
            "AAPL.csv",
            lines(
                '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"',
                days(1100),
                lambda b: (
                    f'"{b.begin:%d.%m.%Y}","{german(b.close)}","{german(b.open)}","{german(b.high)}","{german(b.low)}",'
                    f'"{b.volume / 1000:.2f}K","0,52%"'.replace(
                        f"{b.volume / 1000:.2f}K", f"{b.volume / 1000:.2f}K".replace(".", ",")
                    )
                ),
                backwards=True,
            ),
            days(1100),
            one_day,
            dates=True,
            preset="investing",
        ),
        File(
            "Nasdaq",
            "AAPL.csv",
            lines(
                "Date,Close/Last,Volume,Open,High,Low",
                daily,
                lambda b: f"{b.begin:%m/%d/%Y},${b.close},{b.volume},${b.open},${b.high},${b.low}",
                backwards=True,
            ),
            daily,
            one_day,
            dates=True,
            preset="nasdaq",
            zone="America/New_York",
        ),
        File(
            "CryptoDataDownload",
            "Bitstamp_BTCUSD_minute.csv",
            "https://www.CryptoDataDownload.com\n"
            + lines(
                "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD",
                utc,
                lambda b: f"{int(b.begin.timestamp())},{b.begin:%Y-%m-%d %H:%M:%S},BTC/USD,{ohlcv(b)},42000.5",
                backwards=True,
            ),
            utc,
            minute,
            sid="BTC/USD",
            preset="cryptodatadownload",
        ),
        File(
            "FirstRate",
            "AAPL_full_1min_adjsplitdiv.txt",
            lines(None, session, lambda b: f"{b.begin:%Y-%m-%d %H:%M:%S},{ohlcv(b)}"),
            session,
            minute,
            preset="firstrate",
            zone="America/New_York",
            says=("adjusted for splits and dividends",),
        ),
        File(
            "LEAN, minutes",
            "20240102_trade.zip",
            zipped(
                "20240102_aapl_minute_trade.csv",
                lines(
                    None,
                    session,
                    lambda b: ",".join(
                        map(
                            str,
                            (
                                (b.begin.hour * 60 + b.begin.minute) * 60000,
                                *(round(p * 10000) for p in (b.open, b.high, b.low, b.close)),
                                b.volume,
                            ),
                        )
                    ),
                ),
            ),
            session,
            minute,
            sid="aapl",
            preset="lean-minute",
            zone="America/New_York",
        ),
        File(
            "LEAN, days",
            "aapl.zip",
            zipped(
                "aapl.csv",
                lines(
                    None,
                    daily,
                    lambda b: (
                        f"{b.begin:%Y%m%d %H:%M},"
                        + ",".join(map(str, (*(round(p * 10000) for p in (b.open, b.high, b.low, b.close)), b.volume)))
                    ),
                ),
            ),
            daily,
            one_day,
            sid="aapl",
            preset="lean-daily",
            dates=True,
            zone="America/New_York",
        ),
        File(
            "A German spreadsheet",
            "AAPL.csv",
            lines(
                "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen",
                days(1100),
                lambda b: (
                    f"{b.begin:%d.%m.%Y};{german(b.open)};{german(b.high)};{german(b.low)};{german(b.close)};{b.volume}"
                ),
            ),
            days(1100),
            one_day,
            dates=True,
        ),
        File(
            "A French spreadsheet",
            "AAPL.csv",
            lines(
                "Date;Ouverture;Plus haut;Plus bas;Clôture;Volume",
                days(1100),
                lambda b: ";".join(
                    (
                        f"{b.begin:%d/%m/%Y}",
                        *(
                            f"{p:,.2f}".replace(",", "\u202f").replace(".", ",")
                            for p in (b.open, b.high, b.low, b.close)
                        ),
                        str(b.volume),
                    )
                ),
            ),
            days(1100),
            one_day,
            dates=True,
        ),
        File(
            "Excel's Unicode text",
            "AAPL.txt",
            lines(
                "Date\tOpen\tHigh\tLow\tClose\tVolume", daily, lambda b: f"{b.begin:%Y-%m-%d}\t{ohlcv(b, chr(9))}"
            ).encode("utf-16"),
            daily,
            one_day,
            dates=True,
        ),
        File(
            "Ariva",
            "AAPL.csv",
            lines(
                "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen",
                days(1100),
                lambda b: ";".join(
                    (
                        f"{b.begin:%Y-%m-%d}",
                        german(b.open),
                        german(b.high),
                        german(b.low),
                        german(b.close),
                        str(b.volume),
                        "1.234.567",
                    )
                ),
                backwards=True,
            ),
            days(1100),
            one_day,
            dates=True,
            preset="ariva",
        ),
        File(
            "freqtrade, JSON",
            "BTC_USDT-1m.json",
            json.dumps([[milliseconds(b.begin), b.open, b.high, b.low, b.close, b.volume] for b in utc]),
            utc,
            minute,
            sid="BTC_USDT",
            preset="freqtrade",
            source="Json",
        ),
        File(
            "Polygon, a saved answer",
            "AAPL.json",
            json.dumps(
                {
                    "ticker": "AAPL",
                    "adjusted": True,
                    "status": "OK",
                    "results": [
                        {
                            "v": b.volume,
                            "vw": 1.0,
                            "o": b.open,
                            "c": b.close,
                            "h": b.high,
                            "l": b.low,
                            "t": milliseconds(b.begin),
                            "n": 3,
                        }
                        for b in session
                    ],
                }
            ),
            session,
            minute,
            preset="polygon",
            source="Json",
            says=("adjusted for splits",),
        ),
        File(
            "Alpha Vantage, a saved answer",
            "answer.json",
            json.dumps(
                {
                    "Meta Data": {
                        "1. Information": "Intraday (1min)",
                        "2. Symbol": "AAPL",
                        "4. Interval": "1min",
                        "6. Time Zone": "US/Eastern",
                    },
                    "Time Series (1min)": {
                        f"{b.begin:%Y-%m-%d %H:%M:%S}": {
                            "1. open": str(b.open),
                            "2. high": str(b.high),
                            "3. low": str(b.low),
                            "4. close": str(b.close),
                            "5. volume": str(b.volume),
                        }
                        for b in reversed(session)
                    },
                }
            ),
            session,
            minute,
            preset="alphavantage",
            source="Json",
            zone="US/Eastern",
        ),
        File(
            "Binance, a saved answer",
            "BTCUSDT-1m-2024-01.json",
            json.dumps(
                [
                    [
                        milliseconds(b.begin),
                        str(b.open),
                        str(b.high),
                        str(b.low),
                        str(b.close),
                        str(b.volume),
                        milliseconds(b.begin) + 59999,
                        "1.5",
                        7,
                        "1",
                        "1",
                        "0",
                    ]
                    for b in utc
                ]
            ),
            utc,
            minute,
            sid="BTCUSDT",
            preset="binance-klines",
            source="Json",
        ),
    ]
    assert len({file.vendor for file in made}) == len(made)
    assert hour > minute
    return made
