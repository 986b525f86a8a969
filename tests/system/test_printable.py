import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.system.printable import ERRORS, escaped, indented, is_text, on_one_line

TEXTS = st.text(st.characters(codec=None, categories=["L", "N", "P", "S", "Z", "C"]))


@given(TEXTS)
def test_nothing_that_is_not_printed_is_left(text: str) -> None:
    for character in escaped(text):
        assert character in "\n\t" or character.isprintable() or unicodedata.category(character) == "Zs"


@given(TEXTS)
def test_what_is_escaped_stays_as_it_is(text: str) -> None:
    assert escaped(escaped(text)) == escaped(text)


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_escaped_json_means_the_same(value: object) -> None:
    assert json.loads(escaped(json.dumps(value, ensure_ascii=False))) == value


@given(st.text())
def test_an_encoding_that_lacks_characters_leaves_json_of_the_same_meaning(text: str) -> None:
    for encoding in ("ascii", "latin-1", "cp1252"):
        assert json.loads(json.dumps(text, ensure_ascii=False).encode(encoding, ERRORS).decode(encoding)) == text


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b]8;;http://example.org\x1b\\link",
        "\x9b2J",
        "\x9d0;title\x9c",
        "\x90q\x9c",
        "a\rb",
        "a\bb",
        "a\x7fb",
        "a\x00b",
        "user\u202egnp.exe",
        "\u2066x\u2069",
        "a\u200bb",
        "a\u2028b",
        "\ud800",
        "\U000e0041",
    ],
)
def test_what_steers_a_terminal_or_hides_text_is_shown(attack: str) -> None:
    assert escaped(attack).isprintable()
    assert "\\u" in escaped(attack)


def test_ordinary_text_is_left_alone() -> None:
    for text in ("", "plain", "zürich 東京 √252 😀", "a\tb\nc", "a non\u00a0breaking space"):
        assert escaped(text) == text


def test_entries_of_a_log_cannot_be_forged() -> None:
    assert indented("first\nINFO: kill switch on\n") == "first\n    INFO: kill switch on"
    assert on_one_line("a\nb\tc\r") == r"a\nb\tc\u000d"


def test_bytes_that_were_no_text_are_known() -> None:
    assert is_text("zürich 😀")
    assert not is_text(b"a\xff".decode("utf-8", "surrogateescape"))
