"""Carries what arrived to the backend, in order and in batches, and settles each message with what came of it."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from intuition_connector_mqtt.connection import EXCERPT, Connection
from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.link import CLIENT, BadReply, Link
from intuition_connector_mqtt.pace import Pace
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.reading import MAX_CALL, read_item
from intuition_connector_mqtt.topics import Topics
from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused, BadData

PORTFOLIO_PAUSE: Final = 1.0
"""Seconds between two looks at the account."""

_NOT_NOW: Final = {"StaleEpoch", "Busy", "Stopping"}
"""Refusals of the call rather than of what it carries: nothing was run, and it can be tried again."""

_RAN: Final = {"UnsendableAnswer", "InternalError"}
"""Refusals after which some or all of a batch has run: running it again would act twice."""

log = logging.getLogger(__name__)


class Carrier:
    """Carries between one connection and one backend, on the thread that owns both.

    Args:
        backend: where events go.
        link: what it said of itself.
        connection: where messages come from and records go.
        topics: the session's topics.
        pace: how many messages to deliver at once.
        max_batch: events that are delivered at once.
        max_payload: bytes above which a message is refused, and a record not published.
        negative_prices: let zero and negative prices pass.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        link: Link,
        connection: Connection,
        topics: Topics,
        pace: Pace,
        max_batch: int,
        max_payload: int,
        negative_prices: bool,
    ) -> None:
        self._backend = backend
        self._link = link
        self._connection = connection
        self._topics = topics
        self._max_batch = max_batch
        self._max_payload = max_payload
        self._negative_prices = negative_prices
        self._pace = pace
        self._portfolio_due = link.accounts
        self._portfolio_at = 0.0
        self.delivered = False
        """Whether the backend has answered a delivery."""

    @property
    def pause(self) -> float:
        """Seconds for which there is nothing to do unless something arrives."""
        if self._connection.inbox and not self._connection.congested:
            return 0.0
        if self._portfolio_due and self._connection.ready:
            return min(max(self._portfolio_at - time.monotonic(), 0.0), 1.0)
        return 1.0

    def step(self) -> None:
        """Deliver one batch of what has arrived, if anything has, and publish the account if it is time.

        Raises:
            BackendLost: there was no answer. Nothing was settled: the same messages are delivered again.
            BackendRefused: not now, or not us: a newer instance of this connector has attached, or the backend
                started anew. Nothing was settled.
            BadReply: the backend answered with something else than its records.
        """
        if self._connection.inbox and not self._connection.congested:
            batch = self._next_batch()
            try:
                self._deliver(batch)
            except BackendLost:
                self._pace.lost(len(batch))
                raise
        if self._portfolio_due and self._connection.ready and time.monotonic() >= self._portfolio_at:
            self._publish_portfolio()

    def _next_batch(self) -> list[Delivery]:
        batch: list[Delivery] = []
        events = size = 0
        # A backend that takes one event at a time is asked one message at a time, so that MQTT is not left waiting.
        limit = self._pace.limit if self._link.batches else 1
        for delivery in self._connection.inbox:
            if delivery.item is None and delivery.unreadable is None:
                self._read(delivery)
            if delivery.item is not None:
                events += len(delivery.item.events)
                size += delivery.item.size
                if batch and (events > self._max_batch or size > MAX_CALL):
                    break
            batch.append(delivery)
            if len(batch) >= limit:
                break
        return batch

    def _read(self, delivery: Delivery) -> None:
        if delivery.size > self._max_payload:
            delivery.unreadable = f"{delivery.size} bytes; at most {self._max_payload} are read"
            return
        try:
            delivery.item = read_item(
                delivery.topic, delivery.payload, self._link.channels, negative_prices=self._negative_prices
            )
        except BadData as error:
            delivery.unreadable = str(error)

    def _deliver(self, batch: list[Delivery]) -> None:
        readable = [delivery for delivery in batch if delivery.item is not None]
        if self._link.batches:
            replies = self._call_with_all(readable)
        else:
            replies = [self._call_with_each(delivery) for delivery in readable]
        answers = iter(replies)
        size = 0
        for delivery in batch:
            if delivery.unreadable is not None:
                publications = [self._dead(delivery, delivery.unreadable)]
            else:
                publications = self._publications(delivery, next(answers))
                size += sum(len(publication.payload) for publication in publications)
            self._connection.settle(delivery, publications)
        if readable:
            self._pace.answered(len(readable), size)

    def _call_with_all(self, deliveries: list[Delivery]) -> list[Any]:
        if not deliveries:
            return []
        items = [delivery.item.wire for delivery in deliveries if delivery.item is not None]
        try:
            replies = self._backend.call("events", items, self._options())
        except BackendRefused as error:
            if error.name in _NOT_NOW:
                raise
            if len(deliveries) > 1 and error.name not in _RAN:
                # It does not say which of them is to blame, so each goes alone.
                return [reply for delivery in deliveries for reply in self._call_with_all([delivery])]
            return [{"error": {"name": error.name, "message": error.problem}}] * len(deliveries)
        self.delivered = True
        if not isinstance(replies, list | tuple) or len(replies) != len(items):
            got = f"{len(replies)} entries" if isinstance(replies, list | tuple) else type(replies).__name__
            raise BadReply(self._backend.address, "events", f"expected {len(items)} entries, one per item, got {got}")
        return list(replies)

    def _call_with_each(self, delivery: Delivery) -> Any:
        records: list[Any] = []
        for event in delivery.item.events if delivery.item is not None else ():
            try:
                reply = self._backend.call("event", event)
            except BackendRefused as error:
                if error.name in _NOT_NOW:
                    raise
                records.append({"error": {"name": error.name, "message": error.problem}})
                continue
            self.delivered = True
            if isinstance(reply, list | tuple):
                records.extend(reply)
            elif reply is not None:
                records.append(reply)
        return records

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"client": CLIENT, "epoch": self._link.epoch}
        if self._link.confirms:
            options["published"] = self._connection.published
        return options

    def _publications(self, delivery: Delivery, reply: Any) -> list[Publication]:
        """Say what to publish: the records by their type, and the message as dead for each that is none."""
        if reply is None or reply == []:
            return []
        publications: list[Publication] = []
        for record in reply if isinstance(reply, list | tuple) else (reply,):
            try:
                publications.append(self._publication(record))
            except BadData as error:
                publications.append(self._dead(delivery, str(error)))
        return publications

    def _publication(self, record: Any) -> Publication:
        if isinstance(record, Mapping) and "type" not in record and isinstance(record.get("error"), Mapping):
            raise BadData(_refusal(record["error"]))
        topic = self._topics.of(record)
        try:
            payload = msgspec.json.encode(record)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadData(f"the backend answered with a record that cannot be written as JSON: {error}") from None
        if len(payload) > self._max_payload:
            raise BadData(
                f"the backend answered with a record of {len(payload)} bytes; at most {self._max_payload} are published"
            )
        if record.get("type") == "fill":
            self._portfolio_due = self._link.accounts
        identity = record.get("id")
        return Publication(topic, payload, record=identity if isinstance(identity, str) else None)

    def _dead(self, delivery: Delivery, reason: str) -> Publication:
        letter = {
            "reason": reason,
            "topic": delivery.topic,
            "payload": delivery.payload[:EXCERPT].decode("utf-8", "replace"),
            "size": delivery.size,
            "ts": time.time_ns(),
        }
        return Publication(self._topics.dead, msgspec.json.encode(_encodable(letter)))

    def _publish_portfolio(self) -> None:
        try:
            account = self._backend.call("account")
            self._connection.retain(Publication(self._topics.portfolio, msgspec.json.encode(account), retain=True))
        except (BackendRefused, TypeError, ValueError) as error:
            log.warning("the account is not published: %s", error)
        self._portfolio_due = False
        self._portfolio_at = time.monotonic() + PORTFOLIO_PAUSE


def _refusal(error: Mapping[str, Any]) -> str:
    name, message = error.get("name"), error.get("message")
    return ": ".join(str(part) for part in (name, message) if part) or "refused, without a reason"


def _encodable(letter: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what is no valid Unicode, which a foreign backend's message may hold."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in letter.items()
    }
