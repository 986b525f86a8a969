import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intuition_report import Html

from intuition_core.history import History, Section

HistoryOf = Callable[..., History]


class Page(HTMLParser):
    """What a browser would make of a page: its elements, what they would load, and what a person reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.read = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self._inside = tag
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            if name in {"src", "srcset", "data", "action", "poster"} or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        self.read += " "

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.read += data


def write(history: History, folder: Path) -> bytes:
    path = folder / "report.html"
    Html().write(history, path)
    return path.read_bytes()


def test_the_page_loads_nothing(sample: History, tmp_path: Path) -> None:
    text = write(sample, tmp_path).decode()
    page = Page(text)
    assert page.loads == ["data:,"]
    assert page.links == ["https://www.tradingview.com/"]
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_text_of_others_stays_text(hostile: History, sample: History, tmp_path: Path) -> None:
    page, harmless = Page(write(hostile, tmp_path).decode()), Page(write(sample, tmp_path).decode())
    assert page.elements["img"] == 0
    assert page.elements["script"] == harmless.elements["script"]
    assert page.handlers == []
    assert page.read.count(hostile.title) > len(hostile.trades)  # the symbol of each, the title, the composition, …


def test_the_same_history_gives_the_same_bytes(sample: History, tmp_path: Path) -> None:
    assert write(sample, tmp_path) == write(sample, tmp_path)


def test_what_is_said(sample: History, tmp_path: Path) -> None:
    text = write(sample, tmp_path).decode()
    read = " ".join(Page(text).read.split())
    assert "sma-cross with fixed sample: IBM, MSFT · 1 Mar 2000 to 1 Mar 2013, UTC · 6,540 events" in read
    assert "Interrupted" not in read
    for metric in Html().metrics(sample):
        assert metric.label in read
        assert metric.convention in read
    assert "sma-cross (intuition-algorithms 0.1.0) fast 10 slow 30" in read
    assert "All fills, newest first." in read
    assert len(re.findall(r'<span class="side ', text)) == len(sample.trades)


def test_an_interrupted_run_says_so_on_top(sample: History, tmp_path: Path) -> None:
    page = Page(write(msgspec.structs.replace(sample, complete=False), tmp_path).decode())
    assert page.read.index("Interrupted.") < page.read.index("Total return")


def test_many_fills_are_cut_and_it_says_so(sample: History, tmp_path: Path) -> None:
    many = msgspec.structs.replace(sample, trades=list(sample.trades) * 5)
    text = write(many, tmp_path).decode()
    assert "The latest 250 of 1,195 fills, newest first." in text
    assert len(re.findall(r'<span class="side ', text)) == 250


def test_a_run_without_events_is_explained(empty: History, tmp_path: Path) -> None:
    page = Page(write(empty, tmp_path).decode())
    read = " ".join(page.read.split())
    assert "There were no events" in read
    assert "Nothing was bought or sold." in read
    assert "undefined" in read
    assert page.elements["select"] == 0


def test_a_long_run_of_many_symbols_is_not_large(history_of: HistoryOf, tmp_path: Path) -> None:
    course = [1000 + 17.123456789 * (n % 97) for n in range(4096)]
    symbols = tuple(f"S{n}" for n in range(30))
    history = history_of(course, priced=symbols)
    slices = [part._replace(marks=tuple(part.close / (n + 1.5) for n in range(30))) for part in history.slices]
    page = write(msgspec.structs.replace(history, slices=slices), tmp_path)
    assert len(page) < 1_500_000
    assert page.count(b"<option") == 12


def test_a_file_that_cannot_be_written(sample: History, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Html().write(sample, tmp_path / "missing" / "report.html")


# In a browser

MEASURE = """
  const drawn = (canvas) => {
    const { width, height } = canvas;
    const pixels = () => canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return width * height > 0 && pixels().some((value) => value > 0);
  };
  return {
    charts: document.documentElement.dataset.charts || null,
    drawn: [...document.querySelectorAll(".chart")].map(
      (chart) => [...chart.querySelectorAll("canvas")].filter(drawn).length),
    title: document.title,
    paper: getComputedStyle(document.body).backgroundColor,
    width: innerWidth,
    needed: document.documentElement.scrollWidth,
  };
