"""Import one plugin in a process of its own, and write the outcome as JSON.

Run as a program by `intuition_core.plugins.trial.check`, with the number of an open file descriptor, the import
path and the methods of the plugin's kind as JSON, and the plugin's target as arguments. It imports nothing of the
project, so that what it measures is the plugin.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Sequence


def one_line(error: BaseException) -> str:
    """Return an error's class and message as one line of printable text, at most 200 characters long."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def load(target: str) -> object:
    """Import a target, ``module`` or ``module:object.attribute``, and return what it names.

    Raises:
        BaseException: whatever the import raises, which may be anything.
    """
    module, _, attributes = target.partition("[")[0].partition(":")
    found: object = importlib.import_module(module.strip())
    for attribute in filter(None, attributes.strip().split(".")):
        found = getattr(found, attribute)
    return found


def lacking(found: object, required: Sequence[str]) -> list[str]:
    """Return the methods that a class lacks; none for a factory, whose class is not known before it is called."""
    if callable(found) and not isinstance(found, type) and "main" not in required:
        return []
    return [name for name in required if not callable(getattr(found, name, None))]


def probe(target: str, required: Sequence[str]) -> dict[str, object]:
    """Import a target; return the ``seconds`` that it took, the ``problem`` or None, and the ``missing`` methods."""
    problem = None
    missing: list[str] = []
    started = time.perf_counter()
    try:
        missing = lacking(load(target), required)
    except BaseException as error:  # noqa: BLE001  # a plugin may raise anything, SystemExit included
        problem = one_line(error)
    return {"seconds": time.perf_counter() - started, "problem": problem, "missing": missing}


if __name__ == "__main__":
    descriptor, path, methods, target = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
    sys.path[:] = path
    own = os.getpid()
    report = json.dumps(probe(target, methods)).encode()
    # A plugin that forked while being imported is here twice; only the process that was asked answers.
    if os.getpid() == own:
        os.write(descriptor, report)
    # Threads that the plugin started must not keep the process alive.
    os._exit(0)
