"""The environment in which tests start programs."""

import os

LOOK = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CLICOLOR_FORCE")
"""Variables of a terminal, which would change what programs print."""


def environment(**variables: str) -> dict[str, str]:
    """Give the environment of the tests without what configures Intuition or a terminal, and with these variables."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in LOOK and not key.startswith(("INTUITION_", "_INTUITION"))
    }
    return kept | variables
