"""What a connector knows of the backend it drives."""

from collections.abc import Mapping
from typing import Any

import msgspec

from intuition_connector_mqtt.topics import is_name, name_from
from intuition_core.contracts import Backend
from intuition_core.data import check_channel
from intuition_core.errors import BackendRefused, BadData, IntuitionError

CLIENT: str = "mqtt"
"""How the connector calls itself at a backend that keeps its clients apart."""


class BadReply(IntuitionError):
    """A backend that answered with something that its method never gives."""

    def __init__(self, address: str, method: str, problem: str) -> None:
        self.address = address
        self.method = method
        self.problem = problem
        super().__init__(f"the backend at {address} answered `{method}` with what cannot be used: {problem}")


class Link(msgspec.Struct, frozen=True):
    """A backend as it introduced itself. Compare `place` to learn whether it is still the same session."""

    session: str
    channels: tuple[str, ...]
    epoch: int | None = None
    batches: bool = False
    confirms: bool = False
    accounts: bool = False
    summary: Any = None

    @property
    def place(self) -> tuple[str, tuple[str, ...]]:
        """What decides which topics are used."""
        return self.session, self.channels


def attach(backend: Backend, *, name: str | None = None) -> Link:
    """Ask a backend for its session and channels.

    Args:
        backend: one of ours, or a foreign one that has only `initialize` and `event`.
        name: what to call the session of a backend that does not name its own; made from its address by default.

    Raises:
        BackendLost: there is no answer.
        BackendRefused: it does not let us.
        BadReply: it names no channels that MQTT can carry.
    """
    epoch = None
    session = name or name_from(backend.address)
    if backend.offers("attach"):
        method = "attach"
        attachment = backend.call("attach", CLIENT)
        if not isinstance(attachment, Mapping):
            raise BadReply(backend.address, method, "expected an object with `session` and `channels`")
        channels = attachment.get("channels")
        epoch = attachment.get("epoch")
        if isinstance(attachment.get("session"), str):
            session = attachment["session"]
    else:
        method = "initialize"
        channels = backend.call("initialize", {})
    if channels is None:
        channels = ["quotes"]
    if not isinstance(channels, list | tuple) or not channels:
        raise BadReply(backend.address, method, f"expected the names of channels, got {type(channels).__name__}")
    try:
        names = tuple(dict.fromkeys(check_channel(channel) for channel in channels))
    except BadData as error:
        raise BadReply(backend.address, method, str(error)) from None
    return Link(
        session=session if is_name(session) else name_from(session),
        channels=names,
        epoch=epoch,
        batches=backend.offers("events"),
        confirms=backend.offers("confirm"),
        accounts=backend.offers("account"),
        summary=_summary(backend),
    )


def _summary(backend: Backend) -> Any:
    if not backend.offers("describe"):
        return None
    try:
        summary = backend.call("describe")
        msgspec.json.encode(summary)
    except (BackendRefused, TypeError, ValueError):
        return None  # the description goes without it
    return summary
