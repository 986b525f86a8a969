"""The command `intuition check`, from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INTUITION = Path(sys.executable).with_name("intuition")

GOOD = '''
import msgspec
from typing import Annotated

class Every:
    """Buys at every so many quotes."""

    class Params(msgspec.Struct, frozen=True):
        """How often."""

        every: Annotated[int, msgspec.Meta(ge=1, description="Quotes from one buy to the next.")] = 3

    def initialize(self, params):
        self.every, self.count = params.every, 0
        return ["quotes"]

    def event(self, data):
        from intuition_core import Signal

        self.count += 1
        return None if self.count % self.every else Signal(data["sid"], "buy", data["quote"])

    def snapshot(self):
        return self.count

    def restore(self, state):
        self.count = state
'''


def run(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INTUITION_")}
    return subprocess.run(
        [INTUITION, "check", *arguments],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def checked(*arguments: str, folder: Path, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json", folder=folder)
    assert result.returncode == code, result.stdout + result.stderr
    (found,) = json.loads(result.stdout)
    return {**found, "checks": {check["check"]: (check["mark"], check["detail"]) for check in found["checks"]}}


def test_a_plugin_of_ours_is_documented(tmp_path: Path) -> None:
    result = run("algorithm:random", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("✓ algorithm `random` (intuition-random 0.1.0): documented\n")
    assert "  ✓ no look ahead\n" in result.stdout
    assert "✗" not in result.stdout


def test_a_distribution_means_all_that_it_brings(tmp_path: Path) -> None:
    result = run("intuition-algorithms", folder=tmp_path)
    assert result.returncode == 0
    assert [line.split("`")[1] for line in result.stdout.splitlines()] == ["buy-and-hold", "sma-cross"]
    assert "2 plugins, none of them failed" in result.stderr


@pytest.mark.parametrize("reference", ["source:csv", "source:jsonl", "source:parquet", "source:sql"])
def test_sources_are_given_a_recording_to_read(tmp_path: Path, reference: str) -> None:
    found = checked(reference, folder=tmp_path)
    assert found["tier"] == "documented"
    assert found["checks"]["batches are the events"][0] == "pass"
    assert found["checks"]["start and end are honoured"][0] == "pass"


def test_a_calendar_is_tried_by_names_that_it_may_know(tmp_path: Path) -> None:
    found = checked("calendar:exchange", folder=tmp_path)
    assert found["tier"] == "documented"
    assert found["checks"]["sessions are in order"][0] == "pass"
    assert found["checks"]["parameters described"] == ("pass", "it takes none")
    (tmp_path / "hours.py").write_text(
        """
class Hours:
    def sessions(self, name):
        if name != "OURS":
            raise LookupError("OURS is all there is")
        return [(1_704_099_600_000_000_000, 1_704_128_400_000_000_000)]
"""
    )
    found = checked("hours.py", folder=tmp_path)
    assert found["kind"] == "calendar"
    assert found["checks"]["sessions are in order"][0] == "skip"
    assert "define `names()`" in found["checks"]["sessions are in order"][1]


def test_a_table_of_instruments_in_a_file_is_told_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "table.py").write_text(
        """
class Table:
    def instruments(self):
        return [{"symbol": "ESZ6", "tick": 0.25, "currency": "usd"}]
