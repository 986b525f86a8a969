"""``python -m intuition_core`` is the command ``intuition``."""

import sys

from intuition_core.cli import main

sys.exit(main())
