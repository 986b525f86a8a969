"""The hash seed: the same in every process that runs parts, and another where a part is checked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETS = """
from intuition_core import Signal


class Sets:
    \"\"\"Buys all symbols, in the order of {how}.\"\"\"

    def initialize(self, params):
        self.sids = set()

    def event(self, data):
        self.sids.add(data["sid"])
        return [Signal(sid, "buy") for sid in {how}]
"""

INTUITION = (sys.executable, "-m", "intuition_core")


def run(folder: Path, *arguments: str, seed: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    if seed is not None:
        environment["PYTHONHASHSEED"] = seed
    return subprocess.run(
        [*INTUITION, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.slow
def test_a_backtest_of_a_part_that_goes_through_a_set_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "sets.py").write_text(SETS.format(how="self.sids"))
    symbols = ["IBM", "MSFT", "AAPL", "GOOG", "AMZN", "XOM", "GLD", "TLT"]
    rows = [f"2024-01-{day:02},{sid},{10 + day}" for day in range(1, 6) for sid in symbols]
    (tmp_path / "d.csv").write_text("\n".join(["ts,sid,quote", *rows]) + "\n")
    arguments = ("backtest", "--algo", "./sets.py", "--portfolio", "naive", "--data", "d.csv", "--json")
    told = [json.loads(run(tmp_path, *arguments, seed=seed).stdout) for seed in (None, None, "1", "14", "random")]
    assert len({each["decisions_sha256"] for each in told}) == 1
    assert told[0]["orders"] > 10


@pytest.mark.slow
@pytest.mark.parametrize(("how", "mark"), [("self.sids", "fail"), ("sorted(self.sids)", "pass")])
def test_check_lets_a_part_work_under_two_seeds_and_names_what_differs(how: str, mark: str, tmp_path: Path) -> None:
    (tmp_path / "sets.py").write_text(SETS.format(how=how))
    [told] = json.loads(run(tmp_path, "check", "./sets.py", "--kind", "algorithm", "--json").stdout)
    [item] = [each for each in told["checks"] if each["check"] == "repeats under another hash seed"]
    assert item["mark"] == mark
    if mark == "fail":
        assert "in one process, and decision buy" in item["detail"]
        assert "sorted(…)" in item["detail"]


@pytest.mark.slow
def test_an_interpreter_that_ignores_its_environment_is_not_begun_again_for_ever(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-E", "-m", "intuition_core", "show", "naive"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
