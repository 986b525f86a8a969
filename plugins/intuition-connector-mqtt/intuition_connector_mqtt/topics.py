"""Topics of a session: those of its channels, and those of its records."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from intuition_core.data import DEFAULT_CHANNEL, check_channel
from intuition_core.errors import BadData

PREFIX: Final = "intuition/1"
_BY_TYPE: Final = {
    "decision": "decisions",
    "fill": "fills",
    "rejection": "rejections",
    "error": "errors",
    "control": "control",
    "action": "actions",
    "cancel": "cancels",
    "execution": "executions",
}
BOOKING: Final = ("actions", "rates")
"""Channels whose events are booked by sessions: splits and dividends, and what currencies are worth."""

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NOT_IN_TOPICS: Final = re.compile(r"[+#/\x00]")

Messages: TypeAlias = Literal["session", "channel"]
"""Where messages of parts go: below the session's other output, as the records they are; or, as events that anybody can
take, to the plain topics of the channels they name."""


def is_name(text: str) -> bool:
    """Whether a session's name can be a level of a topic as it is."""
    return _NAME.fullmatch(text) is not None


def name_from(text: str) -> str:
    """A name made from any text, such as a backend's address: ``tcp://127.0.0.1:4242`` → ``tcp-127.0.0.1-4242``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-")[:64] or "session"


def subscriptions(channels: Iterable[str]) -> list[str]:
    """The filters that match each channel itself and everything below it."""
    return [f"{channel}/#" for channel in channels]


class StrayTopic(BadData):
    """A topic that belongs to none of the channels that are listened to."""

    def __init__(self, topic: str, channels: Iterable[str]) -> None:
        self.topic = topic
        self.channels = tuple(channels)
        super().__init__(f"the topic belongs to none of the channels {', '.join(self.channels)}")


def find_channel(topic: str, channels: Sequence[str]) -> tuple[str, str | None]:
    """The channel of a topic, and the symbol that the rest of the topic names, if any.

    Raises:
        StrayTopic: it belongs to none of them.
    """
    best = ""
    for channel in channels:
        if (topic == channel or topic.startswith(f"{channel}/")) and len(channel) > len(best):
            best = channel
    if not best:
        raise StrayTopic(topic, channels)
    return best, topic[len(best) + 1 :] or None


def event_topic(channel: str, sid: object) -> str:
    """The topic of an event: the channel, and the symbol where it can be a level of a topic."""
    return f"{channel}/{sid}" if isinstance(sid, str) and sid and not _NOT_IN_TOPICS.search(sid) else channel


class Topics:
    """The topics of a session's output, under ``intuition/1/<session>``.

    Args:
        session: its name.
        messages: where messages of its parts go.
    """

    def __init__(self, session: str, *, messages: Messages = "session") -> None:
        self._session = session
        self._as_events = messages == "channel"
        self.root = f"{PREFIX}/{session}"
        self.description = f"{self.root}/$description"
        self.state = f"{self.root}/$state"
        self.portfolio = f"{self.root}/portfolio"
        self.portfolio_changes = f"{self.portfolio}/changes"
        self.dead = f"{self.root}/dead"
        self.probe = f"{self.root}/$settled"
        """Nothing is ever published here; below it the connector publishes for itself, under load."""
        self.command = f"{self.root}/control/set"
        """Commands are published here; the records that they cause on ``control``."""
        self.by_type = {kind: f"{self.root}/{topic}" for kind, topic in _BY_TYPE.items()}

    def of(self, record: Any) -> str:
        """The topic of a record; one that names no type is taken for a decision.

        Raises:
            BadData: it is no record, or none that has a topic.
        """
        if not isinstance(record, dict):
            raise BadData(f"the backend answered with {type(record).__name__} where a record was expected")
        kind = record.get("type", "decision")
        if kind == "message":
            channel = check_channel(record.get("channel"))
            return self._topic_of_event(channel, record.get("data")) if self._as_events else self._messages(channel)
        topic = self.by_type.get(kind) if isinstance(kind, str) else None
        if topic is None:
            raise BadData(f"the backend answered with a record of unknown type {ascii(kind)[:60]}")
        return topic

    def content(self, record: Any) -> Any:
        """The content to publish of a record that has a topic.

        A message that is published as an event has the id of its record: who takes it knows it again if it comes twice.
        """
        if not self._as_events or record.get("type") != "message":
            return record
        data = {key: value for key, value in record["data"].items() if key != "channel"}
        return {**data, "ts": record.get("ts"), "id": record.get("id"), "source": self._session}

    def _messages(self, channel: str) -> str:
        return f"{self.root}/messages/{channel}"

    def _topic_of_event(self, channel: str, data: Any) -> str:
        if channel == DEFAULT_CHANNEL:
            raise BadData(f"a message on `{channel}` would look like a price")
        if channel in BOOKING:
            raise BadData(f"a message on `{channel}` would be booked")
        if not isinstance(data, Mapping):
            raise BadData(f"a message on `{channel}` that is no object cannot be published as an event")
        return event_topic(channel, data.get("sid"))

    def summary(self) -> dict[str, str]:
        """The topics by their names, for the description."""
        return {
            **{topic.rpartition("/")[2]: topic for topic in self.by_type.values()},
            "messages": "<channel>/<sid>" if self._as_events else self._messages("+"),
            "portfolio": self.portfolio,
            "portfolio_changes": self.portfolio_changes,
            "dead": self.dead,
            "command": self.command,
            "state": self.state,
        }
