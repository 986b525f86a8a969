# ruff: noqa: INP001  # a script, not a package
"""Draw the pictures of bars and of what runs where: ``python docs/drawings.py``.

Each is an SVG of its own with a light and a dark face, 360 wide so that a phone shows its words as large as text.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple
from xml.sax.saxutils import escape

IMAGES: Final = Path(__file__).parent / "images"
WIDTH: Final = 360
_MARGIN: Final = 16
_TOP: Final = 30
_TALL: Final = 104
"""How high the part with the prices is."""

_STYLE: Final = """<style>
.ground{fill:#fff}.box{fill:#f6f8fa;stroke:#8c959f}.bar{fill:#eaeef2;stroke:#8c959f}
.text{fill:#1f2328}.faint{fill:#59636e}.axis{stroke:#8c959f;fill:none}.head{fill:#59636e}
.yes{fill:#1a7f37;stroke:#1a7f37}.no{fill:#fff;stroke:#b35900}.time{stroke:#0969da;fill:none}.when{fill:#0969da}
.won{fill:#1a7f37}.lost{fill:#b35900}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.box{fill:#161b22;stroke:#6e7681}.bar{fill:#21262d;stroke:#6e7681}
.text{fill:#e6edf3}.faint{fill:#9da7b3}.axis{stroke:#6e7681}.head{fill:#9da7b3}
.yes{fill:#3fb950;stroke:#3fb950}.no{fill:#0d1117;stroke:#e3a04f}.time{stroke:#58a6ff}.when{fill:#58a6ff}
.won{fill:#3fb950}.lost{fill:#e3a04f}}
</style>"""

Anchor = Literal["start", "middle", "end"]


def svg(height: int, told: str, drawn: Iterable[str]) -> str:
    """Give a picture of this height; ``told`` is what it says to those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH * 6 // 5}"'
        f' height="{height * 6 // 5}" role="img" font-family="system-ui,-apple-system,Segoe UI,Roboto,sans-serif"'
        f' font-size="12.5">\n<title>{escape(told)}</title>\n{_STYLE}\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, *, css: str = "text", anchor: Anchor = "start", more: str = "") -> str:
    """Give words at a place."""
    return f'<text class="{css}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def line(x: float, y: float, to_x: float, to_y: float, *, css: str = "axis", more: str = "") -> str:
    """Give a line."""
    return f'<line class="{css}" x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}"{more}/>'


# -- bars


class Bar(NamedTuple):
    """A bar from ``start`` to ``ts``, 0 to 100 on the axis; ``counts`` are the prices that an order may have of it."""

    start: float
    ts: float
    open: float
    high: float
    low: float
    close: float
    counts: Collection[str] = ()
    name: str = ""
    unsaid: bool = False
    """Whether its beginning is not known."""


class Quote(NamedTuple):
    """A price at ``ts``, 0 to 100 both; ``side`` is where its words go."""

    ts: float
    price: float
    name: str
    counts: bool
    side: Literal["above", "below", "left", "right"] = "above"


class Level(NamedTuple):
    """A price that an order names, across the picture."""

    price: float
    name: str


class Moment(NamedTuple):
    """A line across the axis, with words at its upper end."""

    ts: float
    name: str
    anchor: Anchor = "middle"


def _x(ts: float) -> float:
    return _MARGIN + ts / 100 * (WIDTH - 2 * _MARGIN)


def _y(price: float) -> float:
    return _TOP + (100 - price) / 100 * _TALL


def _dot(ts: float, price: float, *, counts: bool) -> str:
    return f'<circle class="{"yes" if counts else "no"}" cx="{_x(ts):g}" cy="{_y(price):g}" r="4.5" stroke-width="2"/>'


def _bar(bar: Bar) -> Iterable[str]:
    left, right = _x(bar.start), _x(bar.ts)
    dashed = ' stroke-dasharray="3 3"' if bar.unsaid else ""
    yield (
        f'<rect class="bar" x="{left:g}" y="{_y(bar.high):g}" width="{right - left:g}"'
        f' height="{_y(bar.low) - _y(bar.high):g}"{dashed}/>'
    )
    yield text((left + right) / 2, _y(0) + 17, bar.name, css="faint", anchor="middle")
    for name, at, price in (
        ("open", bar.start, bar.open),
        ("high", bar.start + (bar.ts - bar.start) * 0.36, bar.high),
        ("low", bar.start + (bar.ts - bar.start) * 0.64, bar.low),
        ("close", bar.ts, bar.close),
    ):
        yield _dot(at, price, counts=name in bar.counts)
        css = "won" if name in bar.counts else "lost"
        if name == "open":
            yield text(_x(at) + 8, _y(price) + 4, name, css=css)
        elif name == "close":
            yield text(_x(at) - 8, _y(price) + 4, name, css=css, anchor="end")
        else:
            yield text(_x(at), _y(price) + (-8 if name == "high" else 16), name, css=css, anchor="middle")


def _quote(quote: Quote) -> Iterable[str]:
    x, y = _x(quote.ts), _y(quote.price)
    yield _dot(quote.ts, quote.price, counts=quote.counts)
    places: dict[str, tuple[float, float, Anchor]] = {
        "above": (x, y - 10, "middle"),
        "below": (x, y + 19, "middle"),
        "left": (x - 9, y + 4, "end"),
        "right": (x + 9, y + 4, "start"),
    }
    at_x, at_y, anchor = places[quote.side]
    yield text(at_x, at_y, quote.name, css="won" if quote.counts else "lost", anchor=anchor)


class Scene(NamedTuple):
    """Bars, quotes and moments over the axis of time.

    ``told`` is what it says to those who do not see it, ``says`` the words below. An order may have prices from after
    ``since`` and up to ``end``, by which its prices are held against the core; None where other rules are pictured.
    """

    told: str
    drawn: tuple[Bar | Quote | Level | Moment, ...]
    says: tuple[str, ...] = ()
    since: float | None = None
    end: float | None = None

    def draw(self) -> str:
        """Give the picture."""
        bottom = _TOP + _TALL + 24
        lines = [line(_MARGIN, bottom, WIDTH - _MARGIN + 4, bottom), _arrow(WIDTH - _MARGIN + 8, bottom, "right")]
        for each in sorted(self.drawn, key=lambda each: not isinstance(each, Bar)):
            if isinstance(each, Bar):
                lines += _bar(each)
            elif isinstance(each, Quote):
                lines += _quote(each)
            elif isinstance(each, Level):
                lines.append(line(_MARGIN, _y(each.price), WIDTH - _MARGIN, _y(each.price), css="time"))
                lines.append(text(WIDTH - _MARGIN, _y(each.price) - 5, each.name, css="when", anchor="end"))
            else:
                dashed = ' stroke-dasharray="5 3"'
                lines.append(line(_x(each.ts), 24, _x(each.ts), _y(0) + 4, css="time", more=dashed))
                lines.append(text(_x(each.ts), 17, each.name, css="when", anchor=each.anchor))
        height = bottom + 12
        for words in self.says:
            height += 17
            lines.append(text(_MARGIN, height, words))
        return svg(height + 12, self.told, lines)


def _arrow(x: float, y: float, way: Literal["right", "left", "up", "down"]) -> str:
    turn = {"right": 0, "down": 90, "left": 180, "up": 270}[way]
    return f'<path class="head" d="M0 0L-8 4V-4Z" transform="translate({x:g} {y:g}) rotate({turn})"/>'


# -- boxes


def _box(x: float, y: float, width: float, height: float, *words: str, css: str = "text") -> list[str]:
    first, *rest = words
    return [
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        text(x + width / 2, y + 21, first, css=css, anchor="middle", more=' font-weight="600"'),
        *(text(x + width / 2, y + 21 + 18 * n, each, css="faint", anchor="middle") for n, each in enumerate(rest, 1)),
    ]


def overview() -> str:
    """Draw what runs where, from a program's message to a record of it and back."""
    left, wide, side = 16, 258, 312
    down, up = left + 84, left + 214
    lines = _box(left, 14, WIDTH - 2 * left, 50, "your programs", "any language, any machine")
    lines += _box(left, 114, wide, 50, "broker", "mosquitto, or intuition broker")
    lines += _box(left, 214, wide, 50, "connector", "a plugin: intuition connect")
    lines += _box(left, 314, wide, 142, "session", "intuition serve")
    for above, below, sent, told in (
        (64, 114, "quotes", "decisions, fills"),
        (164, 214, "MQTT", ""),
        (264, 314, "zerorpc", "records"),
    ):
        lines += [line(down, above + 3, down, below - 9), _arrow(down, below - 3, "down")]
        lines += [line(up, above + 9, up, below - 3), _arrow(up, above + 3, "up")]
        lines.append(text(down - 8, (above + below) / 2 + 4, sent, anchor="end", css="when"))
        if told:
            lines.append(text(up - 8, (above + below) / 2 + 4, told, anchor="end", css="when"))
    for x, width, name in ((28, 68, "algorithm"), (113, 66, "portfolio"), (196, 66, "risk")):
        lines.append(f'<rect class="bar" x="{x}" y="366" width="{width}" height="26" rx="4"/>')
        lines.append(text(x + width / 2, 383, name, anchor="middle"))
    for x in (96, 179):
        lines += [line(x, 379, x + 10, 379), _arrow(x + 16, 379, "right")]
    lines.append(text(left + wide / 2, 415, "orders, fills, an exact ledger,", css="faint", anchor="middle"))
    lines.append(text(left + wide / 2, 432, "everything in a journal", css="faint", anchor="middle"))
    lines += [line(side, 73, side, 340), line(side, 340, 283, 340), _arrow(277, 340, "left"), _arrow(side, 67, "up")]
    turned = f' transform="rotate(90 {side + 8} 204)"'
    lines.append(text(side + 8, 204, "zerorpc: event(data), records", css="when", anchor="middle", more=turned))
    return svg(470, _OVERVIEW, lines)


_OVERVIEW: Final = (
    "What runs where: programs publish quotes on an MQTT broker; a connector carries them over zerorpc to the session,"
    " where an algorithm, a portfolio and risk parts decide; records go back the same way. Programs may also call the"
    " session."
)


def moment() -> str:
    """Draw in which order the events of one moment come."""
    rows = (
        ("1", "rates of currencies", "what cash is worth from now on"),
        ("2", "bars that end here", "they tell what was traded before"),
        ("3", "splits and dividends", "marks and open orders change"),
        ("4", "quotes, all other events", "traded after the split"),
        ("5", "timers", "after everything of their moment"),
    )
    lines = [text(_MARGIN, 22, "21:00:00, all of it", css="when")]
    for n, (number, what, why) in enumerate(rows):
        y = 34 + 42 * n
        lines.append(f'<rect class="box" x="{_MARGIN}" y="{y}" width="{WIDTH - 2 * _MARGIN}" height="36" rx="6"/>')
        lines.append(text(_MARGIN + 12, y + 23, number, css="won", more=' font-weight="600"'))
        lines.append(text(_MARGIN + 30, y + 15, what, more=' font-weight="600"'))
        lines.append(text(_MARGIN + 30, y + 30, why, css="faint"))
    told = "Within one moment: rates, bars that end there, splits and dividends, quotes and all else, timers."
    return svg(34 + 42 * len(rows) + 8, told, lines)


def journal() -> str:
    """Draw a session that goes over to newer rules."""
    lines = [
        f'<rect class="bar" x="{_MARGIN}" y="40" width="176" height="40" rx="4"/>',
        text(_MARGIN + 88, 65, "rules 1", anchor="middle", css="faint"),
        f'<rect class="box" x="{_MARGIN + 176}" y="40" width="152" height="40" rx="4"/>',
        text(_MARGIN + 252, 65, "rules 2", anchor="middle", css="won"),
        line(_MARGIN + 176, 30, _MARGIN + 176, 90, css="time", more=' stroke-dasharray="5 3"'),
        text(_MARGIN + 176, 22, "upgrade, with a snapshot", css="when", anchor="middle"),
        text(_MARGIN, 104, "Each event replays by the rules that it ran under."),
    ]
    return svg(118, "A journal begun under rules 1, which goes on under rules 2 from an upgrade on.", lines)


ALL: Final = ("open", "high", "low", "close")

SCENES: Final = {
    "fills-time": Scene(
        "The decision on an event that comes late has the time of the latest one before it.",
        (
            Quote(18, 55, "A 10:00", counts=False),
            Quote(78, 70, "B 10:05", counts=False, side="left"),
            Quote(46, 20, "A 10:02, which comes last", counts=False),
            Moment(78, "T 10:05"),
        ),
        says=("What is decided on the last one has the latest", "time that the session has seen."),
    ),
    "fills-whole": Scene(
        "Of a bar that begins at the decision or later every price counts.",
        (
            Bar(2, 40, 30, 64, 20, 50, (), "decided on its close"),
            Bar(48, 96, 50, 92, 22, 70, ALL, "the next one"),
            Moment(44, "decision"),
        ),
        says=("It began after the decision: all of it counts.", "An order at market gets the open."),
        since=44,
    ),
    "fills-part": Scene(
        "Of a bar that began before the decision and ends after it the close alone counts.",
        (
            Bar(8, 92, 30, 88, 20, 66, ("close",), "start 09:30, ts 10:30"),
            Moment(50, "decision 10:00"),
        ),
        says=("It began before: the close alone counts,", "and of its volume the part after the line."),
        since=50,
    ),
    "fills-quotes": Scene(
        "A quote counts if its time is after the decision's, whenever it comes.",
        (
            Quote(14, 60, "10:29", counts=False),
            Quote(40, 36, "10:30", counts=False, side="left"),
            Quote(62, 55, "10:31", counts=True),
            Quote(86, 68, "10:32", counts=True),
            Moment(40, "decision 10:30"),
        ),
        says=("A price at the decision's own time is no later one.",),
        since=40,
    ),
    "fills-sides": Scene(
        "A buy gets the ask and a sell the bid of an event that has them.",
        (
            Quote(60, 82, "ask: a buy", counts=True, side="right"),
            Quote(60, 50, "quote: neither", counts=False, side="right"),
            Quote(60, 18, "bid: a sell", counts=True, side="right"),
            Moment(26, "decision"),
        ),
    ),
    "fills-delay": Scene(
        "With a delay, prices count from the decision and the delay on.",
        (
            Quote(34, 64, "1 s", counts=False),
            Quote(54, 36, "2 s", counts=False, side="left"),
            Quote(70, 48, "3 s", counts=True),
            Quote(88, 66, "5 s", counts=True),
            Moment(16, "decision"),
            Moment(54, "it is there"),
        ),
        says=('[fills] delay = "2s": an order travels that long.',),
        since=54,
    ),
    "fills-volume": Scene(
        "Of a bar's volume an order may have a share, and only of the time that was left.",
        (
            Bar(2, 44, 40, 84, 20, 62, ("close",), "volume 1000"),
            Bar(54, 96, 50, 90, 20, 72, ALL, "volume 1000"),
            Moment(23, "decision"),
        ),
        says=(
            "volume_share = 0.1: half of the first bar was left,",
            "at most 50 units; of the second one at most 100.",
        ),
        since=23,
    ),
    "fills-end": Scene(
        "Of a bar that begins before an order's end and ends after it the open alone counts.",
        (
            Bar(6, 42, 34, 84, 20, 60, ALL, "all of it"),
            Bar(52, 96, 50, 84, 22, 70, ("open",), "its open"),
            Moment(3, "decision", "start"),
            Moment(75, "end of the order"),
        ),
        says=("What was traded after the end is not for it.",),
        since=3,
        end=75,
    ),
    "fills-same": Scene(
        "With fill same, an order for the symbol of the event fills at its quote; all others wait.",
        (
            Quote(34, 74, "A: an order for A", counts=True, side="right"),
            Quote(12, 26, "B, earlier", counts=False),
            Quote(80, 40, "B: one for B", counts=True),
            Moment(34, "decision on A"),
        ),
    ),
    "fills-group": Scene(
        "Where a bar reaches the stop and the target of a bracket the stop counts, unless the open decides.",
        (
            Level(76, "target"),
            Level(32, "stop"),
            Bar(4, 40, 50, 92, 18, 60, (), "both: the stop"),
            Bar(48, 84, 88, 96, 18, 50, ("open",), "its open decides"),
        ),
        says=("Which came first nobody knows: the worse counts.",),
    ),
    "fills-unsaid": Scene(
        "A bar that does not say when it began has its close alone.",
        (
            Bar(34, 92, 46, 88, 20, 66, ("close",), "began when?", unsaid=True),
            Moment(14, "decision"),
        ),
        says=("Its open may be from before the decision.",),
        since=14,
    ),
    "fills-day": Scene(
        "A date alone on a bar means its whole day.",
        (
            Bar(2, 44, 34, 82, 20, 60, ALL, "2 January"),
            Bar(54, 96, 50, 90, 26, 74, ALL, "3 January"),
            Moment(49, "midnight"),
        ),
        says=("start 00:00, ts the last nanosecond of the day:", "what is decided on one bar has the next one's open."),
    ),
    "fills-rows": Scene(
        "Two bars of one moment give the same fills in either order.",
        (
            Bar(2, 44, 34, 80, 20, 58, (), "A, B or B, A"),
            Bar(54, 96, 50, 90, 26, 74, ALL, "A, B or B, A"),
            Moment(49, "decisions"),
        ),
        says=("Orders for either fill at prices after the line,", "so that the order of rows does not matter."),
        since=49,
    ),
}
"""Pictures of bars and decisions, by the name of their file."""

DRAWINGS: Final[dict[str, Callable[[], str]]] = {
    "overview": overview,
    "fills-moment": moment,
    "fills-rules": journal,
    **{name: scene.draw for name, scene in SCENES.items()},
}
"""What is drawn, by the name of its file."""


def main() -> None:
    """Draw all of them."""
    for name, draw in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
