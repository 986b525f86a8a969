"""Tables of instruments: read from files, from the configuration and from plugins, with all mistakes at once."""

import sys
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.instruments import BadInstrument, Instrument, read_instruments
from intuition_core.account.margin import Margin
from intuition_core.account.market import NoCurrency
from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.listings import BadListing, read_listing
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.config.portable import portable, recorded
from intuition_core.errors import IntuitionError, Mistakes, PartFailed
from intuition_core.plugins.catalogue import Catalogue, Plugin, discover
from intuition_core.trading.composition import Composition

CSV = """symbol,currency,lot,tick,multiplier,calendar
AAPL,USD,1,0.01,,XNYS
ESZ6, USD ,1,0.25,50,

DAX,,,0.5,,
"""
READ = (
    Instrument(symbol="AAPL", currency="USD", lot=Decimal(1), tick=Decimal("0.01"), calendar="XNYS"),
    Instrument(symbol="ESZ6", currency="USD", lot=Decimal(1), tick=Decimal("0.25"), multiplier=Decimal(50)),
    Instrument(symbol="DAX", tick=Decimal("0.5")),
)
TOML = """
[[instruments]]
symbol = "AAPL"
currency = "USD"
lot = 1
tick = 0.01
calendar = "XNYS"

[[instruments]]
symbol = "ESZ6"
currency = "USD"
lot = "1"
tick = "0.25"
multiplier = 50

[[instruments]]
symbol = "DAX"
tick = 0.5
"""


@pytest.mark.parametrize(("name", "text"), [("i.csv", CSV), ("i.csv", "\ufeff" + CSV), ("i.TOML", TOML)])
def test_a_table_is_read_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_instruments(read_listing(tmp_path / name)) == READ


numbers = st.decimals("0.000001", 1000000, places=6)
rows = st.builds(
    Instrument,
    symbol=st.text("ABCxyz./ ß$", min_size=1, max_size=8),
    currency=st.none() | st.sampled_from(["EUR", "USDT"]),
    lot=st.none() | numbers,
    tick=st.none() | numbers,
    multiplier=numbers,
    calendar=st.none() | st.sampled_from(["XNYS", "24/7"]),
)


@given(table=st.lists(rows, max_size=5, unique_by=lambda row: row.symbol))
def test_what_an_instrument_says_of_itself_reads_as_the_same(table: list[Instrument]) -> None:
    assert read_instruments((str(n), row.to_json()) for n, row in enumerate(table)) == tuple(table)


def test_all_mistakes_are_told_at_once_with_their_row(tmp_path: Path) -> None:
    file = tmp_path / "i.csv"
    file.write_text("symbol,currency,lot\nA,usd,-1\n,EUR,1\nB,EUR,1\nB,EUR,2\nC,EUR,x\n")
    with pytest.raises(Mistakes) as caught:
        read_instruments(read_listing(file))
    assert str(caught.value).splitlines() == [
        f"{file}, line 2: `currency`: expected a code of 2 to 10 capital letters and digits such as EUR, got 'usd'",
        f"{file}, line 2: `lot`: expected a number from 0.000000000000000001 to 1000000000, got '-1'",
        f"{file}, line 3: `symbol`: missing, and every instrument needs one",
        f"{file}, line 5: `symbol`: B is in {file}, line 4 too",
        f"{file}, line 6: `lot`: expected a number from 0.000000000000000001 to 1000000000, got 'x'",
    ]


def test_a_row_that_is_none_hides_no_other_mistake(tmp_path: Path) -> None:
    file = tmp_path / "i.csv"
    file.write_text('symbol,lot\nA,-1\nB,1,2\nA,2\nC\n"D"x,1\nE,x\nF,"1\n')
    with pytest.raises(Mistakes) as caught:
        read_instruments(read_listing(file))
    number = "`lot`: expected a number from 0.000000000000000001 to 1000000000"
    cells = "expected 2 cells as in the first line"
    assert str(caught.value).splitlines() == [
        f"{file}, line 2: {number}, got '-1'",
        f"{file}, line 3: {cells}, got 3; one may be empty",
        f"{file}, line 4: `symbol`: A is in {file}, line 2 too",
        f"{file}, line 5: {cells}, got 1; one may be empty",
        f"{file}, line 6: no valid CSV: ',' expected after '\"'",
        f"{file}, line 7: {number}, got 'x'",
        f"{file}, line 8: no valid CSV: unexpected end of data",
    ]


