"""Publications of records, and of messages that could not be taken."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from intuition_connector_mqtt.delivery import EXCERPT, Delivery
from intuition_connector_mqtt.occasions import Occasions
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.topics import Topics
from intuition_core.errors import BadData

log = logging.getLogger(__name__)

_BOOKED: Final = ("decision", "fill", "action")
"""Types of records after which the account is another."""


class Publications:
    """Makes publications of a backend's answers, for the topics of one session.

    Args:
        topics: the session's topics.
        max_payload: bytes above which a record is not published.
    """

    def __init__(self, topics: Topics, max_payload: int) -> None:
        self.account_changed = False
        """Whether a record changed the account; its reader may set it back."""
        self._topics = topics
        self._max_payload = max_payload
        self._occasions = Occasions()

    def of_reply(self, reply: Any, delivery: Delivery) -> list[Publication]:
        """The publications of all records of an answer.

        Args:
            reply: a record, several, or none.
            delivery: the message that was answered.
        """
        if reply is None or reply == []:
            return []
        return [self.of(record, delivery) for record in (reply if isinstance(reply, list | tuple) else (reply,))]

    def of(self, record: Any, delivery: Delivery | None = None) -> Publication:
        """The publication of a record; of one that cannot be published, a dead letter that counts as the record.

        Args:
            record: what the backend answered with.
            delivery: the message that caused it.
        """
        try:
            return self._publication(record)
        except BadData as error:
            return self.dead(delivery, str(error))._replace(record=id_of(record))

    def dead(self, delivery: Delivery | None, reason: str) -> Publication:
        """A dead letter; it is logged as well, once a second at most.

        Args:
            delivery: the message that could not be taken.
            reason: why.
        """
        letter: dict[str, Any] = {"reason": reason, "ts": time.time_ns()}
        if delivery is not None:
            letter["topic"] = delivery.topic
            letter["payload"] = delivery.payload[:EXCERPT].decode("utf-8", "replace")
            letter["size"] = delivery.size
        letter = _encodable(letter)
        if (count := self._occasions.occasion()) is not None:
            others = f", and {count - 1} others" if count > 1 else ""
            log.warning(
                "a message on %s%s went to %s: %s", letter.get("topic"), others, self._topics.dead, letter["reason"]
            )
        return Publication(self._topics.dead, msgspec.json.encode(letter))

    def _publication(self, record: Any) -> Publication:
        if isinstance(record, Mapping) and "type" not in record and isinstance(record.get("error"), Mapping):
            raise BadData(_refusal(record["error"]))
        topic = self._topics.of(record)
        try:
            payload = msgspec.json.encode(self._topics.content(record))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadData(f"the backend answered with a record that cannot be written as JSON: {error}") from None
        if len(payload) > self._max_payload:
            raise BadData(
                f"the backend answered with a record of {len(payload)} bytes; at most {self._max_payload} are published"
            )
        if record.get("type") in _BOOKED:
            self.account_changed = True
        return Publication(topic, payload, record=id_of(record))


def id_of(record: Any) -> str | None:
    """The id of a record; None if it has none."""
    identity = record.get("id") if isinstance(record, Mapping) else None
    return identity if isinstance(identity, str) else None


def _refusal(error: Mapping[str, Any]) -> str:
    name, message = error.get("name"), error.get("message")
    return ": ".join(str(part) for part in (name, message) if part) or "refused, without a reason"


def _encodable(letter: Mapping[str, Any]) -> dict[str, Any]:
    """The letter without invalid Unicode, which a foreign backend's message may hold."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in letter.items()
    }
