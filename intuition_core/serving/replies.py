"""What callers tell of the batch before."""

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
