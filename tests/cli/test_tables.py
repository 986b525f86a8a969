import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.cli.tables import open_table

FORMULAS = [
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "=1",
    " =1",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20A1",
    "-inf",
    "+nan",
    "-",
]


def written(values: list[object], folder: Path) -> str:
    with open_table("csv", folder / "t.csv", {"a": str, "b": str}) as table:
        table.add([{"a": value, "b": "end"} for value in values])
    return (folder / "t.csv").read_bytes().decode()


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str, tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(written([text], tmp_path), newline="")))
    assert rows == [["a", "b"], [f"'{text}", "end"]]


@pytest.mark.parametrize("text", ["-2.5", "-1", "+1", "1e-12", "-1.5E+3", "0", "goog", "ES=F", "a-b", "^GSPC"])
def test_numbers_and_ordinary_texts_are_left_alone(text: str, tmp_path: Path) -> None:
    assert written([text], tmp_path) == f"a,b\n{text},end\n"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_every_text_can_be_read_again(texts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = list(csv.reader(io.StringIO(written(list(texts), Path(folder)), newline="")))[1:]
    assert [row[0].removeprefix("'") for row in rows] == [text.removeprefix("'") for text in texts]


def test_cells_that_another_language_would_split_are_quoted(tmp_path: Path) -> None:
    assert written(["x;=1+1"], tmp_path).splitlines()[1] == '"x;=1+1",end'


def test_values_that_are_no_text(tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(written([None, 1, 1.5, True, {"a": 1}, Decimal("-1.50")], tmp_path))))[1:]
    assert [row[0] for row in rows] == ["", "1", "1.5", "True", '{"a":1}', "-1.50"]
