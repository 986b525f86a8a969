"""``python -m intuition_core`` is the command ``intuition``."""

import sys

from intuition_core.launch import run

if __name__ == "__main__":
    sys.exit(run())
