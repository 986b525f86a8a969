"""Pictures are drawn from what commands print, and need nothing from elsewhere."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

FILE = Path(__file__).parent.parent.parent / "docs" / "pictures.py"
_spec = importlib.util.spec_from_file_location("pictures", FILE)
assert _spec is not None
assert _spec.loader is not None
pictures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pictures)


@pytest.mark.parametrize("name", [picture.name for picture in pictures.PICTURES])
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
