"""``intuition new``: the beginning of a plugin, complete and working, to change into one's own."""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path, PurePosixPath
from string import Template
from typing import Final, NamedTuple

import click

from intuition_core.cli.options import verbose_option
from intuition_core.errors import IntuitionError


class Example(NamedTuple):
    """The example of a kind, and the command that tries it; ``{part}`` stands for its name or its file."""

    summary: str
    command: str
    parameters: str


EXAMPLES: Final = {
    "algorithm": Example(
        "Buys what rises above the average of its latest quotes",
        "intuition backtest --algo {part} --source sample",
        "| `window` | `20` | how many quotes the average is taken of |",
    ),
    "portfolio": Example(
        "Bets a fraction of the available cash on each signal",
        "intuition backtest --algo sma-cross --portfolio {part} --source sample",
        "| `fraction` | `0.1` | the part of the available cash that is bet |",
    ),
    "source": Example(
        "Gives quotes of a symbol that goes up and down at random",
        "intuition backtest --algo sma-cross --source {part}",
        "| `symbol` | `WALK` | what the symbol is called |\n"
        "| `count` | `1000` | how many quotes there are |\n"
        "| `seed` | `1` | what the quotes are drawn with |",
    ),
    "indicator": Example(
        "Gives the middle between the highest and the lowest of the latest quotes",
        "intuition indicate {part} --mqtt mqtt://127.0.0.1:1883",
        "| `window` | `20` | how many quotes are looked at |\n"
        "| `on` | `quotes` | the channel to listen to |\n"
        "| `channel` | its own name | the channel to publish on |",
    ),
    "risk": Example(
        "Makes orders smaller that would spend more than a set amount",
        "INTUITION_RISKS='[{{ name = \"{part}\" }}]' intuition backtest --algo sma-cross --source sample",
        "| `most` | `1000` | the most that an order may spend, in the account's currency |",
    ),
    "broker": Example(
        "Places each order once at a venue that knows client order ids",
        "intuition list-plugins --kind broker --check",
        "| none | | its venue and its folder are given when it is made |",
    ),
    "instruments": Example(
        "Gives the quarterly futures of a year: their currency, lot, tick and multiplier",
        "INTUITION_INSTRUMENTS__NAME={part} INTUITION_CURRENCY=USD intuition backtest --algo sma-cross --source sample",
        "| `future` | `ES` | what the symbols begin with |\n| `year` | `2026` | the year in which they expire |",
    ),
    "calendar": Example(
        "Opens every weekday from 9:00 to 17:30, in Frankfurt and in New York",
        "INTUITION_INSTRUMENTS__CALENDARS={part}"
        ' INTUITION_INSTRUMENTS__TABLE=\'[{{ symbol = "IBM", calendar = "NEWYORK" }}]\''
        " intuition backtest --algo sma-cross --source sample",
        "| none | | what differs is in the name of the calendar that an instrument asks for |",
    ),
    "connector": Example(
        "Carries events from a file of JSON lines to a session",
        "intuition connect --connector {part} --param path=events.jsonl",
        "| `path` | `events.jsonl` | the file to follow; it need not be there yet |",
    ),
}
"""The kinds of which there is a template."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PREFIX: Final = "intuition-"


class BadName(IntuitionError):
    """A name that no plugin can have."""

    def __init__(self, name: str) -> None:
        self.name = name
        better = "-".join(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()))
        hint = f"; did you mean `{better}`?" if _NAME.fullmatch(better) and better != name else ""
        super().__init__(f"`{name}` is no name: use small letters, digits and `-`, and begin with a letter{hint}")


class FolderTaken(IntuitionError):
    """A path that exists already, and is not overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is there already, and nothing is overwritten; choose another name, or --into FOLDER")


