"""Publications of the account: the whole now and then, and in between what has changed."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from intuition_connector_mqtt.outbox import Outbox
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.topics import Topics
from intuition_core.contracts import Backend
from intuition_core.errors import BackendRefused

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds between two publications of the account."""

WHOLE_RATE: Final = 8192
"""Bytes a second that whole accounts come to at most, where the backend tells what has changed."""


class AccountFeed:
    """Publishes the account after records that changed it, about once a second.

    An account of more than 8 KiB is published whole at a slower pace, so that what is published for a fill does not
    grow with the positions. In between, `changes` has the amounts and those positions that have changed since the last
    message of either topic.

    Attributes:
        changed: whether a record has changed the account since it was published.

    Args:
        backend: what is asked for the account.
        topics: the session's topics.
        outbox: where publications go.
        whole: whether the backend gives its account; without one nothing is ever published.
        changes: whether it tells what has changed.
    """

    def __init__(self, backend: Backend, topics: Topics, outbox: Outbox, *, whole: bool, changes: bool) -> None:
        self._backend = backend
        self._topics = topics
        self._outbox = outbox
        self._offered = whole
        self._tells_changes = changes
        self.changed = whole  # it is published once at the start
        self._next_at = 0.0
        self._whole_at = 0.0
        self._behind = False  # whether the retained account is older than the last changes
        self._seq: Any = None

    @property
    def due_at(self) -> float:
        """The time from which on something is to be published, as by `time.monotonic`; infinite while nothing is."""
        if not self._offered:
            return math.inf
        if self.changed:
            return self._next_at
        return max(self._next_at, self._whole_at) if self._behind else math.inf

    def publish(self) -> None:
        """Publish the account, or what of it has changed."""
        now = time.monotonic()
        try:
            if self._tells_changes:
                account = self._backend.call("account_changes", None if now >= self._whole_at else self._seq)
            else:
                account = self._backend.call("account")
            payload = msgspec.json.encode(account)
        except (BackendRefused, TypeError, ValueError) as error:
            log.warning("the account is not published: %s", error)
        else:
            known = isinstance(account, Mapping)
            self._seq = account.get("seq") if known else None
            if known and self._tells_changes and account.get("since") is not None:
                self._outbox.add([Publication(self._topics.portfolio_changes, payload)])
                self._behind = True
            else:
                self._outbox.retain(Publication(self._topics.portfolio, payload, retain=True))
                self._whole_at = now + len(payload) / WHOLE_RATE
                self._behind = False
        self.changed = False
        self._next_at = time.monotonic() + PAUSE
