"""Pictures are drawn from what commands print and from what is said of bars, and need nothing from elsewhere."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from intuition_core.trading.matching import seen

DOCS = Path(__file__).parent.parent.parent / "docs"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures, drawings = _load("pictures"), _load("drawings")


@pytest.mark.parametrize("name", [picture.name for picture in pictures.PICTURES] + list(drawings.DRAWINGS))
def test_picture_is_there_and_asks_no_other_server(name: str) -> None:
    text = (pictures.IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    assert "url(http" not in text.replace(" ", "")
    assert not re.search(r"@import|<image|<script", text)


def test_drawn_is_what_the_command_prints() -> None:
    drawn = pictures.draw(pictures.Picture("version", "intuition --version", 60))
    words = "".join(ET.fromstring(drawn).itertext()).replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"\$ intuition --version.*intuition \d", words, re.DOTALL)
    assert "@font-face" not in drawn


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_drawings_are_those_that_are_shown(name: str) -> None:
    drawn = drawings.DRAWINGS[name]()
    assert (drawings.IMAGES / f"{name}.svg").read_text(encoding="utf-8") == drawn, "run: python docs/drawings.py"
    assert "prefers-color-scheme:dark" in drawn
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    assert f"images/{name}.svg)" in pages


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_words_of_drawings_stay_within(name: str) -> None:
    drawn = ET.fromstring(drawings.DRAWINGS[name]())
    for words in drawn.iter("{http://www.w3.org/2000/svg}text"):
        if "transform" in words.attrib:
            continue
        assert words.text is not None
        wide, at = 6.6 * len(words.text), float(words.attrib["x"])
        left = at - {"start": 0.0, "middle": wide / 2, "end": wide}[words.attrib["text-anchor"]]
        assert left >= 0, words.text
        assert left + wide <= drawings.WIDTH + 8, words.text


PICTURED = [name for name, scene in drawings.SCENES.items() if scene.since is not None]


@pytest.mark.parametrize("name", PICTURED)
def test_prices_that_are_drawn_full_are_those_that_an_order_may_have(name: str) -> None:
    scene = drawings.SCENES[name]
    for drawn in scene.drawn:
        if isinstance(drawn, drawings.Bar):
            event = {"sid": "A", "quote": drawn.close, "ts": drawn.ts, "start": drawn.start}
            event |= {"open": drawn.open, "high": drawn.high, "low": drawn.low}
            if drawn.unsaid:
                del event["start"]
            shown = {getattr(drawn, each) for each in drawn.counts}
        elif isinstance(drawn, drawings.Quote):
            event = {"sid": "A", "quote": drawn.price, "ts": drawn.ts}
            shown = {drawn.price} if drawn.counts else set()
        else:
            continue
        may = seen(event, "buy", since=scene.since, end=scene.end)
        assert (set() if may is None else {may.open, may.high, may.low, may.close}) == shown, drawn


def test_most_pictures_are_held_against_the_core() -> None:
    assert len(PICTURED) == 8
