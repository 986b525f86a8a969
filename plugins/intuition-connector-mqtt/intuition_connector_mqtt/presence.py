"""What others can learn about a session without asking: its description, its state, and that it was lost."""

import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import msgspec

from intuition_connector_mqtt.topics import Topics

DISTRIBUTION: Final = "intuition-connector-mqtt"


class Publication(NamedTuple):
    """What is to be published, always with QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False
    record: str | None = None
    """The id of the record it carries, where it carries one."""


class Presence:
    """A session's retained description and state, and its last will.

    The instance tells a state of this process from that of an earlier one.
    """

    def __init__(self, topics: Topics, description: Mapping[str, Any]) -> None:
        self._topics = topics
        self._description = description
        self.instance = uuid4().hex[:12]

    def describe(self, description: Mapping[str, Any]) -> None:
        """Take note of what the session has become."""
        self._description = description

    def description(self) -> Publication:
        """Say what the session is."""
        return Publication(self._topics.description, msgspec.json.encode(self._description), retain=True)

    def state(self, state: Literal["init", "ready", "disconnected", "lost"]) -> Publication:
        """Say how the session is, as of now."""
        payload = {"state": state, "instance": self.instance, "ts": time.time_ns()}
        return Publication(self._topics.state, msgspec.json.encode(payload), retain=True)


def own_version() -> str:
    """Give the version of this distribution, as installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
