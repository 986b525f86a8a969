"""Checks that plugins import nothing of the core but its face: ``python tools/face.py``; `nox -s layers` runs it.

The face is the package `intuition_core` with the names in its ``__all__``, and the modules that ``[tool.face]`` of
pyproject.toml lists. Files of plugins, templates and the examples of the documentation are checked.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
CORE: Final = "intuition_core"

_LINE: Final = re.compile(r"^ *(?:from|import) +(intuition_core[\w.]*)(?: +import +([\w, ]+))?", re.MULTILINE)
_IMPORTERS: Final = frozenset({"import_module", "__import__"})


class Face(NamedTuple):
    """The public modules and the public names of the package itself."""

    modules: frozenset[str]
    names: frozenset[str]

    def problem(self, module: str, names: Collection[str]) -> str | None:
        """Return a sentence for an import that is not of the face, else None.

        Args:
            module: the full name of a module of the core.
            names: the names imported from it; none for an import of the module.
        """
        inner = module.removeprefix(CORE).removeprefix(".")
        if not inner:
            inside = sorted({*names} - self.names - self.modules)
            return f"{CORE} has no public name {', '.join(inside)}" if inside else None
        if inner not in self.modules:
            return f"{module} is no public module: {', '.join(sorted(self.modules))} are"
        if private := sorted(name for name in names if name.startswith("_")):
            return f"{', '.join(private)} of {module} is not public"
        return None


def face(root: Path = ROOT) -> Face:
    """Return the face as pyproject.toml and the package's ``__all__`` say."""
    tree = ast.parse((root / CORE / "__init__.py").read_text())
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return Face(frozenset(_table(root)["public"]), frozenset(ast.literal_eval(assigned["__all__"])))


def ignored(root: Path = ROOT) -> list[str]:
    """Return the folders of plugins that are not checked yet."""
    return list(_table(root)["ignore"])


def _table(root: Path) -> dict[str, list[str]]:
    table: dict[str, list[str]] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["face"]
    return table


def imports(source: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each import of the core in a Python source: its line, the module, the names imported from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and _is_core(node.module or ""):
            yield node.lineno, node.module or "", tuple(each.name for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, each.name, ()) for each in node.names if _is_core(each.name))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _IMPORTERS:
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield from ((node.lineno, each, ()) for each in texts if isinstance(each, str) and _is_core(each))


def lines(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each import of the core in a text that is not Python as a whole: a page or a template."""
    for found in _LINE.finditer(text):
        names = tuple(each.split()[0] for each in (found[2] or "").split(",") if each.strip())
        yield text.count("\n", 0, found.start()) + 1, found[1], names


def _is_core(module: str) -> bool:
    return module.partition(".")[0] == CORE


def checked(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files that authors of plugins write or copy from."""
    left_out = ignored(root)
    for package in sorted(root.glob("plugins/*/intuition_*")):
        if package.parent.name not in left_out:
            yield from sorted(package.rglob("*.py"))
    yield from sorted((root / CORE / "templates").rglob("*.tmpl"))
    yield from sorted(root.glob("plugins/*/README.md"))
    yield from sorted((root / "docs").rglob("*.md"))


def main(root: Path = ROOT) -> int:
    """Print each import that is not of the face; return the exit code."""
    public = face(root)
    found = []
    count = 0
    for path in checked(root):
        read = imports if path.suffix == ".py" else lines
        for line, module, names in read(path.read_text(encoding="utf-8")):
            count += 1
            if problem := public.problem(module, names):
                found.append(f"{path.relative_to(root)}:{line}: {problem}")
    print("\n".join(found) or f"{count} imports are of the face ({len(public.modules)} modules)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
