"""The reference says what the code has: fields, types, defaults, methods, keys of records, options."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from intuition_core import contracts
from intuition_core.account.costs import Costs
from intuition_core.account.margin import Margin
from intuition_core.cli.tables import RECORD_COLUMNS
from intuition_core.config import tables as config
from intuition_core.contracts import Bet, Cancel, Fill, Message, Rejection, Signal, Targets
from intuition_core.data import MAX_BATCH, MAX_PRICE, MIN_PRICE, RESERVED
from intuition_core.session.control import clear, kill, rules, share_out
from intuition_core.trading.composition import Composition, Part, Sleeve, Venue
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.executions import EXECUTIONS
from intuition_core.trading.orders import FillRules
from intuition_core.trading.records import TYPES

DOCS = Path(__file__).parent.parent.parent / "docs"
REFERENCE = DOCS / "reference"
_spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
assert _spec is not None
assert _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

Row = list[str]
MADE: dict[Path, str] = reference.pages()


def section(page: str, title: str) -> str:
    """Give what stands under a heading, up to the next one of any level."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, (page, title)
    return found[1]


def tables(text: str) -> list[list[Row]]:
    """Give the rows of each table without its head, cell by cell."""
    found = re.findall(r"^(?:\|.*\n)+", text, re.MULTILINE)
    return [[cells(line) for line in table.splitlines()[2:]] for table in found]


