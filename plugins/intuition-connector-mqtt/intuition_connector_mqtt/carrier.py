"""Delivers messages to the backend, in order and in batches, and settles each with the records that it caused."""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from intuition_connector_mqtt.account_feed import AccountFeed
from intuition_connector_mqtt.backend_info import CLIENT, BackendInfo, BadReply
from intuition_connector_mqtt.batch_sizer import BatchSizer
from intuition_connector_mqtt.commands import COMMAND_CLIENT, read_command
from intuition_connector_mqtt.confirmations import Confirmations
from intuition_connector_mqtt.connection import Connection
from intuition_connector_mqtt.control_records import ControlRecords
from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.gaps import GapReports
from intuition_connector_mqtt.publications import Publications
from intuition_connector_mqtt.reading import MAX_CALL, Item, dates_itself, read_item
from intuition_connector_mqtt.sequence import Sequences
from intuition_connector_mqtt.topics import StrayTopic, Topics
from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused, BadData

MAX_RESENT: Final = 500
"""Records that are taken from the backend's outbox at once."""

_UNHEARD: Final = "Unheard"

_MARK_SIZE: Final = 128
"""Bytes that a delivery's mark takes beside its topic, at most."""

_NOT_NOW: Final = {"StaleEpoch", "Busy", "Stopping", "JournalFailed", "Halted", "HeadLost", "NotAllowed", _UNHEARD}
"""Refusals of the call rather than of its content: nothing was run, and it can be tried again."""

_UNSENDABLE: Final = "UnsendableAnswer"

_RAN: Final = {_UNSENDABLE, "InternalError"}
"""Refusals after which some or all of a batch has run: running it again would act twice."""

log = logging.getLogger(__name__)


