"""The command that mends each finding."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from intuition_core.cli.data.opened import quoted

if TYPE_CHECKING:
    from intuition_core.sources.datasets.findings import Finding
    from intuition_core.sources.datasets.index import Index

_TEXT: Final = frozenset({".csv", ".tsv", ".txt", ".jsonl", ".ndjson"})

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")

TITLES: Final = {
    "duplicates": "rows that are there twice",
    "series": "bars of one symbol and time that differ",
    "outside": "prices outside of high and low",
    "splits": "jumps that look like splits",
    "stale": "stale stretches",
    "gaps": "gaps",
    "off-hours": "events outside of all sessions",
}
"""The kinds of findings in words."""

UNITS: Final = {"session": "session", "bars": "bar"}
"""What is counted of each kind of gap."""


def name_for(data: Sequence[str]) -> str:
    """Return a name that a dataset of some files can have."""
    stem = Path(data[0].rpartition("://")[2]).name.partition(".")[0]
    return _NO_NAME.sub("-", stem).strip("-._")[:64] or "data"


def mend(finding: "Finding", data: Sequence[str], flags: Sequence[str], index: "Index | None" = None) -> str:
    """Return a command that mends a finding.

    Args:
        finding: what was found.
        data: where.
        flags: those with which it was read.
        index: that of the dataset, where the data is one.
    """
    kind, example = finding.kind, finding.examples[0]
    name = index.name if index is not None else name_for(data)
    if kind == "duplicates" and index is None and len(data) == 1 and Path(data[0]).suffix.lower() in _TEXT:
        # A source that has seen two bars of one time cannot tell when any began, so they go before it reads.
        whole = Path(data[0])
        mended = str(whole.with_name(f"{whole.stem}-mended{whole.suffix}"))
        return f"awk '!seen[$0]++' {quoted([str(whole)])} > {quoted([mended])}"
    if kind in ("duplicates", "outside", "stale"):
        target = f"{name}-mended" if index is not None else name
        return quoted(["intuition", "data", "add", *data, *flags, "--name", target, "--drop", kind])
    if kind == "series":
        return quoted(["intuition", "data", "show", *data, *flags]) + " --param source.series=COLUMN"
    if kind == "splits":
        event = (
            f'{{"channel": "actions", "sid": "{example.sid}", "action": "split", "ratio": "{example.ratio}", '
            f'"ts": "{exact_moment(example.ts)}"}}'
        )
        return f"echo {quoted([event])} >> splits.jsonl  # and give --data splits.jsonl, too"
    if kind == "off-hours":
        return quoted(["intuition", "data", "show", *data, *flags]) + " --param source.timezone=ZONE --calendar NAME"
    source = index.asked[-1].source if index is not None and index.asked else None
    start, end = moment(example.ts), moment((example.end or example.ts) + 10**9 - 1)
    words = ["intuition", "data", "fetch", "--symbols", example.sid, "--from", start, "--to", end, "--name", name]
    return quoted([*words, "--source", source or "NAME", "--again"])


def moment(ts: int) -> str:
    """Return the second of a time, nanoseconds UTC, in the form that `--from` takes."""
    return datetime.fromtimestamp(ts // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_moment(ts: int) -> str:
    """Return a time, nanoseconds UTC, in the form that events take."""
    rest = ts % 10**9
    return f"{moment(ts)[:-1]}.{rest:09}Z" if rest else moment(ts)
