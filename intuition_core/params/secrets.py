"""Secrets taken out of texts: those that parts were given, and passwords in addresses."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

REDACTED: Final = "***"
"""The text shown in place of a secret."""

_IN_ADDRESS: Final = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*(?=@)")
_PASSWORD: Final = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")


class Secrets:
    """The secrets that were given to parts and connections of this process, kept out of its logs and messages.

    What is recorded of a part goes by that part's own secrets alone, so that it is the same in each process.
    """

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def add(self, secrets: Iterable[str]) -> None:
        """Take up secrets."""
        self._known.update(dict.fromkeys(secrets))

    def redacted(self, text: str) -> str:
        """Return a text without these secrets and without passwords in addresses."""
        return redacted(text, self._known)


SECRETS: Final = Secrets()
"""Those of this process."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets, however they are quoted, and without passwords in addresses."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=lambda each: (-len(each), each)):
        text = text.replace(spelling, REDACTED)
    return _IN_ADDRESS.sub(rf"\1:{REDACTED}", text) if "://" in text else text


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts by which a value that is secret could show up in a message."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from texts_of(inner)
    elif value is not None and not isinstance(value, bool) and len(str(value)) > 1:
        yield str(value)


def passwords_in(text: str) -> Iterator[str]:
    """Yield the passwords of addresses in a text."""
    for found in _PASSWORD.findall(text):
        yield from texts_of(found)
        yield from texts_of(unquote(found))


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as Python, JSON and addresses write it."""
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
