"""The picture as a page: interactive charts and the table in one HTML file that opens without a network."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from intuition_compare.comparison import Comparison
from intuition_compare.rows import differences, figures, headline, notes

_NANOSECONDS: Final = 1_000_000_000
_HOUR: Final = 3_600 * _NANOSECONDS


def render(comparison: Comparison, colours: tuple[str, ...]) -> bytes:
    """Make the page, in the style of the report and with its chart library; the same comparison gives the same bytes.

    Whatever text the comparison holds is shown as text and never taken for markup or code, and the page forbids itself
    to load anything.

    Args:
        comparison: what is shown.
        colours: those of the variants, in turn.
    """
    environment = Environment(
        loader=PackageLoader("intuition_compare", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [_asset("intuition_report", "lightweight-charts.js"), _asset("intuition_compare", "curves.js")]
    page = environment.get_template("comparison.html").render(
        title=" · ".join(run.name for run in comparison.runs),
        lead=headline(comparison),
        names=[run.name for run in comparison.runs],
        colours=[colours[n % len(colours)] for n in range(len(comparison.runs))],
        figures=list(figures(comparison.runs)),
        differences=list(differences(comparison, range(1, len(comparison.runs)))),
        notes=list(notes(comparison)),
        complete=comparison.history.complete,
        points=points(comparison),
        style=Markup(_asset("intuition_report", "report.css")),  # noqa: S704  # our own file
        scripts=[Markup(script) for script in scripts],  # noqa: S704  # our own file and the library's
        hashes=[f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts],
    )
    return page.encode("utf-8", "replace")


def points(comparison: Comparison) -> dict[str, Any]:
    """Return the columns of the charts: seconds UTC, equity by variant, and its difference to the first variant's."""
    slices = comparison.history.slices
    # A chart has one value a point: a second, or a microsecond within an hour.
    unit = _NANOSECONDS if not slices or slices[-1].ts - slices[0].ts > _HOUR else 1_000
    kept = [n for n in range(len(slices)) if n + 1 == len(slices) or slices[n].ts // unit < slices[n + 1].ts // unit]
    first = [slices[n].close for n in kept]
    equities = [[run.history.slices[n].close for n in kept] for run in comparison.runs]
    return {
        "time": [slices[n].ts // unit * unit / _NANOSECONDS for n in kept],
        "equity": [[_short(value) for value in equity] for equity in equities],
        "apart": [
            [_short(mine - theirs) for mine, theirs in zip(equity, first, strict=True)] for equity in equities[1:]
        ],
    }


def _asset(package: str, name: str) -> str:
    return files(package).joinpath("assets", name).read_text("utf-8")


def _short(value: float) -> float:
    """Keep no more digits than a screen can show."""
    return float(f"{value:.8g}")
