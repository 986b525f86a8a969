"""Consoles of rich whose text steers no terminal, whatever it quotes; their own colours and bars are left alone."""

import io
import sys
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from intuition_core.system.printable import ERRORS, escaped

FILE_WIDTH: Final = 160
"""The width, in columns, of output that goes to no terminal."""


class SafeConsole(Console):
    """A console that writes escapes for controls in text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of something that can be shown."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text == (safe := escaped(text)):
                yield segment
            else:
                yield Segment(safe, segment.style)


def console(*, width: int | None = None, **options: Any) -> SafeConsole:
    """Return a console on standard output, or with ``stderr=True`` on standard error.

    Args:
        width: the columns where the output goes to no terminal; rich's own choice where None.
        options: those of rich's `Console`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors=ERRORS)  # not every locale can write the root in √252
    found = SafeConsole(**{"highlight": False, **options})
    if width is not None and not found.is_terminal:
        found.width = width
    return found
