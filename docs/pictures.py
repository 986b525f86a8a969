# ruff: noqa: INP001  # a script, not a package
"""Draw the terminal pictures of the documentation from what the commands really print: ``python docs/pictures.py``."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

IMAGES: Final = Path(__file__).parent / "images"
_OF_THIS_MACHINE: Final = "should not be run as root"
"""What mosquitto says to those who draw the pictures as root."""
_FONT_FACE: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Picture(NamedTuple):
    """A command whose output is drawn; one that does not end by itself is ended after so many ``lines``."""

    name: str
    command: str
    columns: int
    lines: int | None = None


PICTURES: Final = (
    Picture("list-plugins", "intuition list-plugins", 128),
    Picture(
        "backtest",
        "intuition backtest --algo sma-cross --portfolio fixed --param fraction=0.2 --source sample --commission-bps 5",
        128,
    ),
    Picture("up-demo", "intuition up --demo --seed 7 --no-journal", 100, lines=18),
)


def draw(picture: Picture) -> str:
    """Run a command, and give what it printed as an SVG that needs nothing from elsewhere.

    Raises:
        CalledProcessError: the command failed.
    """
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(picture.columns), "TERM": "xterm-256color"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(  # noqa: S603  # the commands above
        picture.command.split(),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as program:
        assert program.stdout is not None  # noqa: S101  # PIPE
        if picture.lines is None:
            shown = list(program.stdout)
        else:
            shown = [program.stdout.readline() for _ in range(picture.lines)]
            program.send_signal(signal.SIGINT)
            program.stdout.read()
        shown = [line for line in shown if _OF_THIS_MACHINE not in line]
    if picture.lines is None and program.returncode:
        raise subprocess.CalledProcessError(program.returncode, picture.command)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=picture.columns, file=nowhere, force_terminal=True)
        console.print(
            Text.from_ansi(f"$ {picture.command}\n" + "".join(line.rstrip() + "\n" for line in shown).rstrip())
        )
    # rich names fonts on a server of somebody else; readers without them get their own monospaced one.
    return _FONT_FACE.sub("", console.export_svg(title=picture.command, unique_id=picture.name))


def main() -> None:
    """Draw all pictures, or those that are named."""
    for picture in PICTURES:
        if not sys.argv[1:] or picture.name in sys.argv[1:]:
            (IMAGES / f"{picture.name}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main()
