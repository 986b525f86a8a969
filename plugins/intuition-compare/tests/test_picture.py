"""Pictures and pages: what they show, that they need nothing from elsewhere, and that a phone can show them."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from intuition_compare.comparison import Comparison, Drawing, compared
from intuition_compare.picture import COLOURS, check_picture, draw

from intuition_core.cli.tables import CannotWrite

IMAGE = Path(__file__).parents[3] / "docs" / "images" / "compare.png"
HARM = "</script><script>document.title='harm'</script><img src=x onerror=alert(1)>$x^2$&"


@pytest.fixture
def comparison(run_from: Callable[..., Any]) -> Comparison:
    runs = [
        run_from("first", [0.01, -0.02, 0.03] * 40),
        run_from(HARM, [0.02, -0.01, 0.01] * 40),
        run_from("third", [0.0, 0.001] * 60),
    ]
    return compared(runs, Drawing(0.95, 100, 0))


@pytest.fixture
def page(comparison: Comparison, tmp_path: Path) -> bytes:
    draw(comparison, tmp_path / "out.html")
    return (tmp_path / "out.html").read_bytes()


def drawn(comparison: Comparison, path: Path) -> bytes:
    draw(comparison, path)
    return path.read_bytes()


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_the_same_comparison_gives_the_same_bytes(comparison: Comparison, tmp_path: Path, ending: str) -> None:
    one, two = (drawn(comparison, tmp_path / f"{name}.{ending}") for name in ("one", "two"))
    assert one == two
    fewer = comparison._replace(runs=comparison.runs[:2], differences=comparison.differences[:1])
    assert drawn(fewer, tmp_path / f"other.{ending}") != one


@pytest.mark.parametrize("file", [None, IMAGE])
def test_a_picture_is_higher_than_wide_as_a_phone_is(comparison: Comparison, tmp_path: Path, file: Path | None) -> None:
    content = file.read_bytes() if file is not None else drawn(comparison, tmp_path / "out.PNG")
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    assert 900 < width < height
    assert len(content) < 400_000


def test_an_svg_has_a_curve_for_each_variant_and_each_difference(comparison: Comparison, tmp_path: Path) -> None:
    text = drawn(comparison, tmp_path / "out.svg").decode()
    ET.fromstring(text)
    assert "url(http" not in text
    assert not re.search(r"@import|<image|<script", text)
    curves = [style for style in re.findall(r'<path d="([^"]*)" clip-path', text) if style.count("L") > 50]
    assert len(curves) == 3 + 2
    for colour in COLOURS[:3]:
        assert f"stroke: {colour}" in text


def test_a_page_takes_no_text_for_markup_and_loads_nothing(page: bytes) -> None:
    text = page.decode()
    assert "<script>document.title" not in text
    assert "<img" not in text
    assert "default-src 'none'" in text
    [points] = re.findall(r'<script type="application/json" id="points">(.*?)</script>', text, re.DOTALL)
    told = json.loads(points)
    assert told["names"] == ["first", HARM, "third"]
    assert [len(column) for column in told["points"]["equity"]] == [120] * 3
    assert told["points"]["apart"][0][-1] == pytest.approx(
        told["points"]["equity"][1][-1] - told["points"]["equity"][0][-1], rel=1e-6
    )


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(390, False), (1200, True)])
def test_a_page_is_drawn_and_fits(page: bytes, browser: Any, width: int, dark: bool) -> None:
    found, console = browser.look(
        page,
        width=width,
        dark=dark,
        probe="""return {
            drawn: document.documentElement.dataset.charts,
            title: document.title,
            overflow: document.documentElement.scrollWidth - innerWidth,
            charts: document.querySelectorAll(".chart canvas").length,
            legends: [...document.querySelectorAll(".legend")].map((place) => place.textContent),
            paper: getComputedStyle(document.body).backgroundColor,
        }""",
    )
    assert console == []
    assert found["drawn"] == "drawn"
    assert found["title"].startswith("first · </script>")
    assert found["overflow"] <= 0
    assert found["charts"] > 2
    assert "third" in found["legends"][0]
    assert "first" not in found["legends"][1]
    assert found["paper"] == ("rgb(14, 17, 22)" if dark else "rgb(246, 247, 249)")


def test_no_events_draw_nothing_and_fail_nothing(run_from: Callable[..., Any], tmp_path: Path) -> None:
    empty = compared([run_from("a", []), run_from("b", [])], Drawing(0.95, 100, 0))
    for ending in ("png", "svg", "html"):
        assert drawn(empty, tmp_path / f"out.{ending}")


def test_what_cannot_be_written_is_told(comparison: Comparison, tmp_path: Path) -> None:
    check_picture(None)
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(CannotWrite, match=r"taken\.png"):
        draw(comparison, tmp_path / "taken.png")


def test_the_command_writes_it_beside_the_table(compare: Any, tmp_path: Path) -> None:
    flags = ("--algo", "sma-cross", "--portfolio", "naive,fixed", "--source", "sample", "--from", "2012-01-01")
    ran = compare(*flags, "--replications", "100", "--picture", tmp_path / "out.svg")
    assert (ran.code, ran.err) == (0, f"picture written to {tmp_path / 'out.svg'}\n")
    assert "Less naive" in ran.out
    assert (tmp_path / "out.svg").read_text().startswith("<?xml")
