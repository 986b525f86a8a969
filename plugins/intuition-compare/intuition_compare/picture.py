"""The picture of a comparison: the equity of all variants, and below it their differences to the first."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_compare.comparison import Comparison
from intuition_compare.rows import headline
from intuition_core.commands import CannotWrite
from intuition_core.errors import IntuitionError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".svg", ".html")

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people who are colour-blind tell apart, too."""

_DASHES: Final = ("-", "--", "-.", ":")
"""For more variants than there are colours."""

_WIDE: Final = 6.4
_HIGH: Final = 7.6
_DPI: Final = 160
"""Inches and dots: higher than wide, and letters of a size that can be read where a phone shows it."""

_NANOSECONDS: Final = 1_000_000_000


class UnknownFormat(IntuitionError):
    """A picture whose file name says nothing that can be drawn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known = ", ".join(FORMATS)
        super().__init__(f"--picture {path}: its name must end in one of {known}{did_you_mean(path.suffix, FORMATS)}")


def check_picture(path: Path | None) -> None:
    """Refuse what cannot be written before the run rather than after it.

    Raises:
        UnknownFormat: its name does not end as a picture's.
        CannotWrite: there is no such folder.
    """
    if path is None:
        return
    if path.suffix.lower() not in FORMATS:
        raise UnknownFormat(path)
    if not path.absolute().parent.is_dir():
        raise CannotWrite(path, "there is no such folder")


def draw(comparison: Comparison, path: Path | None) -> None:
    """Draw a comparison, where a picture is asked for; the same one gives the same bytes.

    Raises:
        CannotWrite: the file cannot be written.
    """
    if path is None:
        return
    try:
        if path.suffix.lower() == ".html":
            from intuition_compare.page import render

            path.write_bytes(render(comparison, COLOURS))
        else:
            _save(comparison, path)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from None
    click.echo(f"picture written to {path}", err=True)


def _save(comparison: Comparison, path: Path) -> None:
    import matplotlib as mpl

    kind = path.suffix.lower().removeprefix(".")
    undated: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
    with mpl.rc_context({"font.size": 11, "axes.titlesize": 11, "svg.hashsalt": "intuition", "text.parse_math": False}):
        _figure(comparison).savefig(path, format=kind, dpi=_DPI, **undated)


def _figure(comparison: Comparison) -> "Figure":
    from datetime import UTC, datetime

    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDE, _HIGH), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    first = [part.close for part in comparison.history.slices]
    times = [datetime.fromtimestamp(part.ts / _NANOSECONDS, UTC) for part in comparison.history.slices]
    for n, run in enumerate(comparison.runs):
        style = {"color": COLOURS[n % len(COLOURS)], "linestyle": _DASHES[n // len(COLOURS) % len(_DASHES)]}
        equity = [part.close for part in run.history.slices]
        above.plot(times, equity, label=run.name, linewidth=1.4, **style)
        if n:
            apart = [mine - theirs for mine, theirs in zip(equity, first, strict=True)]
            below.plot(times, apart, linewidth=1.4, **style)
    below.axhline(0, color=COLOURS[0], linewidth=0.8)
    above.set_title("Equity", loc="left")
    below.set_title(f"Less {comparison.runs[0].name}", loc="left")
    locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]  # its stubs leave it out
    for axes in (above, below):
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # the same
    figure.legend(loc="outside upper left", ncols=min(3, len(comparison.runs)), frameon=False)
    figure.supxlabel(headline(comparison), fontsize=8, color="#555555")
    return figure
