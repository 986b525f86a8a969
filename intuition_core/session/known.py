"""Which items of a batch were taken before: by their identities, and by those that older versions gave them."""

from collections.abc import Sequence

from intuition_core.session.batch import Known
from intuition_core.session.batch_run import Item
from intuition_core.session.identity import content_of
from intuition_core.session.journal import Journal


def find_known(journal: Journal, items: Sequence[Item]) -> dict[str, Known]:
    """Return those of the items that were taken before, by their identity, each with its content and its records."""
    found = journal.find(
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
        if before.content != item.content and item.identity.startswith(("id:", "ids:")):
            # Older versions digested a payload in the form in which it came: hold its events against these.
            known[item.identity] = before._replace(content=content_of(journal.events_of(kept_as)))
    return known
