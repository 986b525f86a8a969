"""The guide does what it says: each of its commands is run, and what it shows of their output is looked for."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

GUIDE = Path(__file__).parent.parent.parent / "docs" / "backtesting.md"


class Block(NamedTuple):
    """Commands, and what is shown of their output."""

    commands: str
    shown: tuple[str, ...]


def blocks() -> list[Block]:
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.DOTALL | re.MULTILINE)
    return [Block(commands, tuple(shown.splitlines())) for commands, shown in found]


def pattern(line: str) -> str:
    """Give the expression that a line of the guide stands for: `…` is anything, blanks are as many as there are."""
    words = [".*".join(map(re.escape, word.split("…"))) for word in line.split()]
    return r"\s*" + r"\s+".join(words)


def test_the_guide_can_be_followed(tmp_path: Path) -> None:
    found = blocks()
    assert sum(bool(block.shown) for block in found) >= 6
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INTUITION_")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    for commands, shown in found:
        ran = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, (commands, ran.stdout)
        lines = iter(ran.stdout.splitlines())
        for wanted in shown:
            assert any(re.match(pattern(wanted), line) for line in lines), (wanted, ran.stdout)
    assert (tmp_path / "out.html").stat().st_size > 100_000


def test_what_the_guide_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)", GUIDE.read_text(encoding="utf-8")):
        assert (GUIDE.parent / target).exists(), target
