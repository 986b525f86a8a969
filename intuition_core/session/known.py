"""Which items of a batch were taken before: by their identities, and by those that older versions gave them."""

from collections.abc import Mapping, Sequence
from typing import Final

from intuition_core.session.batch import Known
from intuition_core.session.batch_run import Item, UrgentCalls
from intuition_core.session.identity import content_of
from intuition_core.session.journal import Journal

_FOUND_AT_ONCE: Final = 500
"""Items that are looked for in the journal before urgent calls have a turn."""


def find_known(
    journal: Journal, items: Sequence[Item], urgent: UrgentCalls
) -> tuple[Sequence[Item], Mapping[str, Known]]:
    """Return the items that were looked for, and those that were taken before, by identity.

    The items are all there are, or the first ones where urgent calls wait.
    """
    known: dict[str, Known] = {}
    for start in range(0, len(items), _FOUND_AT_ONCE):
        if start and urgent.waiting:
            return items[:start], known
        known |= _find(journal, items[start : start + _FOUND_AT_ONCE])
    return items, known


def _find(journal: Journal, items: Sequence[Item]) -> dict[str, Known]:
    """Return those of the items that were taken before, by their identity, each with its content and its records."""
    found = journal.ids.find(
        identity for item in items if item.identity is not None for identity in (item.identity, *item.former)
    )
    if not found:
        return found
    known: dict[str, Known] = {}
    for item in items:
        if item.identity is None:
            continue
        kept_as = next((each for each in (item.identity, *item.former) if each in found), None)
        if kept_as is None:
            continue
        before = known.setdefault(item.identity, found[kept_as])
        if before.records is not None and before.content != item.content and item.identity.startswith(("id:", "ids:")):
            # Older versions digested a payload in the form in which it came: hold its events against these.
            known[item.identity] = before._replace(content=content_of(journal.ids.events_of(kept_as)))
    return known
