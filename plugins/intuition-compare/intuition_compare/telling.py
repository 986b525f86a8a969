"""A comparison on standard output: as a table, or as JSON."""

from collections.abc import Mapping, Sequence

import click
import msgspec

from intuition_compare.comparison import Comparison
from intuition_compare.table import table
from intuition_core.commands import FILE_WIDTH, console


def tell(comparison: Comparison, *, as_json: bool, data: Sequence[Mapping[str, str]] = ()) -> None:
    """Write a comparison to standard output: as a table, or as one line of JSON.

    Args:
        comparison: the comparison.
        as_json: whether to write JSON.
        data: what was read, with hashes, for the JSON; empty for events of a session.
    """
    if as_json:
        read = {"data": data} if data else {}
        click.echo(msgspec.json.encode({**comparison.to_json(), **read}).decode())
        return
    out = console(width=FILE_WIDTH)
    out.print(table(comparison, width=out.width))
