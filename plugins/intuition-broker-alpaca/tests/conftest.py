"""What the tests of the broker share with those of the core."""

from tests.support.processes import free

__all__ = ["free"]
