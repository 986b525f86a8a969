"""The backend as it introduces itself: its session, channels and methods."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from intuition_connector_mqtt.commands import COMMAND_CLIENT
from intuition_connector_mqtt.errors import Replaced
from intuition_connector_mqtt.topics import is_name, name_from
from intuition_connector_mqtt.window import Mark
from intuition_core.contracts import Backend
from intuition_core.data import check_channel
from intuition_core.errors import BackendRefused, BadData, IntuitionError

CLIENT: str = "mqtt"
"""The connector's name at a backend that keeps its clients apart."""


class BadReply(IntuitionError):
    """A backend whose answer is none that its method can give."""

    def __init__(self, address: str, method: str, problem: str) -> None:
        self.address = address
        self.method = method
        self.problem = problem
        super().__init__(f"the backend at {address} answered `{method}` with what cannot be used: {problem}")


class BackendInfo(msgspec.Struct, frozen=True):
    """The session of a backend, and the methods that it has."""

    session: str
    channels: tuple[str, ...]
    epoch: int | None = None
    last_seq: int | None = None
    """The number of its last event; None where it counts none."""
    run: str | None = None
    """What tells a session from an earlier one of the same name."""
    batches: bool = False
    """Whether it takes several events in one call."""
    durable: bool = False
    """Whether it keeps deliveries and their records, and answers a known delivery with the same records again."""
    resends: bool = False
    """Whether it gives the records that nobody has confirmed as published."""
    accounts: bool = False
    """Whether it gives its account."""
    changes: bool = False
    """Whether it tells what of its account has changed."""
    hears: bool = False
    """Whether it gives the control records that other clients have caused."""
    obeys: bool = False
    """Whether it takes commands."""
    command_epoch: int | None = None
    command_window: tuple[Mark, ...] = ()
    """Commands that it has committed and not forgotten, oldest first."""
    window: tuple[Mark, ...] = ()
    """Deliveries that it has committed and not forgotten, oldest first."""
    published: str | None = None
    """The last record that was confirmed as published."""
    head: str | None = None
    """What it has committed last, to be told to it again; None where it tells none."""
    summary: Any = None
    """Its description, in JSON types."""

    def follows(self, earlier: "BackendInfo") -> bool:
        """Whether no other connector can have attached, and delivered, since an earlier attachment."""
        if not self.durable or self.epoch is None or earlier.epoch is None:
            return True
        if self.command_epoch is not None and self.command_epoch != (earlier.command_epoch or 0) + 1:
            return False
        return self.run == earlier.run and self.epoch == earlier.epoch + 1


def attach(backend: Backend, *, name: str | None = None, control: bool = True, head: str | None = None) -> BackendInfo:
    """Attach to a backend, or initialize one that has no `attach`, and return what it says of its session.

    Args:
        backend: one of ours, or a foreign one that has only `initialize` and `event`.
        name: the session's name at a backend that does not name its own; made from its address by default.
        control: whether commands will be brought to it.
        head: what it told last of what it has committed; None if it never did.

    Raises:
        BackendLost: there is no answer.
        BackendRefused: it refuses the connector.
        BadReply: it names no channels that MQTT can carry.
    """
    attachment: Mapping[str, Any] = {}
    session = name or name_from(backend.address)
    if backend.offers("attach"):
        method = "attach"
        reply = _attach(backend, head)
        if not isinstance(reply, Mapping):
            raise BadReply(backend.address, method, "expected an object with `session` and `channels`")
        attachment = reply
        channels = attachment.get("channels")
        if isinstance(attachment.get("session"), str):
            session = attachment["session"]
    else:
        method = "initialize"
        channels = backend.call("initialize", {})
    names = _channels(backend.address, method, channels)
    batches = backend.offers("events")
    durable = batches and backend.offers("confirm") and isinstance(attachment.get("window"), list | tuple)
    obeys = control and backend.offers("control")
    second = _attach_for_commands(backend) if durable and obeys else {}
    return BackendInfo(
        session=session if is_name(session) else name_from(session),
        channels=names,
        epoch=attachment.get("epoch"),
        last_seq=last_seq if isinstance(last_seq := attachment.get("last_seq"), int) else None,
        run=attachment.get("run"),
        batches=batches,
        durable=durable,
        resends=durable and backend.offers("outbox"),
        window=read_marks(backend.address, attachment["window"]) if durable else (),
        published=attachment.get("published"),
        head=told if isinstance(told := attachment.get("head"), str) else None,
        accounts=backend.offers("account"),
        changes=backend.offers("account_changes"),
        hears=durable and backend.offers("outbox") and backend.offers("controls"),
        obeys=obeys,
        command_epoch=second.get("epoch"),
        command_window=read_marks(backend.address, second.get("window", ())),
        summary=_summary(backend),
    )


def _attach(backend: Backend, head: str | None) -> Any:
    """Attach, telling what was acknowledged last; a backend that went back to an older version is told nothing."""
    if head is not None:
        try:
            return backend.call("attach", CLIENT, head)
        except BackendRefused as error:
            if error.name not in ("BadCall", "TypeError"):
                raise
    return backend.call("attach", CLIENT)


def check_replaced(backend: Backend, info: BackendInfo) -> None:
    """Raise `Replaced` if an epoch is stale because another connector has attached.

    A backend that keeps nothing forgets its clients when it is started again, and can be attached to anew.

    Raises:
        Replaced: another connector has attached since.
        BackendLost: there is no answer.
    """
    if info.epoch is None or not backend.offers("describe"):
        return
    description = backend.call("describe")
    clients = description.get("clients") if isinstance(description, Mapping) else None
    current = clients.get(CLIENT, 0) if isinstance(clients, Mapping) else 0
    run = description.get("run") if isinstance(description, Mapping) else None
    if isinstance(current, int) and current > info.epoch and run == info.run:
        raise Replaced(info.session, CLIENT, info.epoch, current)


def _channels(address: str, method: str, channels: Any) -> tuple[str, ...]:
    if channels is None:
        channels = ["quotes"]
    if not isinstance(channels, list | tuple) or not channels:
        raise BadReply(address, method, f"expected the names of channels, got {type(channels).__name__}")
    try:
        return tuple(dict.fromkeys(check_channel(channel) for channel in channels))
    except BadData as error:
        raise BadReply(address, method, str(error)) from None


def _attach_for_commands(backend: Backend) -> Mapping[str, Any]:
    reply = backend.call("attach", COMMAND_CLIENT)
    if not isinstance(reply, Mapping) or not isinstance(reply.get("window"), list | tuple):
        raise BadReply(backend.address, "attach", "expected an object with `epoch` and `window`, as for the first")
    return reply


def read_marks(address: str, entries: Iterable[Any]) -> tuple[Mark, ...]:
    """The marks in an answer to `attach`.

    Args:
        address: the backend's, for the error.
        entries: its `window`.

    Raises:
        BadReply: one of them is no mark.
    """
    marks: list[Mark] = []
    for entry in entries:
        match entry:
            case [str(key), int(packet), str(topic), str(digest)]:
                marks.append((key, packet, topic, digest))
            case _:
                raise BadReply(
                    address, "attach", f"expected a delivery as [key, packet, topic, hash], got {entry!r:.60}"
                )
    return tuple(marks)


def _summary(backend: Backend) -> Any:
    if not backend.offers("describe"):
        return None
    try:
        summary = backend.call("describe")
        msgspec.json.encode(summary)
    except (BackendRefused, TypeError, ValueError):
        return None  # the description goes without it
    return summary
