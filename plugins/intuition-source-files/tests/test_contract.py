from pathlib import Path

import pytest
from intuition_source_files import Csv, JsonLines, Parquet

from intuition_core.testing import SourceContract
from intuition_core.testing.example import example_params


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Let each class read a file of the recorded quotes."""
    part = request.instance.part
    request.instance.params = example_params("source", part.Params.part, part, tmp_path)


class TestCsv(SourceContract):
    part = Csv


class TestParquet(SourceContract):
    part = Parquet


class TestJsonLines(SourceContract):
    part = JsonLines
