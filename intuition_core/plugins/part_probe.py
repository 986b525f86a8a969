"""Describe plugins in a process of its own, one after the other.

Run as a program by `intuition_core.config.schema`, with the number of an open file descriptor, the import path, and
kind, reference and target of each plugin as JSON. It writes one line for each: what it found, or the problem.
"""

import json
import os
import sys
from typing import Any

from intuition_core.plugins.description import params_schema
from intuition_core.plugins.plugin_probe import load, one_line


def answer(target: str, prefix: str) -> dict[str, Any]:
    """Import a target; return the schema of its parameters and the definitions that it needs, or the ``problem``."""
    try:
        found = params_schema(load(target), prefix)
    except BaseException as error:  # noqa: BLE001  # a plugin may raise anything, SystemExit included
        return {"problem": one_line(error)}
    return {"schema": None, "definitions": {}} if found is None else {"schema": found[0], "definitions": found[1]}


if __name__ == "__main__":
    descriptor, path, wanted = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    sys.path[:] = path
    own = os.getpid()
    for target, prefix in wanted:
        line = json.dumps(answer(target, prefix)).encode() + b"\n"
        if os.getpid() != own:  # a plugin forked while being imported
            os._exit(0)
        os.write(descriptor, line)
    os._exit(0)