@click.command()
@click.argument("kind", required=False, type=click.Choice(list(EXAMPLES)))
@click.argument("name", required=False)
@click.option("--description", metavar="TEXT", help="What it does, in one line (default: what the example does).")
@click.option("--author", metavar="NAME", help="Who writes it, for the licence (default: the authors of it).")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="Where to put it (default: this folder).",
)
@click.option("--file", "alone", is_flag=True, help="Write the part alone, as one file that needs no installation.")
@verbose_option
def new(
    *,
    kind: str | None,
    name: str | None,
    description: str | None,
    author: str | None,
    into: Path,
    alone: bool,
    verbose: int,  # noqa: ARG001  # has said what it has to say to whoever shows errors
) -> None:
    """Begin a plugin: a working example with typed parameters and tests.

    \b
    intuition new algorithm my-algo         # a distribution, in ./intuition-my-algo
    intuition new algorithm my-algo --file  # ./my_algo.py alone, for --algo ./my_algo.py

    On a terminal, what is not given is asked. Nothing that exists is overwritten.
    """  # noqa: D301  # click's mark is the character, which a raw text would not hold
    if kind is None or name is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"say what to begin: intuition new {kind or 'KIND'} NAME")
        kind = kind or click.prompt("What kind of part", type=click.Choice(list(EXAMPLES)), default="algorithm")
        name = click.prompt("What is it called", default=f"my-{kind}")
        description = description or click.prompt("What does it do", default=EXAMPLES[kind].summary)
    words = _words(kind, name, description=description, author=author)
    example = EXAMPLES[kind]
    if alone:
        path = into / f"{words['name'].replace('-', '_')}.py"
        _write({path: _rendered(f"{kind}/part.py.tmpl", words)}, path)
        tried = example.command.format(part=f"./{path.name}")
        click.echo(f"wrote {path}; try it:\n\n    {tried}", err=True)
        return
    folder = into / words["distribution"]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderTaken(folder)
    _write(dict(_files(folder, kind, words)), folder)
    click.echo(
        f"wrote {folder}; try it:\n\n"
        f"    pip install {shlex.quote(f'./{folder}' if not folder.is_absolute() else str(folder))}\n"
        f"    {words['command']}",
        err=True,
    )


def _words(kind: str, name: str, *, description: str | None, author: str | None) -> dict[str, str]:
    """Return the values that the templates are filled in with.

    Raises:
        BadName: the name cannot be a plugin's.
    """
    from intuition_core import __version__

    own = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(own):
        raise BadName(name)
    distribution = f"{_PREFIX}{own}"
    example = EXAMPLES[kind]
    said = " ".join((description or example.summary).split()).rstrip(".").replace("\\", "/").replace('"', "'")
    return {
        "kind": kind,
        "name": own,
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "cls": "".join(word.capitalize() for word in own.split("-")),
        "description": said,
        "author": (author or f"the authors of {distribution}").replace("\\", "/").replace('"', "'"),
        "core": _compatible(__version__),
        "command": example.command.format(part=own),
        "parameters": example.parameters,
    }


def _compatible(version: str) -> str:
    """Return the version specifier of the core for a plugin that is begun with this release."""
    major, minor = map(int, version.split(".")[:2])
    return f">={major}.{minor},<{major}.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"


def _files(folder: Path, kind: str, words: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    module = folder / words["module"]
    yield folder / "pyproject.toml", _rendered("common/pyproject.toml.tmpl", words)
    yield folder / "README.md", _rendered("common/README.md.tmpl", words)
    yield folder / "LICENSE", _rendered("common/LICENSE.tmpl", words)
    yield folder / ".gitignore", _rendered("common/gitignore.tmpl", words)
    yield module / "__init__.py", _rendered(f"{kind}/part.py.tmpl", words)
    yield module / "py.typed", ""
    yield folder / "tests" / f"test_{words['name'].replace('-', '_')}.py", _rendered(f"{kind}/test.py.tmpl", words)


def _rendered(template: str, words: Mapping[str, str]) -> str:
    text = resources.files("intuition_core").joinpath("templates", *PurePosixPath(template).parts)
    return Template(text.read_text(encoding="utf-8")).substitute(words)


def _write(files: Mapping[Path, str], what: Path) -> None:
    from intuition_core.cli.tables import CannotWrite

    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(content)
    except FileExistsError as error:
        raise FolderTaken(Path(error.filename or what)) from None
    except OSError as error:
        raise CannotWrite(what, error.strerror or str(error)) from None
