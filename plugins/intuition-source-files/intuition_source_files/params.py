"""What can be said about files of prices."""

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from intuition_source_files.packing import Compression

Column: TypeAlias = Annotated[str, Meta(min_length=1)]

PresetName: TypeAlias = Literal[
    "auto",
    "none",
    "yahoo",
    "yfinance",
    "yfinance-download",
    "stooq",
    "binance-klines",
    "binance-trades",
    "binance-aggtrades",
    "kraken",
    "coinbase",
    "alpaca",
    "kraken-trades",
    "metatrader",
    "metatrader-ticks",
    "histdata",
    "histdata-ticks",
    "dukascopy",
    "dukascopy-ticks",
    "alphavantage",
    "polygon",
    "polygon-trades",
    "tradingview",
    "interactive-brokers",
    "investing",
    "nasdaq",
    "cryptodatadownload",
    "firstrate",
    "freqtrade",
    "lean-minute",
    "lean-daily",
    "ariva",
    "databento",
]
"""The layouts of `intuition_source_files.presets` by their names."""


class FileParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where prices and other events are, what the columns mean, and which of them are wanted."""

    part: ClassVar[str] = "source"
    """The name of the source, for messages."""

    path: Annotated[
        tuple[str, ...] | str,
        Meta(description="A file, a folder, or a pattern such as `data/*.csv`; or several of these."),
    ]
    preset: Annotated[
        PresetName,
        Meta(
            description="The vendor's layout, which says what times, columns and prices mean; `auto` knows it by the "
            "file, `none` takes columns by their names alone."
        ),
    ] = "auto"
    layout: Annotated[
        Literal["auto", "long", "wide"],
        Meta(
            description="`long` has one row for each time and symbol, `wide` one column of prices for each symbol; "
            "`auto` takes a file for wide if it has neither a symbol's column nor a quote, price or close."
        ),
    ] = "auto"
    time: Annotated[
        Column | None,
        Meta(description="The column of times; found by itself under timestamp, datetime, date, time or ts."),
    ] = None
    time_of_day: Annotated[
        Column | None,
        Meta(
            description="The column of times of day, where dates stand in a column of their own; found by itself under "
            "time beside one called date."
        ),
    ] = None
    symbol: Annotated[
        Column | None,
        Meta(
            description="The column of symbols; found by itself under symbol, sid or ticker. Without one, the file's "
            "name up to its ending is the symbol."
        ),
    ] = None
    sid: Annotated[
        Column | None,
        Meta(description="The symbol of rows that name none; without it what the file's name says."),
    ] = None
    quote: Annotated[
        Column | None,
        Meta(description="The column of quotes; found by itself under quote or price. Without one, the close counts."),
    ] = None
    open: Annotated[Column | None, Meta(description="The column of opening prices, if not called open.")] = None
    high: Annotated[Column | None, Meta(description="The column of highest prices, if not called high.")] = None
    low: Annotated[Column | None, Meta(description="The column of lowest prices, if not called low.")] = None
    close: Annotated[
        Column | None,
        Meta(description="The column of closing prices, if not called close. Adjusted ones only if named here."),
    ] = None
    volume: Annotated[Column | None, Meta(description="The column of volumes, if not called volume.")] = None
    bid: Annotated[Column | None, Meta(description="The column of bids, if not called bid.")] = None
    ask: Annotated[Column | None, Meta(description="The column of asks, if not called ask.")] = None
    channels: Annotated[
        Column | None,
        Meta(description="The column of channels, if not called channel; a row without one is of `channel`."),
    ] = None
    series: Annotated[
        Column | None,
        Meta(
            description="The column that tells apart several bars of one symbol and time, such as an exchange or a "
            "length; without one, such bars have no start."
        ),
    ] = None
    actions: Annotated[
        Literal["refuse", "ignore", "adjusted", "book", "dividends"] | None,
        Meta(
            description="What to do with columns of dividends and splits beside prices: `refuse` them (where the "
            "layout says nothing), `ignore` them, take prices for `adjusted` for both unless one jumps at a split, "
            "`book` both before their row, or book `dividends` alone."
        ),
    ] = None
    timezone: Annotated[
        Column | None,
        Meta(
            description="The time zone of times without an offset, such as America/New_York; without it that of the "
            "layout, or UTC."
        ),
    ] = None
    ambiguous: Annotated[
        Literal["refuse", "earlier", "later", "order"],
        Meta(
            description="What a local time means that a clock set back shows twice: `refuse` it, take the `earlier` "
            "or the `later`, or go by the `order` of the rows: the earlier until time would run back."
        ),
    ] = "refuse"
    time_format: Annotated[
        Column | None,
        Meta(description="How times are written where it is not as in ISO 8601, such as `%m/%d/%Y %H:%M`."),
    ] = None
    time_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        Meta(description="What times written as numbers count since 1970; `auto` goes by the size of the first."),
    ] = "auto"
    stamp: Annotated[
        Literal["open", "close"] | None,
        Meta(
            description="Whether the time of a bar is when it opens or when it closes; it is known when it closes. "
            "Without it as the layout says, or `close`."
        ),
    ] = None
    bar: Annotated[
        Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(s|m|h|d)$")] | None,
        Meta(
            description="How long a bar lasts, such as 1m, 4h or 1d; without it, as long as most are apart. Needed for "
            "bars stamped when they open."
        ),
    ] = None
    close_at: Annotated[
        Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None,
        Meta(
            description="When the session of a date ends in `timezone`, such as 16:00; without it, when the day ends."
        ),
    ] = None
    symbols: Annotated[
        tuple[str, ...],
        Meta(description="The symbols to give, such as GOOG, and rates besides; none given means all."),
    ] = ()
    start: Annotated[
        int | None,
        Meta(description="The time of the first event to give, in nanoseconds UTC."),
    ] = None
    end: Annotated[
        int | None,
        Meta(description="The time before which events are given, in nanoseconds UTC."),
    ] = None
    channel: Annotated[
        str,
        Meta(description="The channel of the events. On others than quotes a row needs no price: `actions`, `rates`."),
    ] = "quotes"
    negative_prices: Annotated[
        bool,
        Meta(description="Let zero and negative prices pass, for instruments that have them."),
    ] = False
    sort: Annotated[
        bool,
        Meta(
            description="Put the rows of each file in the order of time first, for files that go symbol by symbol; "
            "each file must then fit into memory."
        ),
    ] = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as given, however many."""
        return (self.path,) if isinstance(self.path, str) else self.path


