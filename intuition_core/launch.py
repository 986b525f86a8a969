"""Where the command ``intuition`` begins: what has to be settled before anything is imported that takes time."""

import os
import sys
from typing import Final, NoReturn

HASH_SEED: Final = "0"
"""The hash seed of every process that runs parts: a set of texts has the same order in all of them."""

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
    if (command not in _WITHOUT_PARTS or "--supervised" in sys.argv) and not _is_settled():
        _begin_again()
    from intuition_core.cli import end, main
    from intuition_core.stage import STAGE

    STAGE.is_ours = True
    return end(main())


def seeded_environment() -> dict[str, str]:
    """Give the environment for a process that runs parts."""
    return {**os.environ, "PYTHONHASHSEED": HASH_SEED}


def _is_settled() -> bool:
    """Say whether the hash seed is the one that is wanted, or cannot be (``python -I`` does not heed variables)."""
    return os.environ.get("PYTHONHASHSEED") == HASH_SEED or bool(sys.flags.ignore_environment) or not sys.executable


def _begin_again() -> NoReturn:
    """Start this process again, under the same number, as an interpreter reads its hash seed only when it begins."""
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], seeded_environment())  # noqa: S606  # ourselves
