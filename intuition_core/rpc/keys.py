"""CURVE keys: a public one to give away and a secret one to keep, each a file with one line of text (Z85)."""

import os
import re
import struct
from pathlib import Path
from typing import Any, Final, NewType, NoReturn, TypeAlias

import zmq
from zmq.utils import z85

from intuition_core.errors import IntuitionError
from intuition_core.system.folders import config_folder

PublicKey = NewType("PublicKey", str)
"""A public key as text: 40 characters of Z85, each key written in one way only."""

Given: TypeAlias = str | os.PathLike[str]
"""A key as it is configured."""

PUBLIC: Final = ".public"
SECRET: Final = ".secret"  # noqa: S105  # the end of a file's name

_KEY_BYTES: Final = 32
_MAX_FILE: Final = 1_000
_ENCRYPTION: Final = 64
"""Bytes that CURVE adds to a message, rounded up: ZeroMQ counts them when it compares with the limit."""

_NO_KEY: Final = "expected a key, 40 characters of Z85 as `intuition keys new` writes them"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class BadKey(IntuitionError):
    """A key that cannot be used. ``origin`` says where it was to come from, and never shows a key."""

    def __init__(self, origin: str, problem: str) -> None:
        self.origin = origin
        self.problem = problem
        super().__init__(f"{origin}: {problem}")


class BadKeyName(IntuitionError):
    """A name that no key pair can have."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"a key cannot be called `{name}`: a name has 1 to 64 letters, digits, `-` and `_`, and begins with a "
            "letter or digit"
        )


class KeyExists(IntuitionError):
    """A key file that is there already; it is never written over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists already: choose another name, or move the old key away first")


class SecretKey:
    """A secret key. No repr, pickle or error shows it: it goes from its file to the sockets, and nowhere else."""

    __slots__ = ("_text", "public")

    def __init__(self, text: str, *, origin: str) -> None:
        """Read a key from text.

        Args:
            text: 40 characters of Z85; spaces around it do not count.
            origin: where it came from, for the error.

        Raises:
            BadKey: it is no key.
        """
        key = _canonical(text)
        if key is None:
            raise BadKey(origin, _NO_KEY)
        self._text = key.encode()
        self.public = PublicKey(zmq.curve_public(self._text).decode())

    def __repr__(self) -> str:
        """Show the public half."""
        return f"<secret key of {self.public}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied into a pickle."""
        raise TypeError("a secret key is not pickled")

    def guard(self, socket: Any) -> None:
        """Make a ZeroMQ socket that is not bound yet the server of this key."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._encrypt(socket)

    def introduce(self, socket: Any, server: PublicKey) -> None:
        """Make a ZeroMQ socket that is not connected yet call the server of that public key, as this key's owner."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public.encode())
        self._encrypt(socket)

    def _encrypt(self, socket: Any) -> None:
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._text)
        limit = socket.getsockopt(zmq.MAXMSGSIZE)
        if limit > 0:
            socket.setsockopt(zmq.MAXMSGSIZE, limit + _ENCRYPTION)


def new_pair(name: str, folder: Path) -> PublicKey:
    """Make a key pair, and write it as ``NAME.public`` and ``NAME.secret``, the latter for its owner's eyes only.

    Raises:
        BadKeyName: there are signs in the name that a file or a table should not have.
        KeyExists: one of the files is there already; neither was written.
        BadKey: the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise BadKeyName(name)
    public, secret = zmq.curve_keypair()
    kept = folder / f"{name}{SECRET}"
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
        _write(kept, secret, mode=0o600)
        try:
            _write(folder / f"{name}{PUBLIC}", public, mode=0o644)
        except BaseException:
            kept.unlink()
            raise
    except OSError as error:
        raise BadKey(str(folder), f"the key cannot be written: {error.strerror}") from None
    return PublicKey(public.decode())


def read_secret(given: Given, *, origin: str = "key") -> SecretKey:
    """Read one's own secret key from its file.

    Args:
        given: the file. A key's own text is refused, as it would show in process lists and configurations.
        origin: what named the file, for the error.

    Raises:
        BadKey: there is no such file, others may read it, or it holds no secret key.
    """
    path = Path(given).expanduser()
    # Until it is known to be a file's name it may be a key that somebody put in the wrong place.
    shown = f"{origin} {path}" if path.suffix == SECRET else f"{origin} (not shown, as it does not end with {SECRET})"
    if _canonical(str(given)) is not None:
        raise BadKey(origin, "expected the file of a secret key, got a key itself; write it to a file of its own")
    if path.suffix == PUBLIC:
        raise BadKey(f"{origin} {path}", f"expected one's own secret key, got a public one; it ends with {SECRET}")
    text = _read(path, shown)
    if os.name == "posix":
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise BadKey(f"{origin} {path}", f"others can read it (mode {mode:03o}); run `chmod 600` on it")
    return SecretKey(text, origin=f"{origin} {path}")


def read_public(given: Given, *, origin: str = "server_key") -> PublicKey:
    """Read a public key.

    Args:
        given: its file, or its text.
        origin: what named it, for the error.

    Raises:
        BadKey: it is neither.
    """
    key = _canonical(str(given))
    return read_public_file(Path(given).expanduser(), origin=origin) if key is None else PublicKey(key)


def read_public_file(path: Path, *, origin: str) -> PublicKey:
    """Read a public key from its file.

    Raises:
        BadKey: there is no such file, or it holds no key.
    """
    if path.suffix == SECRET:
        raise BadKey(f"{origin} {path}", f"expected a public key, got a secret one; it ends with {PUBLIC}")
    key = _canonical(_read(path, f"{origin} {path}"))
    if key is None:
        raise BadKey(f"{origin} {path}", _NO_KEY)
    return PublicKey(key)


def public_half(path: Path) -> PublicKey:
    """Return the public key of a file of either kind.

    Raises:
        BadKey: it is no key file.
    """
    if path.suffix == SECRET:
        return read_secret(path, origin="key file").public
    if path.suffix == PUBLIC:
        return read_public_file(path, origin="key file")
    raise BadKey(f"key file {path}", f"expected a file that ends with {PUBLIC} or {SECRET}")


def default_folder() -> Path:
    """Return the default folder of key pairs, within the platform's folder for configuration."""
    return config_folder() / "keys"


def _canonical(text: str) -> str | None:
    """Return the text of a key without the space around it; None if it is none."""
    key = text.strip()
    try:
        return key if len(z85.decode(key)) == _KEY_BYTES else None
    except (ValueError, KeyError, struct.error):
        return None


def _read(path: Path, shown: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_FILE)
    except FileNotFoundError:
        raise BadKey(shown, "there is no such file; `intuition keys list` names the keys that are there") from None
    except UnicodeDecodeError:
        raise BadKey(shown, "it holds no text; expected a key as `intuition keys new` writes it") from None
    except (OSError, ValueError) as error:
        raise BadKey(shown, f"it cannot be read: {getattr(error, 'strerror', None) or 'no valid path'}") from None


def _write(path: Path, key: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise KeyExists(path) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key + b"\n")
    except BaseException:
        path.unlink()
        raise
