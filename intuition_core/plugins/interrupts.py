"""Who a `KeyboardInterrupt` comes from: a person who pressed Ctrl-C, or a plugin that raises it by itself."""

import dis
from typing import Final

_RAISE: Final = dis.opmap["RAISE_VARARGS"]
_CORE: Final = "intuition_core"


def is_raised_by_plugin(error: BaseException) -> bool:
    """Return whether a plugin's own ``raise`` has raised an error, rather than the handler of a signal.

    A signal is handled between two instructions, never at a ``raise``; where the handler is one of the core's, it
    raises there.
    """
    traceback = error.__traceback__
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    if str(frame.f_globals.get("__name__", "")).partition(".")[0] == _CORE:
        return False
    code = frame.f_code.co_code
    return 0 <= traceback.tb_lasti < len(code) and code[traceback.tb_lasti] == _RAISE
