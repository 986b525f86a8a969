"""Control records, such as those of the kill switch, that other clients have caused.

A kill cancels decisions. The connector asks for control records regularly, and publishes none of the cancelled
decisions afterwards; the news itself goes before all publications that wait.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from intuition_connector_mqtt.backend_info import BackendInfo, BadReply
from intuition_connector_mqtt.outbox import Outbox
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.publications import Publications, id_of
from intuition_core.contracts import Backend
from intuition_core.records import record_key

PAUSE: Final = 0.25
"""Seconds without deliveries after which the backend is asked for control records."""


class ControlRecords:
    """The control records of one backend, in order.

    Args:
        backend: the backend.
        info: its session and methods.
        outbox: where cancelled decisions may wait.
        publications: makes publications of records.
    """

    def __init__(self, backend: Backend, info: BackendInfo, outbox: Outbox, publications: Publications) -> None:
        self.last = info.published
        """The id of the last record up to which all control records are known."""
        self.due_at = 0.0
        """When to ask next, by the monotonic clock."""
        self.swapped = False
        """Whether parts were swapped since the backend was attached to."""
        self._backend = backend
        self._info = info
        self._outbox = outbox
        self._publications = publications
        self._newest: tuple[int, int] = (0, 0)  # the key of the last record that a delivery brought
        self._event: tuple[int, bool, set[str]] = (0, False, set())  # the event that an answer may have ended within

    def postpone(self) -> None:
        """Ask later: a delivery was answered, which the backend refuses while there is a control record to fetch."""
        self.due_at = time.monotonic() + PAUSE

    def fetch(self, *, resending: bool) -> list[Publication]:
        """Ask the backend for control records, suppress what they cancel, and return what is to be published.

        Args:
            resending: whether the backend's outbox is being published, which holds all of them in their places.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: the backend cannot answer now.
            BadReply: it answered with something else than later records.
        """
        publications: list[Publication] = []
        while True:
            records = self._backend.call("controls", self.last)
            self.postpone()
            if not isinstance(records, list | tuple) or not all(isinstance(record, Mapping) for record in records):
                raise BadReply(self._backend.address, "controls", "expected records")
            if not records:
                return publications
            self.note_swaps(records)
            self._outbox.suppress(self._cancelled_ids(records))
            news = [record for record in records if record.get("type") == "control"]
            self._outbox.alert([self._publications.of(record) for record in news])
            if not resending:
                # Those that a delivery caused have come with it.
                fresh = [record for record in records if self._key(record) > self._newest]
                publications += [self._publications.of(record) for record in fresh]
            before, self.last = self.last, id_of(records[-1])
            if self._key(records[-1]) <= ((0, 0) if before is None else record_key(before)):
                raise BadReply(self._backend.address, "controls", "it gives again what was heard")

    def note_swaps(self, records: Iterable[Any]) -> None:
        """Book the swaps of parts among some records."""
        last = self._info.last_seq
        if last is not None and not self.swapped:
            swaps = (record for record in records if isinstance(record, Mapping) and record.get("action") == "swap")
            self.swapped = any(record.get("type") == "control" and self._key(record)[0] > last for record in swaps)

    def note_outbox(self, records: list[Any]) -> None:
        """Book records of the backend's outbox, which holds all control records up to its last."""
        if self._info.hears and (self.last is None or self._key(records[-1]) > record_key(self.last)):
            self.last = id_of(records[-1])
        self.note_swaps(records)

    def note_replies(self, replies: list[Any]) -> None:
        """Book the records that deliveries were answered with."""
        for reply in reversed(replies):
            if isinstance(reply, list | tuple) and reply:
                self._newest = max(self._newest, self._key(reply[-1]))
                return

    def _cancelled_ids(self, records: Iterable[Any]) -> set[str]:
        """The decisions that the kill switch has cancelled.

        Rejections of an event without a control record are those of a timer of the clock: what they replace or refuse
        is published like all else. The records of one event may come in several answers.
        """
        cancelled: set[str] = set()
        seq, switched, causes = self._event
        for record in records:
            if (number := self._key(record)[0]) != seq:
                seq, switched, causes = number, False, set()
            if record.get("type") == "rejection":
                causes.add(str(record.get("cause")))
            switched = switched or record.get("type") == "control"
            if switched:
                cancelled |= causes
        self._event = seq, switched, causes
        return cancelled

    def _key(self, record: Any) -> tuple[int, int]:
        try:
            return record_key(id_of(record) or "")
        except ValueError:
            raise BadReply(self._backend.address, "controls", "a record without an id such as `session:1:0`") from None
