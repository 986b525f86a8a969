"""Checks the sizes and the words of the product code: ``python tools/house.py``; `nox -s layers` runs it.

Sizes: no file over 500 lines, no class over 20 public methods, no function over 60 lines. A function may be longer
if a comment in it begins with ``# long:`` and says why.

Openings: no docstring begins with Give, Have, Say or Let; the first word says what is returned or done.

Words: those that docs/architecture.md lists as retired are in no name, docstring or comment. Words within other
strings are left alone: they are column names of journals or texts for people.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_METHODS, LONGEST_FUNCTION = 500, 20, 60
EXCUSE = "# long:"
_TABLE = re.compile(r"^## Retired words$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| ([a-z ]+?) \| (.+?) \|$", re.MULTILINE)
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_OPENING = re.compile(r"(Give|Have|Say|Let)s?\b")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def product(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files of the product code: the core's and the plugins' packages, without tests and old import paths."""
    for package in sorted([root / "intuition_core", *(root / "plugins").glob("*/intuition_*")]):
        yield from (path for path in sorted(package.rglob("*.py")) if path.name != "deprecated.py")


def retired(root: Path = ROOT) -> dict[str, str]:
    """Return the retired words and what is said instead, from docs/architecture.md."""
    table = _TABLE.search((root / "docs" / "architecture.md").read_text())
    rows = _ROW.findall(table[1]) if table else []
    return {word: instead for word, instead in rows if word != "word"}


def oversized(source: str, where: str) -> Iterator[str]:
    """Yield a sentence for each file, class and function of a source that is too big."""
    lines = source.splitlines()
    if len(lines) > MOST_LINES:
        yield f"{where}: {len(lines)} lines, at most {MOST_LINES}: split it by what changes together"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            public = [each.name for each in node.body if isinstance(each, _FUNCTIONS) and not each.name.startswith("_")]
            if len(public) > MOST_METHODS:
                yield f"{where}:{node.lineno}: {node.name} has {len(public)} public methods, at most {MOST_METHODS}"
        elif isinstance(node, _FUNCTIONS):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            excused = any(line.strip().startswith(EXCUSE) for line in lines[node.lineno - 1 : node.end_lineno])
            if length > LONGEST_FUNCTION and not excused:
                limit = f"at most {LONGEST_FUNCTION}, or `{EXCUSE} why`"
                yield f"{where}:{node.lineno}: {node.name} has {length} lines, {limit}"


def misworded(source: str, where: str, words: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each name, docstring and comment of a source with a retired word."""
    docstrings = {node.lineno for node in _docstrings(ast.parse(source))}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        prose = token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.start[0] in docstrings)
        if token.type != tokenize.NAME and not prose:
            continue
        pieces = {piece.lower() for piece in _PIECE.findall(token.string)}
        for word in sorted(words.keys() & (pieces | {piece.removesuffix("s") for piece in pieces})):
            shown = token.string if token.type == tokenize.NAME else "a comment or docstring"
            yield f"{where}:{token.start[0]}: `{word}` in {shown}: say {words[word]}"


def misbegun(source: str, where: str) -> Iterator[str]:
    """Yield a sentence for each docstring that begins with a word that does not tell what it is about."""
    for node in _docstrings(ast.parse(source)):
        if opening := _OPENING.match(node.value if isinstance(node.value, str) else ""):
            yield f"{where}:{node.lineno}: a docstring begins with {opening[0]}: say what is returned or done"


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the strings that stand as statements: docstrings, and those below constants and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def main(root: Path = ROOT) -> int:
    """Print what is wrong; return the exit code."""
    words, found = retired(root), []
    for path in product(root):
        source, where = path.read_text(), str(path.relative_to(root))
        found += [*oversized(source, where), *misworded(source, where, words), *misbegun(source, where)]
    print("\n".join(found) or f"sizes and words are right ({len(words)} retired words)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