def test_a_file_with_one_mistake_says_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "i.csv"
    file.write_text("symbol,lot\nA\n")
    with pytest.raises(BadInstrument, match="line 2: expected 2 cells as in the first line, got 1") as caught:
        read_instruments(read_listing(file))
    assert caught.value.where == f"{file}, line 2"


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"symbol": "A", "tik": 1}, "tik", "unknown; did you mean `tick`? valid are symbol, currency"),
        ({"symbol": "A", "tick": True}, "tick", "expected a number from"),
        ({"symbol": "A", "tick": float("nan")}, "tick", "got nan"),
        ({"symbol": "A", "multiplier": 0}, "multiplier", "got 0"),
        ({"symbol": "A", "calendar": 7}, "calendar", "such as XNYS, got 7"),
        ({"symbol": "A\n"}, "symbol", "printable"),
        ({"symbol": 7}, "symbol", "expected text"),
    ],
)
def test_a_field_that_cannot_be_says_what_it_is_to_be(row: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(BadInstrument) as caught:
        read_instruments([("here", row)])
    assert (caught.value.where, caught.value.field) == ("here", field)
    assert words in caught.value.problem


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("i.csv", "", "the first line has no `symbol`"),
        ("i.csv", "sid,lot\nA,1\n", "the first line has no `symbol`"),
        ("i.csv", "symbol,lots\nA,1\n", "unknown column `lots`; did you mean `lot`?"),
        ("i.csv", "symbol,lot,lot\nA,1,1\n", "the column `lot` twice"),
        ("i.csv", '"symbol"x,lot\nA,1\n', "line 1: no valid CSV"),
        ("i.toml", "x = ", "no valid TOML"),
        ("i.toml", "instruments = 3", "expected tables [[instruments]] and nothing else"),
        ("i.toml", '[[instrument]]\nsymbol = "A"', "expected tables [[instruments]] and nothing else"),
    ],
)
def test_a_file_that_is_no_table_says_why(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadListing) as caught:
        list(read_listing(tmp_path / name))
    assert words in caught.value.problem
    assert str(caught.value).startswith(str(tmp_path / name))


