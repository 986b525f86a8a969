"""Retained announcements of a session: its description, its state and its last will."""

import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import msgspec

from intuition_connector_mqtt.topics import Topics

DISTRIBUTION: Final = "intuition-connector-mqtt"


class Publication(NamedTuple):
    """A message to be published, always with QoS 1."""

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
        """Change the description."""
        self._description = description

    def description(self) -> Publication:
        """The description, as a publication."""
        return Publication(self._topics.description, msgspec.json.encode(self._description), retain=True)

    def state(self, state: Literal["init", "ready", "disconnected", "lost"]) -> Publication:
        """The state as of now, as a publication."""
        payload = {"state": state, "instance": self.instance, "ts": time.time_ns()}
        return Publication(self._topics.state, msgspec.json.encode(payload), retain=True)


def own_version() -> str:
    """The version of this distribution, as installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
