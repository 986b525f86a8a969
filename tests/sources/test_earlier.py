"""A file that should say what an earlier run read, and says nothing that can be understood."""

from pathlib import Path

import pytest

from intuition_core.errors import IntuitionError
from intuition_core.sources.contents import EarlierRun
from intuition_core.sources.datasets.index import read_index

DEEP = b'{"other":' + b"[" * 200_000
LATIN = b'{"data":[{"source":"\xe9"}]}'


@pytest.mark.parametrize("content", [b"", b"x", b"[1]", b"{}", b'{"data":5}', b'{"data":[{}]}', DEEP, LATIN])
def test_what_says_nothing_of_data_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "earlier.json"
    path.write_bytes(content)
    with pytest.raises(IntuitionError, match=r"earlier\.json: does not say which data was read"):
        EarlierRun(path)


@pytest.mark.parametrize("content", [b"", b"[1]", DEEP, b'{"format":"\xe9"}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(IntuitionError, match=r"dataset\.json: is no index"):
        read_index(tmp_path)
