# ruff: noqa: INP001  # a script, not a package
"""Write what the code and the plugins' READMEs define of the pages: ``python docs/reference.py``.

Pages of commands and plugins are made whole; others have tables between two comments that are. They are kept in the
repository, so that they can be read without building anything, and a test holds them against what this gives.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

import click

import intuition_core.testing
from intuition_core.cli import BUILT_IN, cli

DOCS: Final = Path(__file__).parent
PLUGINS: Final = DOCS.parent / "plugins"
CORE: Final = DOCS.parent / "intuition_core"
MADE: Final = "<!-- Made by docs/reference.py from {origin}. -->\n\n"
_AS_IT_IS: Final = "\b\n"
"""What comes before paragraphs that click does not wrap."""

_COMMANDS: Final = """# Commands

What every command's own `--help` says. `intuition --help` names those that are installed: the core's come first here,
then those of the plugins in this repository.

"""


def commands() -> str:
    """Give the page of all commands, ours first, each with its options."""
    context = click.Context(cli, info_name="intuition")
    names = [*BUILT_IN, *sorted(set(cli.list_commands(context)) - set(BUILT_IN))]
    return (
        MADE.format(origin="the commands themselves")
        + _COMMANDS
        + "\n".join(
            section for name in names for section in _command(cli.get_command(context, name), name, context, "##")
        )
    )


def _command(command: click.Command | None, name: str, parent: click.Context, heading: str) -> Iterator[str]:
    """Give the sections of a command and of those below it."""
    assert command is not None  # noqa: S101  # it is one that was listed
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    words = [f"{heading} {context.command_path}\n", f"```text\n{usage}\n```\n", _help(command)]
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context)) is not None]
    if records:
        words.append(
            "| option | |\n|---|---|\n"
            + "".join(f"| {_code(option)} | {_cell(_text(text))} |\n" for option, text in records)
        )
    yield "\n".join(words)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from _command(command.get_command(context, each), each, context, heading + "#")


def _help(command: click.Command) -> str:
    """Give what a command says of itself: a paragraph a line, lists and examples as they are."""
    given = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        as_it_is = paragraph.removeprefix(_AS_IT_IS)
        given.append(_text(paragraph) if as_it_is == paragraph else f"```text\n{as_it_is}\n```")
    return "\n\n".join(given) + "\n"


def _text(words: str) -> str:
    """Give a text for a page on one line, with what would be read as a tag outside of code written out."""
    parts = " ".join(words.split()).split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def _code(words: str) -> str:
    """Give words as code within a table, in which a bar would be read in two ways."""
    if "|" not in words:
        return f"`{words}`"
    return f"<code>{words.replace('<', '&lt;').replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def plugin(folder: Path) -> str:
    """Give the page of a plugin: its README, with links that lead from the page."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    readme = re.sub(r"\]\(\.\./\.\./docs/", "](../", readme)
    readme = re.sub(r"\]\(\.\./intuition-([\w-]+)/README\.md", r"](\1.md", readme)
    return MADE.format(origin=f"plugins/{folder.name}/README.md") + readme


def errors() -> str:
    """Give the table of all errors that a user may be told, by their module."""
    known = {"IntuitionError"}
    rows = []
    found = [(file, node) for file in sorted(CORE.rglob("*.py")) for node in _classes(file)]
    while more := [(file, node) for file, node in found if node.name not in known and _bases(node) & known]:
        known |= {node.name for _, node in more}
        rows += [(file, node) for file, node in more if not node.name.startswith("_")]
    rows.sort(key=lambda row: (row[0], row[1].lineno))
    return "| error | module | |\n|---|---|---|\n" + "".join(
        f"| `{node.name}` | `{_module(file)}` | {_cell(_summary(ast.get_docstring(node)))} |\n" for file, node in rows
    )


def _classes(file: Path) -> list[ast.ClassDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def _bases(node: ast.ClassDef) -> set[str]:
    return {base.id for base in node.bases if isinstance(base, ast.Name)}


def _module(file: Path) -> str:
    return ".".join(file.relative_to(CORE.parent).with_suffix("").parts)


def _summary(documentation: str | None) -> str:
    return _text((documentation or "").split("\n\n")[0].replace("``", "`"))


def checks() -> str:
    """Give the names of `intuition_core.testing`: the contracts with their checks, and what helps with tests."""
    named = {name: getattr(intuition_core.testing, name) for name in intuition_core.testing.__all__}
    helpers = "| name | |\n|---|---|\n"
    contracts = ""
    for name, what in named.items():
        tests = [each for each in dir(what) if each.startswith("test_")] if isinstance(what, type) else []
        if not tests:
            helpers += f"| `{name}` | {_cell(_summary(inspect.getdoc(what)))} |\n"
            continue
        contracts += f"### {name}\n\n| check | |\n|---|---|\n"
        for each in tests:
            contracts += f"| `{each}` | {_cell(_summary(inspect.getdoc(getattr(what, each))))} |\n"
        contracts += "\n"
    return f"## What helps with tests\n\n{helpers}\n## The contracts\n\n{contracts}".rstrip() + "\n"


FACE: Final = ("exact", "records", "recordings", "connections", "commands", "research", "runs")
"""Public modules whose names are defined elsewhere; the others have pages of their own."""


def face() -> str:
    """Return a table for each public module: its names, and what each is."""
    text = ""
    for module in FACE:
        offered = importlib.import_module(f"intuition_core.{module}")
        text += f"## {module}\n\n{_summary(inspect.getdoc(offered))}\n\n| name | |\n|---|---|\n"
        for name in sorted(offered.__all__, key=str.lower):
            text += f"| `{name}` | {_cell(_described(getattr(offered, name), offered, name))} |\n"
        text += "\n"
    return text.rstrip() + "\n"


def _described(what: object, offered: ModuleType, name: str) -> str:
    """Return the first sentence of the documentation of a name; that of a constant stands below it in its module."""
    if (isinstance(what, type) or inspect.isroutine(what)) and (documentation := inspect.getdoc(what)):
        return _summary(documentation)
    for file, original in _definitions(offered, name):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, after in pairwise(body):
            assigned = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if not any(isinstance(each, ast.Name) and each.id == original for each in assigned):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return _summary(str(after.value.value))
    raise LookupError(f"{offered.__name__}.{name} says nothing of itself")


def _definitions(offered: ModuleType, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of the module that a public module imports a name from, and its name there."""
    for node in ast.walk(ast.parse(inspect.getsource(offered))):
        if isinstance(node, ast.ImportFrom):
            originals = [each.name for each in node.names if (each.asname or each.name) == name]
            yield from ((CORE.parent / f"{(node.module or '').replace('.', '/')}.py", each) for each in originals)


TABLES: Final[dict[Path, Callable[[], str]]] = {
    DOCS / "reference" / "errors.md": errors,
    DOCS / "reference" / "modules.md": face,
    DOCS / "reference" / "testing.md": checks,
}
"""What is made of pages that people have written otherwise."""

_BETWEEN: Final = re.compile(
    r"(?<=<!-- Made by docs/reference.py from the code. -->\n\n).*(?=\n<!-- So far. -->)", re.DOTALL
)


def pages() -> dict[Path, str]:
    """Give all pages that are made, by their file."""
    made = {DOCS / "reference" / "commands.md": commands()}
    for readme in sorted(PLUGINS.glob("*/README.md")):
        name = readme.parent.name.removeprefix("intuition-")
        made[DOCS / "plugins" / f"{name}.md"] = plugin(readme.parent)
    for file, table in TABLES.items():
        before, after = _BETWEEN.split(file.read_text(encoding="utf-8"))
        made[file] = f"{before}{table()}{after}"
    return made


def main() -> None:
    """Write them."""
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
