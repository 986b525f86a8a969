"""Files that grow."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_connector_mqtt import tail
from intuition_connector_mqtt.tail import FileChanged, Lines, NoFile, follow


class Enough(Exception):
    """Ends the following of a file, for a test."""


@given(st.lists(st.text(alphabet="ab\n", max_size=12).map(str.encode), max_size=8), st.integers(1, 8))
def test_lines_are_given_once_and_whole(pieces: list[bytes], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "PIECE", size)
        file = Path(folder, "growing.csv")
        file.write_bytes(b"")
        left = list(pieces)

        def grow(_seconds: float) -> None:
            if not left:
                raise Enough
            with file.open("ab") as grown:
                grown.write(left.pop(0))

        found: list[Lines] = []
        with pytest.raises(Enough):
            found.extend(follow(file, pause=grow))
    content = b"".join(pieces)
    assert b"".join(lines.content for lines in found) == content[: content.rfind(b"\n") + 1]
    count = 1
    for lines in found:
        assert lines.first == count
        assert lines.content.endswith(b"\n")
        count += lines.content.count(b"\n")


@pytest.mark.parametrize("how", ["cut", "replaced", "gone"])
def test_a_file_that_does_not_go_on_is_given_up(tmp_path: Path, how: str) -> None:
    file, other = tmp_path / "prices.csv", tmp_path / "other.csv"
    file.write_text("one\ntwo\n")
    other.write_text("one\ntwo\nthree\n")

    def change(_seconds: float) -> None:
        if how == "cut":
            file.write_text("one\n")
        elif how == "replaced":
            other.rename(file)
        else:
            file.unlink()

    with pytest.raises(FileChanged, match=r"prices\.csv was cut or replaced"):
        assert [lines.content for lines in follow(file, pause=change)] == [b"one\ntwo\n"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoFile, match=r"prices\.csv: No such file"):
        next(follow(tmp_path / "prices.csv"))
