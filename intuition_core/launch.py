"""Where the command ``intuition`` begins: what has to be settled before anything is imported that takes time."""

from __future__ import annotations

import os
import sys

from intuition_core.determinism.hashing import may_be_seeded, seeded_environment

TYPE_CHECKING = False  # `typing` takes longer to import than the rest of this
if TYPE_CHECKING:
    from typing import Final, NoReturn

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

_ATTENDED: Final = frozenset(("backtest", "compare", "replay", "show"))
"""Commands that run parts until they are done, in a process that another one looks after."""


def run() -> int:
    """Run the command line of this process, and return the exit code."""
    _open_missing()
    if os.getpid() == 1:
        from intuition_core.supervision.first import work_in_second

        if (code := work_in_second()) is not None:
            return code
    words = sys.argv[1:]
    command = next((word for word in words if not word.startswith("-")), "")
    is_second = "INTUITION_ATTENDED" in os.environ  # `front.VARIABLE`
    if command in _ATTENDED and not is_second and not {"--help", "-h"} & set(words) and sys.executable:
        from intuition_core.supervision.front import Front

        try:
            return Front().run()
        except OSError:  # there can be no second process, so this one has to do
            pass
    if (command not in _WITHOUT_PARTS or "--supervised" in words) and may_be_seeded():
        _begin_again()
    return _run()


def _run() -> int:
    from intuition_core.supervision.streams import set_up_streams

    set_up_streams()
    from intuition_core.supervision.attended import ATTENDED

    if not ATTENDED.begin() and "--supervised" not in sys.argv and sys.stderr is not None:
        import faulthandler  # of the others, the process in front or the supervisor tells
        from contextlib import suppress

        with suppress(OSError, ValueError):
            faulthandler.enable()
    from intuition_core.cli import main
    from intuition_core.supervision.stage import STAGE

    STAGE.is_ours = True
    STAGE.importing = ATTENDED.imports
    STAGE.told = ATTENDED.told
    try:
        code = STAGE.end(main(ready=ATTENDED.listen))
    except BaseException:
        ATTENDED.told()  # Python tells what went wrong
        raise
    ATTENDED.finish(code)
    return code


def _open_missing() -> None:
    """Open what is missing of the descriptors 0 to 2, so that no other file gets their numbers."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return
        os.set_inheritable(descriptor, True)  # noqa: FBT003  # it takes no keyword


def _begin_again() -> NoReturn:
    """Start this process again, under the same number, as an interpreter reads its hash seed only when it begins."""
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], seeded_environment())  # noqa: S606  # ourselves