class Carrier:
    """Carries between one connection and one backend, on the thread that owns both.

    Args:
        backend: where events go.
        info: its session and methods.
        connection: where messages come from and records go.
        topics: the session's topics.
        sequences: the numbers that sources gave to their messages so far.
        sizer: how many messages to deliver at once.
        max_batch: events that are delivered at once.
        max_payload: bytes above which a message is refused, and a record not published.
        negative_prices: let zero and negative prices pass.
        former: earlier channels, whose messages may still be on their way.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        info: BackendInfo,
        connection: Connection,
        topics: Topics,
        sequences: Sequences,
        sizer: BatchSizer,
        max_batch: int,
        max_payload: int,
        negative_prices: bool,
        former: Sequence[str] = (),
    ) -> None:
        self._backend = backend
        self._info = info
        self._connection = connection
        self._max_batch = max_batch
        self._max_payload = max_payload
        self._negative_prices = negative_prices
        self._former = former
        self._sizer = sizer
        self._publications = Publications(topics, max_payload)
        self._gaps = GapReports(sequences, topics.by_type["error"])
        self._confirmations = Confirmations(backend, info, connection)
        self._controls = ControlRecords(backend, info, connection.outbox, self._publications)
        self._resending = info.resends
        self._resend_limit = MAX_RESENT
        self._resent: Any = None
        self._account = AccountFeed(backend, topics, connection.outbox, whole=info.accounts, changes=info.changes)
        self.delivered = False
        """Whether the backend has answered a delivery."""
        self.head = info.head
        """What the backend told last of what it has committed; None where it tells nothing."""

    @property
    def outdated(self) -> bool:
        """Whether parts were swapped since the backend was attached to, and all publications are acknowledged.

        The backend is to be attached to anew, for its channels may be others. Nothing is delivered until then.
        """
        return self._controls.swapped and self._connection.open and self._connection.outbox.drained

    @property
    def pause(self) -> float:
        """Seconds for which there is nothing to do unless something arrives."""
        connection = self._connection
        if connection.unsubscribed or connection.command is not None:
            return 0.0
        now = time.monotonic()
        controls = max(self._controls.due_at - now, 0.0) if self._info.hears else 1.0
        if self._resending or self._controls.swapped:
            return 0.0 if connection.open and connection.outbox.drained else min(controls, 1.0)
        if connection.inbox and not connection.outbox.congested:
            return 0.0
        due = [1.0, controls]
        if connection.ready:
            due.append(self._account_due_at - now)
        if self._confirmations.due_at is not None:
            due.append(self._confirmations.due_at - now)
        return max(min(due), 0.0)

    def step(self) -> None:
        """Deliver one batch, if messages have arrived, and publish the account if it is time.

        A command goes before all that. Before the first batch, the records that the backend has from earlier and nobody
        has confirmed are published.

        Raises:
            BackendLost: there was no answer. Nothing was settled: the same messages are delivered again.
            BackendRefused: the backend refuses for now, or refuses this connector: a newer instance has attached, or
                the backend started anew. Nothing was settled.
            BadReply: the backend answered with something else than its records.
        """
        connection = self._connection
        if connection.unsubscribed:
            # The packet ids of a broker that begins anew begin anew, too: the backend must have forgotten the old ones.
            self.confirm()
        if connection.command is not None:
            self._obey(connection.command)
        elif self._info.hears and time.monotonic() >= self._controls.due_at:
            self._publish_control_records()
        if self._resending:
            self._resend()
        elif connection.inbox and not connection.outbox.congested and not self._controls.swapped:
            batch = self._next_batch()
            try:
                self._deliver(batch)
            except BackendLost:
                self._sizer.lost(len(batch))
                raise
            except BackendRefused as error:
                if error.name != _UNHEARD:
                    raise
                self._publish_control_records()
        else:
            self._confirmations.send_when_idle()
        if connection.ready and time.monotonic() >= self._account_due_at:
            self._account.publish()

    def confirm(self) -> None:
        """Confirm to the backend what was settled and published since the last confirmation.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: it cannot note it now.
        """
        self._confirmations.send()

    @property
    def _account_due_at(self) -> float:
        if self._publications.account_changed:
            self._publications.account_changed, self._account.changed = False, True
        return self._account.due_at

    def _resend(self) -> None:
        connection = self._connection
        if not connection.open or not connection.outbox.drained:
            return
        self.confirm()
        try:
            records = self._backend.call("outbox", CLIENT, self._info.epoch, self._resend_limit)
        except BackendRefused as error:
            if error.name != _UNSENDABLE:
                raise
            self._resending = self._resend_limit > 1
            self._resend_limit = max(1, self._resend_limit // 4)
            if not self._resending:
                log.warning("a record is too large for the way from the backend, and is not published: %s", error)
            return
        if not isinstance(records, list | tuple):
            raise BadReply(self._backend.address, "outbox", f"expected records, got {type(records).__name__}")
        if records and records == self._resent:
            raise BadReply(self._backend.address, "outbox", "it gives again what was confirmed as published")
        self._resent = records
        self._resending = bool(records)
        if records:
            log.info("publishing %d records that nobody has confirmed", len(records))
            self._controls.note_outbox(list(records))
        connection.outbox.add([self._publications.of(record) for record in records])

    def _obey(self, delivery: Delivery) -> None:
        """Pass a command to the backend, and publish the records that it causes."""
        if not self._info.obeys:
            problem = (
                f"the backend at {self._backend.address} has no `control`, and so no kill switch to be reached here"
            )
            self._refuse(delivery, problem)
            return
        try:
            command = read_command(delivery, self._max_payload)
        except BadData as error:
            self._refuse(delivery, str(error))
            return
        options = {"client": COMMAND_CLIENT, "epoch": self._info.command_epoch, "deliveries": [delivery.mark]}
        try:
            records = self._backend.call(
                "control", command, *([options] if self._info.command_epoch is not None else [])
            )
        except BackendRefused as error:
            if error.name in _NOT_NOW:
                raise
            if error.name != _UNSENDABLE or not self._info.hears:
                self._refuse(delivery, f"{error.name}: {error.problem}")
                return
            records = ()  # it was done, and its records are asked for in parts
        self.delivered = True
        if self._info.hears:
            publications = self._controls.fetch(resending=self._resending)
        else:
            publications = self._publications.of_reply(records, delivery)
        self._connection.settle(delivery, publications)

    def _refuse(self, delivery: Delivery, problem: str) -> None:
        self._connection.settle(delivery, [self._publications.dead(delivery, problem)])

    def _publish_control_records(self) -> None:
        self._connection.outbox.add(self._controls.fetch(resending=self._resending))

    def _next_batch(self) -> list[Delivery]:
        batch: list[Delivery] = []
        events = size = 0
        # A backend that takes one event at a time is asked one message at a time, so that MQTT is not left waiting.
        limit = self._sizer.limit if self._info.batches else 1
        for delivery in self._connection.inbox:
            if delivery.item is None and delivery.unreadable is None:
                self._read(delivery)
            if self._info.durable:
                size += len(delivery.topic) + _MARK_SIZE
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
        if delivery.retained and not dates_itself(delivery.payload, delivery.properties):
            delivery.unreadable = "retained by the broker since an unknown time; a retained message needs `ts` or `id`"
            return
        try:
            delivery.item = self._item(delivery)
        except BadData as error:
            delivery.unreadable = str(error)

    def _item(self, delivery: Delivery) -> Item:
        read = partial(
            read_item,
            delivery.topic,
            delivery.payload,
            properties=delivery.properties,
            negative_prices=self._negative_prices,
        )
        try:
            return read(self._info.channels)
        except StrayTopic as stray:
            self._connection.forget(delivery.topic)
            try:
                return read(self._former)
            except StrayTopic:
                raise stray from None

    def _deliver(self, batch: list[Delivery]) -> None:
        # An unreadable message goes along as nothing: the session notes every delivery that the broker may send again.
        sent = batch if self._info.durable else [delivery for delivery in batch if delivery.item is not None]
        began = time.monotonic()
        if self._info.batches:
            replies = self._call_with_all(sent)
            if replies is None:
                # It ran and is kept: its records are fetched as the backend can send them, then it is delivered again.
                self._resending = self._info.resends
                self._sizer.lost(len(batch))
                return
        else:
            replies = [self._call_with_each(delivery) for delivery in sent]
        seconds = time.monotonic() - began
        answers = dict(zip(sent, replies, strict=True))
        size = 0
        for delivery in batch:
            if delivery.unreadable is not None:
                publications = [self._publications.dead(delivery, delivery.unreadable)]
            else:
                publications = self._gaps.of(delivery)
                publications += self._publications.of_reply(answers[delivery], delivery)
                size += sum(len(publication.payload) for publication in publications)
            self._connection.settle(delivery, publications)
        if self._info.hears:
            self._controls.note_replies(replies)
        if sent:
            self._sizer.answered(len(sent), size, seconds)

    def _call_with_all(self, deliveries: list[Delivery]) -> list[Any] | None:
        """The answers to deliveries, one for each; None if they ran and their records are to be fetched."""
        if not deliveries:
            return []
        items = [None if delivery.item is None else delivery.item.wire for delivery in deliveries]
        try:
            replies = self._call_events(items, deliveries)
        except BackendRefused as error:
            if error.name in _NOT_NOW:
                raise
            if self._info.durable and error.name in _RAN and len(deliveries) > 1:
                return None
            if len(deliveries) > 1 and error.name not in _RAN:
                # It does not say which of them is to blame, so each goes alone.
                return [reply for delivery in deliveries for reply in self._call_with_all([delivery]) or ()]
            if self._info.durable and error.name not in _RAN and items != [None]:
                self._call_events([None], deliveries)
            return [{"error": {"name": error.name, "message": error.problem}}] * len(deliveries)
        self.delivered = True
        if not isinstance(replies, list | tuple) or len(replies) != len(items):
            got = f"{len(replies)} entries" if isinstance(replies, list | tuple) else type(replies).__name__
            raise BadReply(self._backend.address, "events", f"expected {len(items)} entries, one per item, got {got}")
        return list(replies)

    def _call_events(self, items: list[Any], deliveries: list[Delivery]) -> Any:
        options: dict[str, Any] = {"client": CLIENT, "epoch": self._info.epoch}
        if not self._info.durable:
            return self._backend.call("events", items, options)
        options["deliveries"] = [delivery.mark for delivery in deliveries]
        confirmed = self._confirmations.add_to(options)
        if self._info.hears:
            options["heard"] = self._controls.last
        if self.head is not None:
            options["head"] = self.head
        replies = self._backend.call("events", items, options)
        if self.head is not None and isinstance(replies, Mapping):
            self.head, replies = replies.get("head", self.head), replies.get("replies")
        self._confirmations.sent(confirmed)
        self._controls.postpone()
        return replies

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