def test_a_file_that_is_not_there_or_is_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadListing, match="there is no such file"):
        read_listing(tmp_path / "i.csv")
    (tmp_path / "i.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(BadListing, match="cannot be read"):
        read_listing(tmp_path / "i.csv")


# -- through a configuration


class Listed:
    """A plugin that knows one instrument."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        self.multiplier = params.get("multiplier", 1)

    def instruments(self) -> Iterator[Mapping[str, Any]]:
        if self.multiplier == 13:
            raise OSError("no luck today")
        yield {"symbol": "LISTED", "multiplier": self.multiplier}


class Always:
    """A calendar plugin that knows one calendar."""

    def sessions(self, name: str) -> list[tuple[int, int]]:
        if name != "XX":
            raise LookupError(f"only XX is known, not {name}")
        return [(0, 10), (20, 30)]

    def breaks(self, name: str) -> list[tuple[int, int]]:
        return [(4, 6)]


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    module = types.ModuleType("listed")
    module.Listed, module.Always = Listed, Always  # type: ignore[attr-defined]  # that is how a module is filled
    monkeypatch.setitem(sys.modules, "listed", module)
    more = (
        Plugin("instruments", "mine", "acme", "1.0", "listed:Listed", ""),
        Plugin("calendar", "always", "acme", "1.0", "listed:Always", ""),
    )
    return Catalogue((*discover().plugins, *more))


def composed(folder: Path, catalogue: Catalogue, text: str) -> Composition:
    file = folder / "intuition.toml"
    file.write_text(f'seed = 1\n{text}\n[algorithm]\nname = "random"\n')
    config = settle(load_config(file, environment={}), catalogue)
    composition = compose(config, catalogue)
    again = recorded(portable(config, composition), catalogue, {}, rules=composition.rules)
    assert again.to_json() == composition.to_json()
    return composition


def test_instruments_of_a_file_of_a_plugin_and_of_the_configuration_come_together(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "i.csv").write_text("symbol,currency,calendar\nA,USD,XX\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = """
        currency = "EUR"
        [instruments]
        file = "tables/i.csv"
        name = "mine"
        params = { multiplier = 7 }
        calendars = "always"
        table = [{ symbol = "B", tick = 0.05 }]
    """
    composition = composed(tmp_path, catalogue, text)
    assert composition.instruments == (
        Instrument(symbol="A", currency="USD", calendar="XX"),
        Instrument(symbol="LISTED", multiplier=Decimal(7)),
        Instrument(symbol="B", tick=Decimal("0.05")),
    )
    market = composition.market()
    assert (market.day_end("A", 5), market.is_open("A", 5), market.tick("B")) == (11, False, Decimal("0.05"))
    assert market.currency == "EUR"
    assert composition.to_json()["hours"][0]["sessions"] == 2


def test_a_configuration_without_any_of_it_is_as_it_was(tmp_path: Path, catalogue: Catalogue) -> None:
    composition = composed(tmp_path, catalogue, "")
    assert composition.margin is None
    assert not composition.market().has_instruments
    assert not {"margin", "currency", "instruments", "hours"} & composition.to_json().keys()


def test_the_table_margin_is_the_permission_to_sell_short(tmp_path: Path, catalogue: Catalogue) -> None:
    assert composed(tmp_path, catalogue, "[margin]").margin == Margin()
    margin = composed(tmp_path, catalogue, "[margin]\ninitial = 2\nmaintenance = '1.25'").margin
    assert margin == Margin(initial=Decimal(2), maintenance=Decimal("1.25"))
    assert margin is not None
    assert margin.to_json() == {"initial": "2", "maintenance": "1.25"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[margin]\ninitial = 0.9", "[margin] `initial`: expected a number from 1 to 100, got 0.9"),
        ("[margin]\nmaintenance = 1.6", "[margin] `maintenance`: 1.6 is more than `initial`, 1.5"),
        ("[margin]\ninital = 2", "did you mean `initial`?"),
        ('currency = "euro"', "`currency`: expected a code of 2 to 10 capital letters and digits such as EUR"),
        ("[instruments]\ntable = [{ tick = 1 }]", "symbol"),
    ],
)
def test_margins_and_currencies_that_cannot_be_are_mistakes(
    tmp_path: Path, catalogue: Catalogue, text: str, words: str
) -> None:
    with pytest.raises(BadConfiguration) as caught:
        composed(tmp_path, catalogue, text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("table = [{ symbol = 'A', currency = 'USD' }]", NoCurrency, "say what the account is kept in"),
        ("file = 'none.csv'", BadListing, "none.csv: there is no such file"),
        ("name = 'nobodys'", IntuitionError, "no instruments is called `nobodys`"),
        ("name = 'mine'\nparams = { multiplier = 13 }", PartFailed, "instruments mine.instruments: OSError: no luck"),
        ("name = 'mine'\nparams = { multiplier = -1 }", BadInstrument, "instruments mine, no. 1: `multiplier`"),
        ("calendars = 'always'\ntable = [{ symbol = 'A', calendar = 'XY' }]", PartFailed, "A trades by `XY`: only XX"),
        ("calendars = 'nobodys'\ntable = [{ symbol = 'A', calendar = 'XY' }]", IntuitionError, "`nobodys`"),
        (
            "table = [{ symbol = 'B' }, { symbol = 'A', tick = 0 }]",
            BadInstrument,
            "intuition.toml: [[instruments.table]] no. 2: `tick`: expected a number from",
        ),
    ],
)
def test_what_is_wrong_with_instruments_is_found_before_anything_starts(
    tmp_path: Path, catalogue: Catalogue, text: str, kind: type[IntuitionError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        composed(tmp_path, catalogue, f"[instruments]\n{text}")
    assert words in str(caught.value)
