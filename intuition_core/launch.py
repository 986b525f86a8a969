"""Where the command ``intuition`` begins: what has to be settled before anything is imported that takes time."""

import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

from intuition_core.hashing import may_be_seeded, seeded_environment

_WITHOUT_PARTS: Final = frozenset(
    (
        "",  # --help, --version, and what a shell asks to complete
        "completion",
        "doctor",
        "init",
        "keys",
        "kill",
        "list-plugins",
        "new",
        "schema",
        "serve",  # its worker is given the seed as it is started
        "swap",
        "up",  # the same of its children
    )
)
"""Commands that run no part in their own process; they are spared the start of a second interpreter."""


def run() -> int:
    """Run the command line of this process, and give the exit code."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if (command not in _WITHOUT_PARTS or "--supervised" in sys.argv) and may_be_seeded():
        _begin_again()
    if "--supervised" not in sys.argv:  # there the supervisor tells
        import faulthandler

        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                faulthandler.enable()
    from intuition_core.cli import main
    from intuition_core.stage import STAGE

    STAGE.is_ours = True
    return STAGE.end(main())


def _begin_again() -> NoReturn:
    """Start this process again, under the same number, as an interpreter reads its hash seed only when it begins."""
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], seeded_environment())  # noqa: S606  # ourselves
