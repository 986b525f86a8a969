"""Deliveries of another broker, kept for the day on which the connector goes back to it.

Packet ids belong to one broker. Open deliveries of broker A must not be held against what broker B sends, and must not
be forgotten, since A sends its messages again. While the connector is at B, the session keeps the marks of A under a
client's name of their own; back at A, they are acknowledged there without being run again.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.backend_info import BadReply, read_marks
from intuition_connector_mqtt.window import Mark
from intuition_core.contracts import Backend

_AT_ONCE: Final = 200
_LOOPBACK: Final = {"localhost", "ip6-localhost", "127.0.0.1", "::1"}
_PARTS: Final = 5  # of a key: client, epoch, broker, a random part, a number


def broker_id(address: Address) -> str:
    """Eight hexadecimal digits for a broker's host and port; the names of the own machine are one host."""
    host = address.host.lower()
    place = f"{'localhost' if host in _LOOPBACK else host}:{address.port}"
    return blake2b(place.encode(), digest_size=4).hexdigest()


def broker_of(mark: Mark) -> str | None:
    """The id of the broker that a delivery came from; None for marks of before there were such ids."""
    parts = mark[0].split(":")
    return parts[2] if len(parts) == _PARTS else None


class Parking:
    """The parked marks of one client.

    Args:
        backend: a durable backend.
        client: the client's name.
        epoch: what the session gave it.
        broker: the id of the broker that the connector is at.
    """

    def __init__(self, backend: Backend, client: str, epoch: int | None, broker: str) -> None:
        self._backend = backend
        self._client = client
        self._epoch = epoch
        self._broker = broker
        self._claimed: tuple[int, str] | None = None  # the epoch and the last key of what was parked here

    def sort_out(self, marks: Sequence[Mark]) -> list[Mark]:
        """Park the marks of other brokers, and return those of the present one.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: the backend cannot note it now.
        """
        here = (None, self._broker)
        elsewhere: dict[str, list[Mark]] = {}
        for mark in marks:
            if (broker := broker_of(mark)) is not None and broker != self._broker:
                elsewhere.setdefault(broker, []).append(mark)
        for broker, parked in elsewhere.items():
            self._park(f"{self._client}@{broker}", parked)
        own = [mark for mark in marks if broker_of(mark) in here]
        before = marks[: marks.index(own[0])] if own else marks
        if before:
            self._backend.call("confirm", self._client, self._epoch, before[-1][0], None)
        return own

    def claim(self) -> list[Mark]:
        """The marks that are parked for the present broker, oldest first.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: the backend cannot answer now.
        """
        client = f"{self._client}@{self._broker}"
        description = self._backend.call("describe") if self._backend.offers("describe") else None
        clients = description.get("clients") if isinstance(description, Mapping) else None
        if not isinstance(clients, Mapping) or client not in clients:
            return []
        reply = self._attach(client)
        marks = list(read_marks(self._backend.address, reply["window"]))
        if marks:
            self._claimed = reply["epoch"], marks[-1][0]
        return marks

    def release(self) -> None:
        """Make the session forget the claimed deliveries, once the broker is done with all of them.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: the backend cannot note it now.
        """
        if self._claimed is not None:
            epoch, last = self._claimed
            self._backend.call("confirm", f"{self._client}@{self._broker}", epoch, last, None)
            self._claimed = None

    def _park(self, client: str, marks: Sequence[Mark]) -> None:
        epoch = self._attach(client)["epoch"]
        for start in range(0, len(marks), _AT_ONCE):
            some = marks[start : start + _AT_ONCE]
            deliveries = [(f"{client}:{epoch}:{n}", *mark[1:]) for n, mark in enumerate(some, start)]
            self._backend.call(
                "events", [None] * len(some), {"client": client, "epoch": epoch, "deliveries": deliveries}
            )

    def _attach(self, client: str) -> Mapping[str, Any]:
        reply = self._backend.call("attach", client)
        if not isinstance(reply, Mapping) or not isinstance(reply.get("window"), list | tuple):
            raise BadReply(self._backend.address, "attach", "expected an object with `epoch` and `window`")
        return reply
