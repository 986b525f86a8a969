"""Parts in a file: one Python file that nobody has installed, named by its path wherever a plugin can be named.

A reference is a path that ends with ``.py``, with ``:Class`` after it where the file has several parts of a kind. The
part is called after the file (``my_algo.py`` is ``my-algo``), and its version is a hash of the file's content. As with
any module, a process imports a file once, and knows what it was then.
"""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.plugins.interrupts import is_raised_by_plugin

FILE: Final = "file"
"""The distribution of parts that come from files."""

_REFERENCE: Final = re.compile(r"(?P<path>.*[^/\\]\.py)(?::(?P<name>\w+))?", re.DOTALL)
_VERSION: Final = "__content__"
_DIGITS: Final = 12
"""How many hexadecimal digits of the hash a version has."""


class BadFile(IntuitionError):
    """A file from which no part can be taken; ``line`` is where in it, if that is known."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None) -> None:
        self.path = path
        self.problem = problem
        self.line = line
        super().__init__(f"{_shown(path)}{f':{line}' if line else ''}: {problem}")


class NoSuchFile(BadFile):
    """A path at which there is no file that can be read."""


class BrokenFile(BadFile):
    """A file that is no Python, or that cannot be imported."""


class NoSuchPart(BadFile):
    """A file without the part that it should have."""


class SeveralParts(BadFile):
    """A file with more than one part of a kind."""

    def __init__(self, path: Path, kind: str, names: Sequence[str]) -> None:
        self.kind = kind
        self.names = tuple(names)
        choices = " or ".join(f"`{_shown(path)}:{name}`" for name in names)
        super().__init__(path, f"it has {len(names)} classes that can be of kind {kind}; choose {choices}")


class PartFile(NamedTuple):
    """A reference to a part in a file."""

    path: Path
    """Absolute."""
    cls: str | None
    """The class, where the reference names one."""

    def __str__(self) -> str:
        """Return the reference with an absolute path."""
        return f"{self.path}:{self.cls}" if self.cls else str(self.path)

    @property
    def name(self) -> str:
        """What the part is called."""
        return self.path.stem.replace("_", "-")


def is_file(reference: str) -> bool:
    """Whether a name means a file rather than an installed plugin."""
    return _REFERENCE.fullmatch(reference) is not None


def part_file(reference: str, folder: Path | None = None) -> PartFile:
    """Return the parts of a reference, ``path`` or ``path:Class``.

    Args:
        reference: one for which `is_file` holds.
        folder: what a relative path starts from; the working folder where None.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        msg = f"{reference!r} is no reference to a file"
        raise ValueError(msg)
    path = Path(match["path"]).expanduser()
    return PartFile((folder or Path.cwd()).absolute() / path, match["name"])


def version_of(file: PartFile) -> str:
    """Return the version of a file, which is a hash: of the content that was imported, else of the present one.

    Raises:
        NoSuchFile: it cannot be read.
    """
    module = sys.modules.get(module_name(file.path))
    return getattr(module, _VERSION) if module is not None else _hash(_read(file.path))


def load_part(file: PartFile, kind: str, methods: Sequence[str]) -> Any:
    """Return the part of a kind in a file, which is imported unless this process has imported it.

    Args:
        file: where it is.
        kind: the kind of part, for messages.
        methods: what its class must have. Where nothing is asked for and no class named, it is the module.

    Raises:
        NoSuchFile: it cannot be read.
        BrokenFile: it is no Python, or importing it failed; the error it raised is the cause.
        NoSuchPart: it has no such class.
        SeveralParts: it has several, and the reference names none.
    """
    module = _imported(file.path)
    classes = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    if file.cls is not None:
        return _named(file, kind, classes | {file.cls: getattr(module, file.cls, None)}, methods)
    if not methods:
        return module
    fitting = [name for name, cls in classes.items() if not _missing(cls, methods)]
    if len(fitting) > 1:
        raise SeveralParts(file.path, kind, fitting)
    if not fitting:
        raise NoSuchPart(file.path, f"it has no {kind}: a class with {_listed(methods)}{_near(classes, methods)}")
    return classes[fitting[0]]


def check_syntax(path: Path) -> None:
    """Compile a file, and run nothing of it.

    Raises:
        NoSuchFile: it cannot be read.
        BrokenFile: it is no Python.
    """
    _compiled(path, _read(path))


