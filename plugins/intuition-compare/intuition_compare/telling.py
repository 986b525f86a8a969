"""A comparison on standard output: as a table, or as JSON."""

import click
import msgspec

from intuition_compare.comparison import Comparison
from intuition_compare.table import table
from intuition_core.commands import FILE_WIDTH, console


def tell(comparison: Comparison, *, as_json: bool) -> None:
    """Write a comparison to standard output: as a table, or as one line of JSON."""
    if as_json:
        click.echo(msgspec.json.encode(comparison.to_json()).decode())
        return
    out = console(width=FILE_WIDTH)
    out.print(table(comparison, width=out.width))