"""
    )
    found = checked("table.py", folder=tmp_path, code=1)
    assert (found["kind"], found["tier"]) == ("instruments", "loads")
    mark, detail = found["checks"]["rows can be read"]
    assert (mark, detail[:17]) == ("fail", "row 1: `currency`")
    assert [mark for mark, _ in found["checks"].values()].count("fail") == 1


def test_what_cannot_be_tried_without_a_parameter_says_so(tmp_path: Path) -> None:
    found = checked("websocket", folder=tmp_path)
    assert found["tier"] == "loads"
    assert found["checks"]["contract"] == ("skip", "it needs `url`, `quote`: --param url=… --param quote=…")


def test_a_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "my_algo.py").write_text(GOOD)
    for reference in ("my_algo.py", "./my_algo.py:Every", "algorithm:my_algo.py"):
        found = checked(reference, folder=tmp_path)
        assert (found["kind"], found["name"], found["tier"]) == ("algorithm", "my-algo", "documented")
    found = checked("my_algo.py", "--param", "every=0", folder=tmp_path, code=1)
    assert found["failed"]


def test_a_fault_fails_with_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "my_algo.py").write_text(GOOD.replace("self.count = state", "pass"))
    found = checked("my_algo.py", folder=tmp_path, code=1)
    assert found["tier"] == "loads"
    mark, detail = found["checks"]["goes on from any snapshot"]
    assert mark == "fail"
    assert "take all of it up in `restore`" in detail
    assert [mark for mark, _ in found["checks"].values()].count("fail") == 1
    result = run("my_algo.py", folder=tmp_path)
    assert "✗ goes on from any snapshot: event " in result.stdout


def test_a_project_folder_needs_no_installation(tmp_path: Path) -> None:
    (tmp_path / "intuition_mine.py").write_text(GOOD)
    (tmp_path / "pyproject.toml").write_text(
        """
        [project]
        name = "intuition-mine"
        version = "0.3"
        [project.entry-points."intuition.v1.algorithm"]
        Mine = "intuition_mine:Every"
        """
    )
    found = checked(str(tmp_path), folder=tmp_path, code=1)
    assert (found["distribution"], found["version"]) == ("intuition-mine", "0.3")
    assert found["checks"]["name"] == ("fail", "use small letters, digits and single hyphens")
    assert found["checks"]["requires"][0] == "fail"
    assert found["checks"]["summary"][0] == "skip"
    assert found["checks"]["no look ahead"][0] == "pass"
    assert found["tier"] == "contract"


@pytest.mark.parametrize(
    ("hook", "mark", "says"),
    [
        ("def fill(self, record): pass", "pass", ""),
        ("def fill(self, price): pass", "fail", "{'price'}"),
        ("def filled(self, record): pass", "fail", "no hook `filled`; did you mean `fill`?"),
    ],
)
def test_hooks_are_held_against_those_that_there_are(tmp_path: Path, hook: str, mark: str, says: str) -> None:
    (tmp_path / "intuition_mine.py").write_text(
        f"from intuition_core import hookimpl\n\nclass Mine:\n    @hookimpl\n    {hook}\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        """
        [project]
        name = "intuition-mine"
        version = "0.3"
        dependencies = ["intuition-core"]
        [project.entry-points."intuition.v1.hooks"]
        mine = "intuition_mine:Mine"
        """
    )
    found = checked(str(tmp_path), folder=tmp_path, code=int(mark == "fail"))
    assert found["checks"]["methods"][0] == mark
    assert says in found["checks"]["methods"][1]


@pytest.mark.parametrize(
    ("code", "check", "says"),
    [
        ("raise RuntimeError('not today')", "import", "not today"),
        ("import os; os._exit(3)", "import", "the process ended with 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "import", "ended with -11"),
        ("import time; time.sleep(1000)", "import", "still at it after 2 s"),
        ("class A: pass", "import", "no class with the methods of any kind"),
    ],
)
def test_what_cannot_be_imported_is_told(tmp_path: Path, code: str, check: str, says: str) -> None:
    (tmp_path / "my_algo.py").write_text(code)
    deadline = ["--deadline", "2"] if "sleep" in code else []
    found = checked("my_algo.py", *deadline, folder=tmp_path, code=1)
    assert found["checks"][check][0] == "fail"
    assert says in found["checks"][check][1]
    assert found["tier"] == "listed"


def test_a_part_that_hangs_is_told_with_what_it_was_doing(tmp_path: Path) -> None:
    (tmp_path / "my_algo.py").write_text(GOOD.replace("self.count = state", "while True: pass"))
    found = checked("my_algo.py", "--deadline", "8", folder=tmp_path, code=1)
    assert "still at it after 8 s" in found["checks"]["goes on from any snapshot"][1]
    assert found["checks"]["channels are well formed"][0] == "pass"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("randon", "no plugin or distribution of this name is installed"),
        ("nowhere.py", "there is no such file"),
        ("empty", "it has no pyproject.toml"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, reference: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run(reference, folder=tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
