from pathlib import Path

import pytest
from intuition_source_sql import Sql

from intuition_core.testing import SourceContract
from intuition_core.testing.example import example_params


class TestSqlite(SourceContract):
    part = Sql

    @pytest.fixture(autouse=True)
    def recorded(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """Let it read a database of the recorded quotes."""
        request.instance.params = example_params("source", "sql", Sql, tmp_path)
