"""The judge: reads what was published and what an executor recorded, and says what went wrong.

It knows nothing of the program it judges: neither its code, nor its journal, nor its word.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

UNNUMBERED = -1
"""The number of all inputs that are the same to the last byte: how many decisions there are is all that counts."""


class Published(NamedTuple):
    """An input as its publisher logged it: the symbol, the number of the event among the symbol's, what it held.

    ``confirmed`` is False for one whose fate the publisher does not know: sent, never acknowledged, not sent again.
    """

    symbol: str
    number: int
    confirmed: bool = True
    event: Mapping[str, Any] | None = None

    @property
    def input(self) -> "Input":
        return self.symbol, self.number


class Arrival(NamedTuple):
    """A decision as it reached the executor, in the order in which they did.

    ``asked`` marks one that the executor asked for afterwards, out of order by its nature.
    """

    decision: str
    symbol: str
    number: int
    content: str = ""
    asked: bool = False

    @property
    def input(self) -> "Input":
        return self.symbol, self.number


Input = tuple[str, int]


class FailureDecision(NamedTuple):
    """What was found; each empty if all is well."""

    lost: list[Input]
    """Confirmed inputs without an executed decision."""
    twice: list[tuple[Input, list[str]]]
    """Inputs for which several decisions were executed, and these."""
    reordered: list[tuple[Input, Input]]
    """Inputs of one symbol that were executed in another order than published: the later one, then the earlier."""
    unexpected: list[tuple[Input, str]]
    """Decisions executed on something that nobody published."""
    conflicting: list[str]
    """Decision ids that came with more than one content."""
    ledger: list[str]
    """Where the final account differs from that of an uninterrupted run."""

    @property
    def good(self) -> bool:
        return not any(self)

    def __str__(self) -> str:
        if self.good:
            return "nothing lost, executed twice, reordered or unexpected; the ledger is right"
        return "; ".join(f"{name}: {len(found)} {found[:5]!s:.300}" for name, found in self._asdict().items() if found)


def judge(
    published: Sequence[Published],
    arrivals: Iterable[Arrival],
    *,
    ledger: Mapping[str, Any] | None = None,
    expected: Mapping[str, Any] | None = None,
    forgetful: bool = False,
) -> FailureDecision:
    """Judge a history.

    Args:
        published: what was sent, in the order of sending; one entry per input, however often it was sent.
        arrivals: every decision that the executor received, duplicates included. The first of an id was executed.
        ledger: the account at the end.
        expected: the account of an uninterrupted run over `took_place(published, arrivals)`.
        forgetful: the broker may forget decisions that it has acknowledged, which then arrive later than others; order
            is that of the session's own numbers, which an executor has in every decision.
    """
    contents: dict[str, Arrival] = {}
    conflicting: dict[str, None] = {}
    executed: dict[Input, list[Arrival]] = {}
    for arrival in arrivals:
        first = contents.get(arrival.decision)
        if first is None:
            contents[arrival.decision] = arrival
            executed.setdefault(arrival.input, []).append(arrival)
        elif (first.input, first.content) != (arrival.input, arrival.content):
            conflicting[arrival.decision] = None
    sent = Counter(entry.input for entry in published)
    confirmed = Counter(entry.input for entry in published if entry.confirmed)
    positions = {entry.input: position for position, entry in enumerate(published)}
    reordered: list[tuple[Input, Input]] = []
    latest: dict[str, Input] = {}
    in_order = list(executed.items())  # in the order of each input's first decision
    if forgetful:
        in_order.sort(key=lambda entry: min(int(each.decision.rsplit(":", 2)[1]) for each in entry[1]))
    for key, decisions in in_order:
        if key not in positions or key[1] == UNNUMBERED or decisions[0].asked:
            continue
        before = latest.get(key[0])
        if before is not None and positions[key] < positions[before]:
            reordered.append((before, key))
        else:
            latest[key[0]] = key
    return FailureDecision(
        lost=[key for key, times in confirmed.items() for _ in range(times - len(executed.get(key, ())))],
        twice=[
            (key, [each.decision for each in decisions])
            for key, decisions in executed.items()
            if key in sent and len(decisions) > sent[key]
        ],
        reordered=reordered,
        unexpected=[
            (key, decision.decision) for key, decisions in executed.items() if key not in sent for decision in decisions
        ],
        conflicting=list(conflicting),
        ledger=[] if expected is None else differences(ledger, expected),
    )


def took_place(published: Sequence[Published], arrivals: Iterable[Arrival]) -> list[Published]:
    """Give the inputs that an uninterrupted run is to be fed: all but those of unknown fate that nobody decided on."""
    decided = Counter(key for _, key in {(arrival.decision, arrival.input) for arrival in arrivals})
    decided.subtract(entry.input for entry in published if entry.confirmed)
    taken = []
    for entry in published:
        if not entry.confirmed:
            decided[entry.input] -= 1
        if entry.confirmed or decided[entry.input] >= 0:
            taken.append(entry)
    return taken


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Name every place in which two accounts differ, with both values."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [
            problem
            for key in keys
            for problem in differences(found.get(key), expected.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if found == expected else [f"{path}: {found!r} instead of {expected!r}"]


# -- what publishers and executors leave behind


def read_published(log: Path) -> list[Published]:
    """Read a publisher's log: JSON lines ``["sent", n, event]`` before it is sent first, ``["confirmed", n]`` after."""
    entries: dict[int, Published] = {}
    for line in log.read_text().splitlines():
        word, n, *content = json.loads(line)
        if word == "sent":
            event = content[0]
            entries[n] = Published(event["sid"], event.get("number", UNNUMBERED), confirmed=False, event=event)
        else:
            entries[n] = entries[n]._replace(confirmed=True)
    return list(entries.values())


def read_arrivals(file: Path) -> list[Arrival]:
    """Read the file of an executor."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT decision, symbol, number, content, asked FROM arrival ORDER BY position"
        ).fetchall()
    connection.close()
    return [
        Arrival(decision, symbol, number, content, bool(asked)) for decision, symbol, number, content, asked in rows
    ]
