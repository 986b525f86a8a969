"""``intuition init``: a configuration file to begin with."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.cli.options import verbose_option
from intuition_core.errors import IntuitionError

if TYPE_CHECKING:
    from intuition_core.plugins.catalogue import Catalogue
    from intuition_core.plugins.description import Parameter

_WIDTH: Final = 100
_HEAD: Final = """\
# What `intuition` runs in this folder. Variables (INTUITION_CASH=500) go before this file, flags before these.
# `intuition config check` explains it; lines that begin with `#` show what there is besides, with the defaults.

# requires = ["intuition-core>=0.1"]  # what must be installed, as pip writes it
# seed = 7  # makes every draw repeatable; one is drawn where none is given
cash = "10000"  # what the account starts with, in its currency
# fill = "next"  # orders fill on the next quote of their symbol; "same": at the signal's own
"""
_TAIL: Final = """\

[rpc]
# addr = "tcp://127.0.0.1:4242"  # where the session is served

[journal]
# durability = "process"  # what a commit survives: the end of the process, or "power": that of the machine's as well

[worker]
# policy = "skip"  # what follows when a part fails: "skip" the event, "quarantine" the part, or "raise"
# deadline = 30.0  # seconds that one call of a part may take
"""


class FileExists(IntuitionError):
    """A file that exists already, and is not overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is there already, and is left as it is; name another with --output, or `-` to see it")


@click.command()
@click.option("--algo", default="random", show_default=True, metavar="NAME", help="The algorithm.")
@click.option("--portfolio", default="naive", show_default=True, metavar="NAME", help="The portfolio.")
@click.option("--risk", "risks", multiple=True, metavar="NAME", help="A risk rule; repeatable.")
@click.option("--source", metavar="NAME", help="The source for backtests.")
@click.option("--connector", "connectors", multiple=True, metavar="NAME", help="A connector, such as mqtt; repeatable.")
@click.option("-o", "--output", default="intuition.toml", show_default=True, metavar="FILE", help="`-`: print it.")
@verbose_option
def init(
    *,
    algo: str,
    portfolio: str,
    risks: tuple[str, ...],
    source: str | None,
    connectors: tuple[str, ...],
    output: str,
    verbose: int,  # noqa: ARG001  # heard by who shows errors
) -> None:
    """Write a commented intuition.toml for the parts that are named.

    A file that is there already stays as it is.
    """
    from intuition_core.plugins.catalogue import discover

    catalogue = discover()
    wanted = [("[algorithm]", "algorithm", algo), ("[portfolio]", "portfolio", portfolio)]
    wanted += [("[[risks]]", "risk", name) for name in risks]
    wanted += [("[source]", "source", source)] if source else []
    tables = [_table(catalogue, *each) for each in wanted]
    tables += [_connector(catalogue, name) for name in connectors]
    text = "\n".join([_HEAD, *tables]) + _TAIL
    if output == "-":
        click.echo(text, nl=False)
        return
    path = Path(output)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileExists(path) from None
    except OSError as error:
        from intuition_core.cli.tables import CannotWrite

        raise CannotWrite(path, error.strerror or str(error)) from None
    click.echo(f"{path} written; `intuition config check` explains it", err=True)


def _table(catalogue: "Catalogue", heading: str, kind: str, name: str) -> str:
    from intuition_core.cli.show import shown

    lines = [heading, f"name = {shown(name)}"]
    parameters = _parameters(catalogue, kind, name)
    if parameters:
        table = heading.strip("[]")
        lines.append(f"[{table}.params]")
        place = "" if heading.startswith("[[") else f"{table}__params"
        lines += [line for each in parameters for line in _parameter(each, place)]
    return "\n".join(lines) + "\n"


def _connector(catalogue: "Catalogue", name: str) -> str:
    lines = [f"[connectors.{name}]"]
    lines += [
        line for each in _parameters(catalogue, "connector", name) for line in _parameter(each, f"connectors__{name}")
    ]
    return "\n".join(lines) + "\n"


def _parameters(catalogue: "Catalogue", kind: str, name: str) -> "tuple[Parameter, ...]":
    from intuition_core.plugins.description import describe

    return describe(catalogue.load(kind, name)).parameters or ()


def _parameter(parameter: "Parameter", place: str) -> Iterator[str]:
    from intuition_core.cli.show import shown

    about = parameter.doc.replace("``", "`") or parameter.type
    yield from textwrap.wrap(about, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    value: Any = parameter.default
    if parameter.secret:
        variable = f"INTUITION_{place}__{parameter.name}".upper()
        yield f"# {parameter.name}: a secret; {f'give it by {variable}' if place else 'keep this file to yourself'}"
    elif parameter.required:
        yield f"{parameter.name} = {_placeholder(parameter)}  # required: {parameter.type}"
    elif value is None:
        yield f"# {parameter.name}: none unless given; takes {parameter.type}"
    else:
        yield f"# {parameter.name} = {shown(value)}"


def _placeholder(parameter: "Parameter") -> str:
    return {"a whole number": "1", "a number": "1.0", "true or false": "false", "a list": "[]", "a table": "{}"}.get(
        parameter.type.partition(",")[0], f'"{parameter.name.upper()}"'
    )
