"""Dotted paths into decoded JSON, such as ``data.c`` or ``1.c.0``."""

from typing import Any, Final

MISSING: Final = object()
"""What `find` gives where there is nothing; JSON itself has a null."""


class Path:
    """Where something is: keys of objects and places in arrays, the first being 0, with dots between them.

    A path that is a single dot is the whole.

    Raises:
        ValueError: the text is no such path.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._steps = () if text == "." else tuple(text.split("."))
        if not all(self._steps):
            raise ValueError(f"`{text}` is no path such as `data.price`: keys with dots between them")

    def __str__(self) -> str:
        return self._text

    def find(self, *contents: Any) -> Any:
        """Return what is there in the first of some contents that has it, or `MISSING`."""
        for content in contents:
            found = self._find(content)
            if found is not MISSING:
                return found
        return MISSING

    def _find(self, content: Any) -> Any:
        for step in self._steps:
            if isinstance(content, dict):
                content = content.get(step, MISSING)
            elif isinstance(content, list) and step.isdecimal() and int(step) < len(content):
                content = content[int(step)]
            else:
                return MISSING
        return content
