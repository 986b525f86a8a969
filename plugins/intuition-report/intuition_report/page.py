"""The page: what it says, and its making from the template, the style, the script and the chart library."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from intuition_core.contracts import Metric
from intuition_core.history import History, Trade
from intuition_report.figures import figures
from intuition_report.points import points
from intuition_report.returns import Year, moment, years

MAX_TRADES = 250
"""The number of latest fills in the table."""

_MINUS = "\N{MINUS SIGN}"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = {"ratio": 2, "days": 0, "count": 0, "currency": 2}


def render(history: History) -> bytes:
    """Make the page. Whatever text the history holds is shown as text and never taken for markup or code."""
    environment = Environment(
        loader=PackageLoader("intuition_report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "number": number, "tone": tone}
    groups = figures(history)
    table = years(history)
    scripts = [_asset("lightweight-charts.js"), _asset("charts.js")]
    page = environment.get_template("report.html").render(
        history=history,
        groups=groups,
        metrics={metric.name: metric for group in groups.values() for metric in group},
        points=points(history),
        months=_MONTHS,
        years=table[::-1],
        tint=partial(tint, strong=strong(table)),
        trades=[_row(trade) for trade in history.trades[: -MAX_TRADES - 1 : -1]],
        period=_period(history),
        recipe=list(outline(history.composition)),
        style=Markup(_asset("report.css")),  # noqa: S704  # our own file
        scripts=[Markup(script) for script in scripts],  # noqa: S704  # our own file and the library's
        hashes=[f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts],
    )
    return page.encode("utf-8", "replace")


def _asset(name: str) -> str:
    return files("intuition_report").joinpath("assets", name).read_text("utf-8")


def number(value: float | Decimal, digits: int = 2) -> str:
    """Write a number for people: grouped thousands, so many digits after the point, a real minus sign."""
    text = f"{value:,.{digits}f}"
    return text.replace("-", _MINUS) if text.strip("-0.,") else text.lstrip("-")


def figure(metric: Metric) -> str:
    """Write a figure in its unit."""
    if metric.value is None:
        return "undefined"
    digits = _DIGITS.get(metric.unit, 2)
    if metric.is_fraction:
        return f"{number(metric.value * 100, digits)}\N{NO-BREAK SPACE}%"
    return number(metric.value, digits) + ("\N{NO-BREAK SPACE}days" if metric.unit == "days" else "")


def tone(value: float | Decimal | None) -> str:
    """Tell a gain from a loss; empty for neither."""
    return "" if not value else "gain" if value > 0 else "loss"


def strong(table: Iterable[Year]) -> float:
    """Return the size of a month's return from which on its colour is full: that of one month in ten."""
    found = sorted(abs(rate) for year in table for rate in year.months if rate)
    return found[len(found) * 9 // 10] if found else 1.0


def tint(value: float, strong: float) -> str:
    """Return the strength of the colour of a month's return, from 0 to 1."""
    return f"{min(abs(value) / strong, 1.0):.2f}"


def outline(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """Lay plain data out as lines: how deep, the key, and the value as text; empty where deeper lines follow.

    A part is one line with where it comes from, and its parameters are the lines below.
    """
    if isinstance(value, Mapping) and {"name", "distribution", "version", "params"} <= value.keys():
        origin = " ".join(str(value[of]) for of in ("distribution", "version") if value[of])
        yield depth, key, f"{value['name']} ({origin})" if origin else str(value["name"])
        yield from _items(value["params"], depth + 1)
    elif _nested(value) and (isinstance(value, Mapping) or any(map(_nested, value))):
        if key:
            yield depth, key, ""
        yield from _items(value, depth + bool(key))
    else:
        yield depth, key, _plain(value)


def _items(value: Any, depth: int) -> Iterator[tuple[int, str, str]]:
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    else:
        pairs = enumerate(value, 1) if len(value) > 1 else (("", item) for item in value)
    for key, item in pairs:
        yield from outline(item, str(key), depth)


def _nested(value: Any) -> bool:
    """Tell whether there is something in the value."""
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value == {} else str(value)


def _row(trade: Trade) -> dict[str, Any]:
    at = moment(trade.ts)
    return {
        "date": f"{at:%Y-%m-%d}",
        "time": f"{at:%H:%M:%S}",
        "sid": trade.sid,
        "side": trade.side,
        "quantity": _amount(trade.quantity),
        "price": _amount(trade.price, least=2),
        "cash": number(trade.cash),
        "commission": number(trade.commission),
        "profit": trade.profit,
    }


def _amount(value: Decimal, least: int = 0) -> str:
    """Write a quantity or a price with up to eight digits after the point, without zeros beyond the least number."""
    whole, _, part = f"{value:,.8f}".partition(".")
    part = part.rstrip("0").ljust(least, "0")
    return (f"{whole}.{part}" if part else whole).replace("-", _MINUS)


def _period(history: History) -> str:
    if history.first_ts is None or history.last_ts is None:
        return ""
    first, last = moment(history.first_ts), moment(history.last_ts)
    if first.date() == last.date():
        return f"{_date(first)}, {first:%H:%M:%S} to {last:%H:%M:%S} UTC"
    return f"{_date(first)} to {_date(last)}, UTC"


def _date(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"
