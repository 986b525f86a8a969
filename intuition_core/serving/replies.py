"""What callers tell of the batch before."""

from typing import Any

from intuition_core.serving.arguments import head_alone, head_of_journal
from intuition_core.session.errors import HeadLost
from intuition_core.session.session import Session


def check_head(session: Session, head: str | None) -> None:
    """Take no more events where what was acknowledged to a caller with a head is not in the journal.

    Raises:
        HeadLost: it is not.
    """
    if head is None:
        return
    try:
        session.clients.heads.check(head)
    except HeadLost as error:
        session.halt(str(error), remedy="do that")
        raise


def check_options_of_event(session: Session, options: Any) -> None:
    """Do the same with the options of `event`, which hold a head alone; None for none.

    Raises:
        BadCall: they hold something else.
        HeadLost: what was acknowledged is not in the journal.
    """
    check_head(session, head_alone("event", options))


def check_head_of_attachment(session: Session, head: Any) -> None:
    """Do the same with the head that `attach` is given; None for none.

    Raises:
        BadCall: it is no head.
        HeadLost: what was acknowledged is not in the journal.
    """
    check_head(session, head_of_journal("attach", head))
