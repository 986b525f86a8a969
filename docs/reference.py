# ruff: noqa: INP001  # a script, not a package
"""Write the pages that the commands and the plugins' READMEs define: ``python docs/reference.py``.

They are kept in the repository, so that they can be read without building anything, and a test holds them against what
this gives.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from intuition_core.cli import BUILT_IN, cli

DOCS: Final = Path(__file__).parent
PLUGINS: Final = DOCS.parent / "plugins"
MADE: Final = "<!-- Made by docs/reference.py from {origin}. -->\n\n"
_AS_IT_IS: Final = "\b\n"
"""What comes before paragraphs that click does not wrap."""

_COMMANDS: Final = """# Commands

What every command's own `--help` says. `intuition --help` names those that are installed: the core's come first here, then
those of the plugins in this repository.

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
            "| option | |\n|---|---|\n" + "".join(f"| `{_cell(o)}` | {_cell(_text(text))} |\n" for o, text in records)
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


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def plugin(folder: Path) -> str:
    """Give the page of a plugin: its README, with links that lead from the page."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    readme = re.sub(r"\]\(\.\./\.\./docs/", "](../", readme)
    readme = re.sub(r"\]\(\.\./intuition-([\w-]+)/README\.md", r"](\1.md", readme)
    return MADE.format(origin=f"plugins/{folder.name}/README.md") + readme


def pages() -> dict[Path, str]:
    """Give all pages that are made, by their file."""
    made = {DOCS / "reference" / "commands.md": commands()}
    for readme in sorted(PLUGINS.glob("*/README.md")):
        name = readme.parent.name.removeprefix("intuition-")
        made[DOCS / "plugins" / f"{name}.md"] = plugin(readme.parent)
    return made


def main() -> None:
    """Write them."""
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
