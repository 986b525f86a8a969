"""The table of a comparison: a column for each variant, the differences to the first below, and the conventions."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from intuition_compare.comparison import Comparison
from intuition_compare.rows import differences, figures, headline, notes

_NAMES: Final = 24
_CELL: Final = 22
"""Columns that the figures' names take at most, and those that a variant takes at least."""


def table(comparison: Comparison, *, width: int) -> RenderableType:
    """Lay a comparison out.

    Args:
        comparison: what was found.
        width: of a line, in columns: where the variants do not fit, there are several tables, each with the first.
    """
    others = range(1, len(comparison.runs))
    status = max(_CELL, *(len(run.name) + 2 for run in comparison.runs))
    each = max(1, (width - _NAMES) // status - 1)
    parts: list[RenderableType] = [Text(headline(comparison), style="bold")]
    parts += [_columns(comparison, others[n : n + each]) for n in range(0, len(others), each)]
    return Group(*parts, *(Text(note, style="dim") for note in notes(comparison)))


def _columns(comparison: Comparison, others: Sequence[int]) -> Table:
    shown = [comparison.runs[n] for n in (0, *others)]
    drawn = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    drawn.add_column(no_wrap=True)
    for run in shown:
        drawn.add_column(Text(run.name), justify="right", overflow="fold")
    for label, texts in figures(shown):
        drawn.add_row(label, *texts)
    drawn.add_row()
    drawn.add_row(Text(f"Less {shown[0].name}", style="bold"))
    for label, cells in differences(comparison, others):
        texts = ["\n".join(filter(None, (status.value, status.ends))) for status in cells]
        styled = [Text(text, style="bold" if status.apart else "") for text, status in zip(texts, cells, strict=True)]
        drawn.add_row(label, "", *styled)
    return drawn
