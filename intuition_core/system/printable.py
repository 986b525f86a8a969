r"""Text from outside made safe for terminals and logs: what steers a terminal or hides text is written as an escape.

The escapes are those of JSON (``\u001b``), so that a line of JSON stays one, of the same meaning.
"""

import re
from codecs import register_error
from functools import lru_cache
from typing import Final
from unicodedata import category

ERRORS: Final = "intuition.escaped"
"""The name of the handler of encoding errors that writes an escape for what an encoding lacks."""

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode: controls, invisible formats such as changes of direction, surrogates, private, unassigned."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_PLAIN: Final = re.compile(r"[\n\t\x20-\x7e]*")


def escaped(text: str) -> str:
    """Return a text with an escape for each character that is not printed; line ends and tabs stay."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_escaped, text))


def is_text(text: str) -> bool:
    """Return whether a text can be encoded: bytes that were no text come as surrogates."""
    return text.isascii() or not _SURROGATES.search(text)


def on_one_line(text: str) -> str:
    """Return a text as `escaped` does, with an escape for line ends and tabs as well."""
    return escaped(text).replace("\n", r"\n").replace("\t", r"\t")


def indented(text: str) -> str:
    """Return a text as `escaped` does, lines after the first indented, so that none looks like an entry of a log."""
    return escaped(text).rstrip("\n").replace("\n", "\n    ")


@lru_cache(maxsize=4096)
def _escaped(character: str) -> str:
    safe = character in "\n\t" or category(character) not in _UNSAFE
    return character if safe else _escape(character)


def _escape(character: str) -> str:
    """Return the escape of a character, in JSON's form: of one or of two units of UTF-16."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Handle an encoding error: write escapes for the characters that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


register_error(ERRORS, _replace)