class CsvParams(FileParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where prices are, what the columns mean, which of them are wanted, and how the text is to be read."""

    part: ClassVar[str] = "csv"

    columns: Annotated[
        tuple[Column, ...],
        Meta(description="What the columns are called, in their order, where the file does not say so or otherwise."),
    ] = ()
    header: Annotated[
        bool | None,
        Meta(description="Whether a line names the columns; without it, its look tells."),
    ] = None
    skip: Annotated[
        Annotated[int, Meta(ge=0, le=1000)] | None,
        Meta(description="How many lines to pass over at the beginning; without it, titles of a single cell."),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Meta(description="What stands before fractions; without it, the first numbers tell, or are refused."),
    ] = None
    thousands: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1)] | None,
        Meta(description="What stands between thousands; without it, the first numbers tell, or are refused."),
    ] = None
    delimiter: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1)] | None,
        Meta(description="What stands between columns; without it, whichever of `,` `;` `|` and tab the header has."),
    ] = None
    encoding: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="How the text is encoded, such as cp1252; without it UTF-8, or UTF-16 where its mark says so."
        ),
    ] = None
    compression: Annotated[
        Compression,
        Meta(description="How the file is compressed; `auto` goes by its ending: .gz, .bz2, .xz, .zst or .lz4."),
    ] = "auto"


class ParquetParams(FileParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where prices are, what the columns mean, and which of them are wanted."""

    part: ClassVar[str] = "parquet"


class JsonParams(FileParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where saved answers are, what their columns mean, and which of them are wanted."""

    part: ClassVar[str] = "json"


class JsonLinesParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are, one a line, and which of them are wanted."""

    part: ClassVar[str] = "jsonl"

    path: Annotated[
        tuple[str, ...] | str,
        Meta(description="A file, a folder, or a pattern such as `data/*.jsonl`; or several of these."),
    ]
    channel: Annotated[str, Meta(description="The channel of events that do not name one.")] = "quotes"
    bar: Annotated[
        Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(s|m|h|d)$")] | None,
        Meta(description="How long bars last that do not say when they began, such as 1m, 4h or 1d."),
    ] = None
    symbols: Annotated[
        tuple[str, ...],
        Meta(description="The symbols to give, such as GOOG, and rates besides; none given means all."),
    ] = ()
    start: Annotated[
        int | None,
        Meta(description="The time of the first event to give, in nanoseconds UTC."),
    ] = None
    end: Annotated[
        int | None,
        Meta(description="The time before which events are given, in nanoseconds UTC."),
    ] = None
    negative_prices: Annotated[
        bool,
        Meta(description="Let zero and negative prices pass, for instruments that have them."),
    ] = False
    compression: Annotated[
        Compression,
        Meta(description="How the file is compressed; `auto` goes by its ending: .gz, .bz2, .xz, .zst or .lz4."),
    ] = "auto"

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as given, however many."""
        return (self.path,) if isinstance(self.path, str) else self.path
