"""Adding what a source gives to a dataset, whole or not at all."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace as with_changes

from intuition_core.data import Event
from intuition_core.sources.datasets.index import Added, Asked, Index, changing, read_index, write_index
from intuition_core.sources.datasets.places import INDEX, check_name
from intuition_core.sources.datasets.writing import Changes, Stage, join, staging


class Addition(NamedTuple):
    """What came of adding data."""

    dataset: Index
    """The index afterwards."""
    new: int
    """How many events were new."""
    known: int
    """How many the dataset had already."""
    replaced: int
    """How many took the place of others."""


def add(
    folder: Path,
    batches: Iterable[list[Event]],
    told: Callable[[], Added],
    *,
    replace: bool = False,
    negative_prices: bool = False,
    asked: tuple[Asked, ...] = (),
) -> Addition:
    """Add events to the dataset in a folder, which is made where there is none.

    A reader sees the dataset as it was until all is there. What an interrupted addition leaves is cleared by the next.

    Args:
        folder: the folder of the dataset; its name is the dataset's.
        batches: the events in the order of time, in lists.
        told: describes where they came from, once they have been read.
        replace: whether events take the place of others of the same channel, symbol and time.
        negative_prices: whether zero and negative prices may be among them.
        asked: spans that a source was asked for to have them.

    Raises:
        BadName: no dataset can have that name.
        Conflict: the dataset has other events of a moment, and they are not to be replaced.
        DatasetInUse: another process is changing the dataset.
        IntuitionError: the events cannot be read.
    """
    check_name(folder.name)
    fresh = not folder.exists()
    try:
        with changing(folder):
            return _added(folder, batches, told, replace=replace, negative_prices=negative_prices, asked=asked)
    finally:
        if fresh and not (folder / INDEX).exists():
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()


def _added(
    folder: Path,
    batches: Iterable[list[Event]],
    told: Callable[[], Added],
    *,
    replace: bool,
    negative_prices: bool,
    asked: tuple[Asked, ...],
) -> Addition:
    index = read_index(folder) if (folder / INDEX).is_file() else Index(name=folder.name)
    with staging(folder) as scratch:
        stage = Stage(scratch)
        for batch in batches:
            stage.add(batch)
        changes = join(folder, index, stage.finish(), scratch, replace=replace)
        added = with_changes(told(), events=changes.new + changes.replaced)
        changed = with_changes(
            changes.dataset,
            added=(*index.added, added) if changes.new or changes.replaced else index.added,
            asked=merged((*index.asked, *asked)),
            interleaved=index.interleaved or stage.interleaved,
            negative_prices=index.negative_prices or negative_prices,
        )
        write_index(folder, changed)
    _remove(changes)
    return Addition(changed, changes.new, changes.known, changes.replaced)


def merged(asked: Iterable[Asked]) -> tuple[Asked, ...]:
    """Return spans with those that touch put together."""
    whole: list[Asked] = []
    for span in sorted(asked, key=lambda each: (each.source, each.sid, each.options, each.start)):
        last = whole[-1] if whole else None
        if (
            last is not None
            and (last.source, last.sid, last.options) == (span.source, span.sid, span.options)
            and span.start <= last.end
        ):
            whole[-1] = with_changes(last, end=max(last.end, span.end))
        else:
            whole.append(span)
    return tuple(whole)


def _remove(changes: Changes) -> None:
    for path in changes.obsolete:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other files are in it
            path.parent.rmdir()
