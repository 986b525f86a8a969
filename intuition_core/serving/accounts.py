"""The account as callers are told it: what has changed since an earlier answer."""

from typing import Any, Final

from intuition_core.account.statement import Statement
from intuition_core.serving.arguments import count
from intuition_core.session.session import Session

_KEPT: Final = 8
"""Answers since which changes can be asked for."""


class AccountChanges:
    """Tells what has changed of a session's account.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[int, Statement] = {}

    def account_changes(self, since: Any = None) -> dict[str, Any]:
        """Return the account as last committed, with those positions alone that have changed.

        Args:
            since: the ``seq`` of an earlier answer. Without it, or where that answer is none of the last few, the
                answer is the whole account, and has no ``since``.
        """
        before = None if since is None else self._told.get(count("account_changes", "since", since))
        statement = self._session.statement
        self._told.pop(statement.seq, None)
        self._told[statement.seq] = statement
        if len(self._told) > _KEPT:
            del self._told[next(iter(self._told))]
        return statement.to_json() if before is None else statement.changes(before)