def anchored(tree: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration's tables with the paths of parts in files made absolute.

    Args:
        tree: tables as read.
        folder: what relative paths start from.
    """
    return {key: _anchored_table(key, value, folder) for key, value in tree.items()}


def _anchored_table(key: str, table: Any, folder: Path) -> Any:
    if isinstance(table, list):
        return [_anchored_table(key, each, folder) for each in table]
    if not isinstance(table, Mapping) or key not in _TABLES:
        return table
    content = dict(table)
    for name in ("name", "use", "calendars"):
        reference = content.get(name)
        if isinstance(reference, str) and is_file(reference):
            file = part_file(reference, folder)
            content[name] = str(file)
            if name == "name" and key in _NAMED and content.get("use") is None:
                content |= {"name": file.name, "use": str(file)}
    if isinstance(content.get("portfolio"), Mapping):
        content["portfolio"] = _anchored_table("portfolio", content["portfolio"], folder)
    enabled = content.get("enabled")
    if isinstance(enabled, list):
        content["enabled"] = [
            str(part_file(each, folder)) if isinstance(each, str) and is_file(each) else each for each in enabled
        ]
    return content


_NAMED: Final = frozenset({"algorithms", "indicators"})
"""Tables in which ``name`` is what records call a part, and ``use`` the plugin."""
_TABLES: Final = _NAMED | {"algorithm", "portfolio", "risks", "source", "hooks", "instruments"}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        beside = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside)
        raise NoSuchFile(path, f"there is no such file{near}") from None
    except OSError as error:
        raise NoSuchFile(path, f"it cannot be read: {error.strerror or error}") from None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def module_name(path: Path) -> str:
    """Return the name under which a file is imported."""
    return f"intuition_file_{_hash(str(path).encode())}"


def _compiled(path: Path, content: bytes) -> Any:
    try:
        return compile(content, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        text = (error.text or "").strip()
        raise BrokenFile(path, f"{error.msg}{f': `{text}`' if text else ''}", line=error.lineno) from error
    except ValueError as error:
        raise BrokenFile(path, f"no Python: {error}") from error


def _imported(path: Path) -> ModuleType:
    name = module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    content = _read(path)
    code = _compiled(path, content)
    module = ModuleType(name)
    module.__file__ = str(path)
    setattr(module, _VERSION, _hash(content))
    sys.modules[name] = module  # where dataclasses and msgspec look for what annotations mean
    try:
        exec(code, module.__dict__)  # noqa: S102  # it is what an import does, and the user has named the file
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt) and not is_raised_by_plugin(error):
            raise
        raise BrokenFile(path, _import_problem(path, error), line=_line(path, error)) from error
    return module


def _import_problem(path: Path, error: BaseException) -> str:
    problem = f"importing it failed with {type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, ModuleNotFoundError) and error.name and (path.parent / f"{error.name}.py").is_file():
        problem += (
            f"; a part in a file stands alone, and does not see {error.name}.py beside it: put both into a plugin, "
            "which `intuition new` begins"
        )
    return problem


def _line(path: Path, error: BaseException) -> int | None:
    line, traceback = None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _named(file: PartFile, kind: str, classes: Mapping[str, Any], methods: Sequence[str]) -> Any:
    cls = classes[file.cls or ""]
    if not isinstance(cls, type):
        known = [name for name in classes if name != file.cls]
        has = f"it has {_listed(known)}" if known else "it has none"
        raise NoSuchPart(file.path, f"no class is called `{file.cls}`{did_you_mean(str(file.cls), known)}; {has}")
    if missing := _missing(cls, methods):
        raise NoSuchPart(file.path, f"`{file.cls}` is no {kind}: it has no {_listed(missing, 'or')}")
    return cls


def _missing(cls: type, methods: Sequence[str]) -> list[str]:
    return [method for method in methods if not callable(getattr(cls, method, None))]


def _near(classes: Mapping[str, type], methods: Sequence[str]) -> str:
    """Return the methods that classes lack which have some of them, for the end of a sentence; else empty."""
    lacking = {name: _missing(cls, methods) for name, cls in classes.items()}
    near = [name for name, missing in lacking.items() if len(missing) < len(methods)]
    if not near:
        return ""
    return "; " + " and ".join(f"`{name}` lacks {_listed(lacking[name])}" for name in near)


def _listed(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(f"`{name}`" for name in names)


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