def cells(line: str) -> Row:
    return [status.strip().replace("\\|", "|") for status in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(status: str) -> str:
    return status.strip("`")


# -- what is made


@pytest.mark.parametrize("file", list(MADE), ids=lambda file: str(file.relative_to(DOCS)))
def test_what_is_made_is_what_the_code_says(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == MADE[file], "run: python docs/reference.py"


def test_every_plugin_has_a_page() -> None:
    names = {readme.parent.name.removeprefix("intuition-") for readme in (DOCS.parent / "plugins").glob("*/README.md")}
    assert {page.stem for page in (DOCS / "plugins").glob("*.md")} == {*names, "index"}


def test_pages_can_be_read_where_nothing_is_built() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^(:::|--8<--)", text, re.MULTILINE), f"{page} is filled by a generator alone"


# -- contracts

TREE = {
    node.name: node
    for module in sorted(Path(contracts.__file__).parent.glob("*.py"))
    for node in ast.parse(module.read_text()).body
    if isinstance(node, ast.ClassDef)
}
DATA = (
    "Signal",
    "Cancel",
    "Message",
    "Targets",
    "Bet",
    "Order",
    "Rejection",
    "Watch",
    "Fill",
    "Holding",
    "ClosedTrade",
)


def fields_of(name: str) -> list[Row]:
    """Give the fields of a class as they are written: name, type, default."""
    return [
        [node.target.id, written(node.annotation), "" if node.value is None else ast.unparse(node.value)]
        for node in TREE[name].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def written(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def properties_of(name: str) -> list[Row]:
    return [
        [node.name, ast.unparse(node.returns)]
        for node in TREE[name].body
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)
    ]


@pytest.mark.parametrize("name", [*DATA, "Context"])
def test_fields_types_and_defaults(name: str) -> None:
    [first, *_] = tables(section("api.md", name))
    assert [[code(status) for status in row[:3]] for row in first] == fields_of(name)


@pytest.mark.parametrize("name", ["Account", "Order", "ClosedTrade"])
def test_properties(name: str) -> None:
    [*_, last] = tables(section("api.md", name))
    assert [[code(status) for status in row[:2]] for row in last] == properties_of(name)


def test_all_that_parts_pass_is_there() -> None:
    shown = re.findall(r"^## (\w+)$", (REFERENCE / "api.md").read_text(), re.MULTILINE)
    structs = {name for name, node in TREE.items() if any(ast.unparse(base) == "msgspec.Struct" for base in node.bases)}
    assert structs <= set(shown)


KINDS = (
    "Algorithm",
    "Indicator",
    "Portfolio",
    "Risk",
    "Source",
    "Instruments",
    "Calendar",
    "Report",
    "Connector",
    "Backend",
    "Broker",
)


@pytest.mark.parametrize("name", KINDS)
def test_methods(name: str) -> None:
    [shown] = tables(section("kinds.md", name))
    assert [[code(status) for status in row[:2]] for row in shown] == [
        [f"{node.name}({', '.join(arguments(node))})", ast.unparse(node.returns)]
        for node in TREE[name].body
        if isinstance(node, ast.FunctionDef) and node.returns is not None and not node.decorator_list
    ]


def arguments(node: ast.FunctionDef) -> list[str]:
    named = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg != "self"]
    return named if node.args.vararg is None else [*named, f"*{node.args.vararg.arg}"]


# -- events


def test_fields_of_events() -> None:
    [shown] = tables(section("data.md", "Fields"))
    assert {code(row[0]) for row in shown} == RESERVED
    text = section("data.md", "Fields")
    assert f"from {MIN_PRICE:g} to {MAX_PRICE:g}".replace("e+", "e") in text
    assert f"at most {MAX_BATCH:,}" in section("data.md", "What is published")


# -- the configuration

CONFIGURATION: dict[str, type[msgspec.Struct]] = {
    "At the top": config.Configuration,
    "Parts": config.PartTable,
    "`[[algorithms]]`": config.AlgorithmTable,
    "`[[indicators]]`": config.IndicatorTable,
    "`[source]`": config.SourceTable,
    "`[costs]`": config.CostsTable,
    "`[fills]`": config.FillsTable,
    "`[time]`": config.TimeTable,
    "`[clock]`": config.ClockTable,
    "`[[timers]]`": config.TimerTable,
    "`[margin]`": config.MarginTable,
    "`[instruments]`": config.InstrumentsTable,
    "`[broker]`": config.BrokerTable,
    "`[rpc]`": config.RpcTable,
    "`[journal]`": config.JournalTable,
    "`[worker]`": config.WorkerTable,
    "`[hooks]`": config.HooksTable,
    "`[plugins]`": config.PluginsTable,
}


def default_of(field: Any) -> str:
    """Give a default as TOML writes it; nothing where a key is required, or nothing is what it defaults to."""
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is msgspec.NODEFAULT or value is None or value in ((), {}) or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else format(Decimal(str(value)), "f").removesuffix(".0")


@pytest.mark.parametrize("title", CONFIGURATION)
def test_keys_and_defaults_of_the_configuration(title: str) -> None:
    [shown] = tables(section("configuration.md", title))
    fields = msgspec.structs.fields(CONFIGURATION[title])
    assert [(code(row[0]), code(row[2])) for row in shown] == [(each.encode_name, default_of(each)) for each in fields]


def test_every_table_of_the_configuration_is_there() -> None:
    within = {"PortfolioChoice", "InstrumentTable"}  # they are told of in the table around them
    there = {name for name, each in vars(config).items() if isinstance(each, type) and issubclass(each, config.Table)}
    assert {each.__name__ for each in CONFIGURATION.values()} == there - within - {"Table"}


# -- records

DAY = 86_400 * 10**9


class Scripted:
    """Answers what the event says."""

    def initialize(self, params: Any) -> list[str]:
        return ["quotes", "raise"]

    def event(self, data: Any) -> Any:
        if data["channel"] == "raise":
            raise ValueError("no")
        return data.get("do")

    def filled(self, fill: Fill) -> None:
        pass


class Few:
    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(cash=100, reason="because") if signal.sid == "C" else Bet(units=4)


class Careful:
    def check(self, order: Any, account: Any) -> Any:
        return Rejection("not this one") if order.sid == "X" else order


def part(kind: str, factory: Any) -> Part:
    return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params={})


def written_records() -> Iterator[dict[str, Any]]:
    """Give records of sessions in which all kinds of things happen."""
    line = Sleeve(algorithm=part("algorithm", Scripted), portfolio=part("portfolio", Few))
    recipe: dict[str, Any] = {"sleeves": (line,), "risks": (part("risk", Careful),), "seed": 1, "cash": Decimal(1000)}
    recipe |= {"costs": Costs(commission_bps=Decimal(1)), "fills": FillRules(volume_share=Decimal("0.5"))}
    at = TradingEngine(Composition(**recipe, margin=Margin()), run="s.r")

    def quote(sid: str, price: float, do: Any = None, **more: Any) -> Iterator[dict[str, Any]]:
        event = {"channel": "quotes", "sid": sid, "quote": price, "ts": (at.seq + 1) * DAY, "do": do, **more}
        for record in at.step(event):
            yield dict(record)

    yield from quote(
        "A", 10.0, [Message("told", {"a": 1}), Signal("X", "buy", 10.0), Signal("A", "buy", tag="t", limit=9.0)]
    )
    yield from quote("A", 10.0, Signal("A", "buy", tag="t", limit=10.0, tif="day", stop_loss=5.0, take_profit=50.0))
    yield from quote("A", 10.0, Signal("A", "buy", stop=11.0, group="g"), volume=4)
    yield from quote("C", 10.0, Signal("C", "buy"), volume=1)
    yield from quote("C", 10.0, volume=4)
    yield from quote("B", 10.0, Signal("B", "sell"))
    yield from quote("B", 10.0)
    yield from quote("A", 10.0, Cancel("A"))
    yield from quote("D", 10.0, Targets(weights={"D": 0.5}))
    yield from quote("D", 10.0, volume=100)
    yield from quote("E", 10.0, Targets(weights={"E": 0.5}))
    yield from quote("D", 10.0, volume=100)
    for action in ({"action": "split", "ratio": "3:2"}, {"action": "dividend", "amount": "0.1"}, {"action": "?"}):
        yield from map(dict, at.step({"channel": "actions", "sid": "A", "ts": (at.seq + 1) * DAY, **action}))
    yield from map(dict, at.step({"channel": "raise", "ts": (at.seq + 1) * DAY, "id": "e"}))
    yield from map(dict, at.step(kill("enough", flatten=True, by="p", ts=(at.seq + 1) * DAY)))
    yield from map(dict, at.step(clear("again", by="p", ts=(at.seq + 1) * DAY)))
    other = Sleeve(
        algorithm=Part(kind="algorithm", name="other", factory=Scripted, params={}), portfolio=line.portfolio
    )
    yield from records_of_a_venue(line)
    both = TradingEngine(Composition(sleeves=(line, other), seed=1), run="s.r")
    halves = {"scripted": Decimal("0.5"), "other": Decimal("0.5")}
    yield from map(dict, both.step(share_out({"scripted": 0.25}, there=halves, by="p", ts=DAY)))
    older = TradingEngine(Composition(**recipe, rules=1), run="s.r")
    yield from map(dict, older.step(rules(2, before=1, by="p", ts=DAY)))
    for wanted in (Targets(quantities={"B": 90}), Targets(weights={"B": 0.9})):
        at = TradingEngine(Composition(**recipe), run="s.r")
        yield from quote("B", 10.0)
        yield from quote("A", 10.0, Targets(weights={"A": 0.9}))
        yield from quote("A", 10.0, volume=1000)
        yield from quote("A", 10.0, wanted)
        yield from quote("A", 5.0, volume=1000)  # the sale brings half of what the buy needs
        yield from quote("B", 10.0, volume=20)
        yield from map(dict, at.cancel_open_orders(at.now))


def records_of_a_venue(line: Sleeve) -> Iterator[dict[str, Any]]:
    """Give records of a session whose orders a venue fills."""
    recipe = Composition(
        sleeves=(line,), seed=1, cash=Decimal(1000), currency="USD", venue=Venue(broker="b", on_drift="warn")
    )
    at = TradingEngine(recipe, run="s.r")

    def said(execution: str, ts: int, **more: Any) -> Iterator[dict[str, Any]]:
        yield from map(dict, at.step({"channel": EXECUTIONS, "execution": execution, "ts": ts, **more}))

    def held(ts: int, units: str) -> Iterator[dict[str, Any]]:
        yield from said("account", ts, cash={"USD": "2000"}, positions={"A": units}, as_of=ts)

    yield from held(1, "1")
    order = {"channel": "quotes", "sid": "A", "quote": 10.0, "ts": 2, "do": Signal("A", "buy")}
    placed = [dict(record) for record in at.step(order)]
    yield from placed
    yield from said("unknown", 3, order=placed[0]["id"], reason="no answer")
    yield from said("taken", 4, order=placed[0]["id"], venue_order="7")
    yield from map(dict, at.step({**order, "ts": 5, "do": Cancel("A")}))
    yield from said("ended", 6, order=placed[0]["id"], state="cancelled")
    traded = {"sid": "A", "side": "buy", "quantity": "1", "price": "10"}
    yield from said("foreign", 7, trade="t1", reason="by hand", **traded)
    for ts in (8, 9 * 10**9):
        yield from held(ts, "5")


def test_keys_of_records() -> None:
    [common] = tables(section("records.md", "Every record"))
    shown_of = {type_: [*common, *tables(section("records.md", type_))[0]] for type_ in TYPES}
    seen: dict[str, set[str]] = {type_: set() for type_ in TYPES}
    for record in written_records():
        shown = {code(row[0]) for row in shown_of[record["type"]]}
        always = {code(row[0]) for row in shown_of[record["type"]] if row[2] == "yes"}
        assert always <= set(record) <= shown, record
        seen[record["type"]] |= set(record)
    assert {code(row[0]) for rows in shown_of.values() for row in rows} <= set(RECORD_COLUMNS)
    never = {type_: {code(row[0]) for row in shown_of[type_]} - seen[type_] for type_ in TYPES}
    assert never == {type_: set() for type_ in TYPES}
