"""Checks of the head that a caller tells."""

from typing import Any

from intuition_core.serving.arguments import head_alone, head_of_journal
from intuition_core.session.errors import HeadLost
from intuition_core.session.session import Session


def check_head(session: Session, head: str | None) -> None:
    """Check that the journal holds what a caller's head names; halt the session otherwise.

    Args:
        session: the session.
        head: the head; None where the caller has no head.

    Raises:
        HeadLost: the journal does not hold it.
    """
    if head is None:
        return
    try:
        session.clients.heads.check(head)
    except HeadLost as error:
        session.halt(str(error), remedy="do that")
        raise


def check_options_of_event(session: Session, options: Any) -> None:
    """Check the head in the options of `event`, which hold nothing else.

    Raises:
        BadCall: they hold something else.
        HeadLost: what was acknowledged is not in the journal.
    """
    check_head(session, head_alone("event", options))


def check_head_of_attachment(session: Session, head: Any) -> None:
    """Check the head that `attach` is given.

    Raises:
        BadCall: it is no head.
        HeadLost: what was acknowledged is not in the journal.
    """
    check_head(session, head_of_journal("attach", head))
