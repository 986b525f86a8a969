"""Two runs side by side: whether they decided the same on the same data, and how their figures differ."""

from collections.abc import Mapping
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from intuition_core.research.columns import Kind, Table, iso
from intuition_core.trading.digest import HASHED

if TYPE_CHECKING:
    from intuition_core.research.run import Run

_FIGURES: Final[Mapping[str, Kind]] = {
    "name": "text",
    "unit": "text",
    "one": "number",
    "other": "number",
    "difference": "number",
}


class Comparison:
    """What differs between two runs.

    Attributes:
        one: the one.
        other: the other.
    """

    def __init__(self, one: "Run", other: "Run") -> None:
        self.one = one
        self.other = other

    @property
    def same_decisions(self) -> bool:
        """Whether both decided the same, by the hash."""
        return self.one.decisions_sha256 == self.other.decisions_sha256

    @property
    def same_data(self) -> bool | None:
        """Whether both read the same data; None where the hash of something is not known."""
        mine, theirs = ([(each.kind, each.sha256) for each in run.contents] for run in (self.one, self.other))
        if not mine or not theirs or any(not sha256 for _, sha256 in (*mine, *theirs)):
            return None
        return mine == theirs

    @property
    def metrics(self) -> Table:
        """The figures of both, and the other's less the one's; fractions are fractions of one."""
        mine, theirs = (run.metrics.to_json() for run in (self.one, self.other))
        rows = []
        for name in dict.fromkeys((*mine, *theirs)):
            one, other = mine.get(name, {}), theirs.get(name, {})
            before, after = one.get("value"), other.get("value")
            difference = None if before is None or after is None else after - before
            rows.append((name, (one or other)["unit"], before, after, difference))
        return Table.of(_FIGURES, rows)

    @property
    def first_difference(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None] | None:
        """The first decisions, fills or rejections that differ; None where all are the same.

        One of the two is None where one run has all that the other has, and the other has more.

        Raises:
            NotKept: the records of one were not kept.
        """
        if self.same_decisions:
            return None
        mine, theirs = ((each for each in run.records if each["type"] in HASHED) for run in (self.one, self.other))
        return next((pair for pair in zip_longest(mine, theirs) if pair[0] != pair[1]), None)

    def __str__(self) -> str:
        """Return a few lines: decisions, data, and where they part."""
        data = {True: "the same data", False: "other data", None: "data of which a hash is not known"}[self.same_data]
        lines = [f"{'the same' if self.same_decisions else 'other'} decisions on {data}"]
        if (parted := self.first_difference) is not None:
            lines += [f"first difference: {_told(parted[0])}, or {_told(parted[1])}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the same with the figures for a notebook."""
        lines = "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines())
        return lines + self.metrics._repr_html_()  # notebooks' own protocol


def _told(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "nothing"
    detail = f" {record['quantity']}" if "quantity" in record else ""
    return f"{record['type']} {record.get('side', '')}{detail} {record['sid']} at {iso(record['ts'])}"