"""


@pytest.mark.browser
@pytest.mark.parametrize(
    ("kind", "width", "dark"), [("sample", 390, False), ("sample", 1280, True), ("hostile", 390, True)]
)
def test_it_is_drawn_and_fits(
    browser: Any, request: pytest.FixtureRequest, tmp_path: Path, kind: str, width: int, dark: bool
) -> None:
    history = request.getfixturevalue(kind)
    found, console = browser.look(write(history, tmp_path), width=width, probe=MEASURE, dark=dark)
    assert console == []
    assert found["charts"] == "drawn"
    assert len(found["drawn"]) == 2
    assert min(found["drawn"]) > 1
    assert found["title"] == f"{history.title} · Intuition"
    assert found["width"] == width
    assert found["needed"] <= width
    assert found["paper"] == ("rgb(14, 17, 22)" if dark else "rgb(246, 247, 249)")


@pytest.mark.browser
@pytest.mark.parametrize("case", ["empty", "one", "within a millisecond", "long ago", "in debt"])
def test_strange_runs_are_drawn_too(browser: Any, history_of: HistoryOf, tmp_path: Path, case: str) -> None:
    courses = {"empty": [], "one": [1000.0], "in debt": [1000.0, -500.0, 200.0, 0.0, 100.0]}
    history = history_of(courses.get(case, [1000.0 + n % 7 for n in range(200)]), priced=("GOOG",))
    slices = [part._replace(marks=(None,) if n < 2 else (-3.5,)) for n, part in enumerate(history.slices)]
    if case == "within a millisecond":
        slices = [part._replace(ts=1_704_124_800_000_000_000 + 5_000 * (n // 2)) for n, part in enumerate(slices)]
    elif case == "long ago":
        slices = [part._replace(ts=part.ts - 90 * 365 * 86_400_000_000_000) for part in slices]
    page = write(msgspec.structs.replace(history, slices=slices), tmp_path)
    found, console = browser.look(page, width=390, probe=MEASURE)
    assert console == []
    assert found["needed"] <= 390
    assert found["charts"] == (None if case == "empty" else "drawn")


@pytest.mark.browser
def test_another_symbol_and_another_range_can_be_chosen(browser: Any, sample: History, tmp_path: Path) -> None:
    probe = """
      const legend = () => document.querySelector("#prices .legend").textContent;
      const pressed = () => document.querySelector("[aria-pressed=true]").textContent;
      const before = [legend(), pressed()];
      const select = document.querySelector("select");
      select.value = "1";
      select.dispatchEvent(new Event("change"));
      [...document.querySelectorAll(".ranges button")].find((button) => button.textContent === "1Y").click();
      await settled();
      return { before, after: [legend(), pressed()] };
    """
    found, console = browser.look(write(sample, tmp_path), width=1280, probe=probe)
    assert console == []
    assert found["before"][1] == "All"
    assert found["after"][1] == "1Y"
    assert "IBM" in "".join(found["before"])
    assert "MSFT" in "".join(found["after"])


@pytest.mark.browser
def test_both_charts_tell_of_the_moment_under_the_pointer(browser: Any, sample: History, tmp_path: Path) -> None:
    probe = """
      const legends = () => [...document.querySelectorAll(".legend")].map((legend) => legend.textContent);
      const chart = document.querySelector("#prices .chart");
      chart.scrollIntoView();
      const { left, top, width, height } = chart.getBoundingClientRect();
      const place = { bubbles: true, clientX: left + width / 2, clientY: top + height / 2, view: window };
      const pane = document.elementFromPoint(place.clientX, place.clientY);
      const send = (type) => pane.dispatchEvent(new MouseEvent(type, place));
      const before = legends();
      send("mouseenter");
      send("mousemove");
      await settled();
      const during = legends();
      send("mouseleave");
      await settled();
      return { before, during, after: legends() };
    """
    found, console = browser.look(write(sample, tmp_path), width=1280, probe=probe)
    assert console == []
    assert found["before"] == found["after"]
    assert all(legend.startswith("2013-03-01") for legend in found["before"])
    moments = {legend[:10] for legend in found["during"]}
    assert len(moments) == 1
    assert "2005-01-01" < moments.pop() < "2008-12-31"


@pytest.mark.browser
def test_a_page_that_loaded_something_would_be_noticed(browser: Any, sample: History, tmp_path: Path) -> None:
    page = write(sample, tmp_path).replace(b"<main>", b'<main><img src="https://example.com/x.png">')
    _, console = browser.look(page, width=390, probe="return {};")
    assert any("Content Security Policy" in line for line in console)


def test_sections_of_hook_plugins_are_shown_as_text(tmp_path: Path) -> None:
    from msgspec.structs import replace

    from intuition_core.testing import recorded_history

    history = replace(recorded_history(), sections=[Section("Weather & wind", [("sky", "<b>clear</b>")])])
    Html().write(history, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Weather &amp; wind" in page
    assert "&lt;b&gt;clear&lt;/b&gt;" in page
