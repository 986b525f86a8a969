"""Carries what arrived to the backend, in order and in batches, and settles each message with what came of it."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from intuition_connector_mqtt.commands import COMMAND_CLIENT
from intuition_connector_mqtt.connection import Connection
from intuition_connector_mqtt.delivery import EXCERPT, Delivery
from intuition_connector_mqtt.link import CLIENT, BadReply, Link
from intuition_connector_mqtt.pace import Pace
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.reading import MAX_CALL, Item, read_item
from intuition_connector_mqtt.sequence import Gap, Sequences
from intuition_connector_mqtt.topics import StrayTopic, Topics
from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused, BadData
from intuition_core.trading.records import record_key

PORTFOLIO_PAUSE: Final = 1.0
"""Seconds between two looks at the account."""

DEAD_PAUSE: Final = 1.0
"""Seconds between two lines about dead messages."""

GAP_PAUSE: Final = 1.0
"""Seconds between two lines about missing numbers; each gap is published as an error all the same."""

CONFIRM_PAUSE: Final = 0.2
"""Seconds without deliveries after which the backend is told what was passed on."""

HEAR_PAUSE: Final = 0.25
"""Seconds without deliveries after which the backend is asked what was decided with the kill switch meanwhile."""

_UNHEARD: Final = "Unheard"

MAX_RESENT: Final = 500
"""Records that are taken from the backend's outbox at once."""

_MARK_SIZE: Final = 96
"""Bytes that a delivery's mark takes beside its topic, at most."""

_NOT_NOW: Final = {"StaleEpoch", "Busy", "Stopping", "JournalFailed", "Halted", "NotAllowed", _UNHEARD}
"""Refusals of the call rather than of what it carries: nothing was run, and it can be tried again."""

_UNSENDABLE: Final = "UnsendableAnswer"

_RAN: Final = {_UNSENDABLE, "InternalError"}
"""Refusals after which some or all of a batch has run: running it again would act twice."""

log = logging.getLogger(__name__)


class Carrier:
    """Carries between one connection and one backend, on the thread that owns both.

    Args:
        backend: where events go.
        link: what it said of itself.
        connection: where messages come from and records go.
        topics: the session's topics.
        sequences: the numbers that sources gave to their messages so far.
        pace: how many messages to deliver at once.
        max_batch: events that are delivered at once.
        max_payload: bytes above which a message is refused, and a record not published.
        negative_prices: let zero and negative prices pass.
        former: channels that were wanted before, whose messages may still be on their way.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        link: Link,
        connection: Connection,
        topics: Topics,
        sequences: Sequences,
        pace: Pace,
        max_batch: int,
        max_payload: int,
        negative_prices: bool,
        former: Sequence[str] = (),
    ) -> None:
        self._backend = backend
        self._link = link
        self._connection = connection
        self._topics = topics
        self._max_batch = max_batch
        self._max_payload = max_payload
        self._negative_prices = negative_prices
        self._former = former
        self._swapped = False
        self._sequences = sequences
        self._pace = pace
        self._resending = link.resends
        self._resend_limit = MAX_RESENT
        self._resent: Any = None
        self._told: tuple[str | None, str | None] = (None, link.published)
        self._commands_told: str | None = None
        self._tell_at: float | None = None
        self._heard = link.published
        self._hear_at = 0.0
        self._newest: tuple[int, int] = (0, 0)  # the last record that a delivery brought
        self._taking: tuple[int, bool, set[str]] = (0, False, set())
        self._portfolio_due = link.accounts
        self._portfolio_at = 0.0
        self._dead_untold = 0
        self._dead_told_at = -DEAD_PAUSE
        self._gaps_untold = 0
        self._gap_told_at = -GAP_PAUSE
        self.delivered = False
        """Whether the backend has answered a delivery."""

    @property
    def outdated(self) -> bool:
        """Whether parts were swapped since the backend was attached to, and all that was published is acknowledged.

        What it says of itself, and which channels it wants, is to be asked anew. Nothing is delivered until then.
        """
        return self._swapped and self._connection.open and self._connection.drained

    @property
    def pause(self) -> float:
        """Seconds for which there is nothing to do unless something arrives."""
        connection = self._connection
        if connection.unsubscribed or connection.command is not None:
            return 0.0
        hear = max(self._hear_at - time.monotonic(), 0.0) if self._link.hears else 1.0
        if self._resending or self._swapped:
            return 0.0 if connection.open and connection.drained else min(hear, 1.0)
        if connection.inbox and not connection.congested:
            return 0.0
        due = [1.0, hear]
        if self._portfolio_due and connection.ready:
            due.append(self._portfolio_at - time.monotonic())
        if self._tell_at is not None:
            due.append(self._tell_at - time.monotonic())
        return max(min(due), 0.0)

    def step(self) -> None:
        """Deliver one batch of what has arrived, if anything has, and publish the account if it is time.

        A command goes before all that. Before the first batch, the records that the backend has from earlier and nobody
        has confirmed are published.

        Raises:
            BackendLost: there was no answer. Nothing was settled: the same messages are delivered again.
            BackendRefused: not now, or not us: a newer instance of this connector has attached, or the backend
                started anew. Nothing was settled.
            BadReply: the backend answered with something else than its records.
        """
        if self._connection.unsubscribed:
            # The packet ids of a broker that begins anew begin anew, too: the backend must have forgotten the old ones.
            self.tell()
        if self._connection.command is not None:
            self._obey(self._connection.command)
        elif self._link.hears and time.monotonic() >= self._hear_at:
            self._connection.send(self._hear())
        if self._resending:
            self._resend()
        elif self._connection.inbox and not self._connection.congested and not self._swapped:
            batch = self._next_batch()
            try:
                self._deliver(batch)
            except BackendLost:
                self._pace.lost(len(batch))
                raise
            except BackendRefused as error:
                if error.name != _UNHEARD:
                    raise
                self._connection.send(self._hear())
        else:
            self._tell_when_idle()
        if self._portfolio_due and self._connection.ready and time.monotonic() >= self._portfolio_at:
            self._publish_portfolio()

    def tell(self) -> None:
        """Tell the backend what was passed on since it was told last.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: it cannot note it now.
        """
        passed_on = self._passed_on()
        if passed_on != self._told:
            self._backend.call("confirm", CLIENT, self._link.epoch, *passed_on)
            self._told = passed_on
        settled = self._commands_settled()
        if settled != self._commands_told:
            self._backend.call("confirm", COMMAND_CLIENT, self._link.command_epoch, settled, None)
            self._commands_told = settled
        self._tell_at = None

    def _passed_on(self) -> tuple[str | None, str | None]:
        if not self._link.durable:
            return self._told
        return self._connection.window.settled, self._connection.published

    def _commands_settled(self) -> str | None:
        taken = self._connection.commands
        return taken.window.settled if taken is not None and self._link.command_epoch is not None else None

    def _tell_when_idle(self) -> None:
        if self._tell_at is not None:
            if time.monotonic() >= self._tell_at:
                self.tell()
        elif self._passed_on() != self._told or self._commands_settled() != self._commands_told:
            self._tell_at = time.monotonic() + CONFIRM_PAUSE

    def _resend(self) -> None:
        connection = self._connection
        if not connection.open or not connection.drained:
            return
        self.tell()
        try:
            records = self._backend.call("outbox", CLIENT, self._link.epoch, self._resend_limit)
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
            self._has_heard(records[-1])
            self._note_swaps(records)
        connection.send([self._record(record, None) for record in records])

    def _obey(self, delivery: Delivery) -> None:
        """Have a command done, and publish what came of it."""
        if not self._link.obeys:
            problem = (
                f"the backend at {self._backend.address} has no `control`, and so no kill switch to be reached here"
            )
            self._connection.settle(delivery, [self._dead(delivery, problem)])
            return
        try:
            command = _read_command(delivery, self._max_payload)
        except BadData as error:
            self._connection.settle(delivery, [self._dead(delivery, str(error))])
            return
        options = {"client": COMMAND_CLIENT, "epoch": self._link.command_epoch, "deliveries": [delivery.mark]}
        try:
            records = self._backend.call(
                "control", command, *([options] if self._link.command_epoch is not None else [])
            )
        except BackendRefused as error:
            if error.name in _NOT_NOW:
                raise
            if error.name != _UNSENDABLE or not self._link.hears:
                self._connection.settle(delivery, [self._dead(delivery, f"{error.name}: {error.problem}")])
                return
            records = ()  # it was done, and what came of it is asked for in parts
        self.delivered = True
        publications = self._hear() if self._link.hears else self._publications(delivery, records)
        self._connection.settle(delivery, publications)

    def _hear(self) -> list[Publication]:
        """Ask what was decided with the kill switch and the shares since, and say what to publish of it.

        Nothing that a kill has taken back is published from here on, and before all that waits goes the news itself.
        While the outbox is published, all of it is in there, too, in its place.
        """
        publications: list[Publication] = []
        while True:
            records = self._backend.call("controls", self._heard)
            self._hear_at = time.monotonic() + HEAR_PAUSE
            if not isinstance(records, list | tuple) or not all(isinstance(record, Mapping) for record in records):
                raise BadReply(self._backend.address, "controls", "expected records")
            if not records:
                return publications
            self._note_swaps(records)
            cancelled = self._taken_back(records)
            self._connection.withhold(cancelled)
            self._connection.alert([self._record(each, None) for each in records if each.get("type") == "control"])
            if not self._resending:
                # Those that a delivery caused have come with it.
                fresh = [record for record in records if self._place(record) > self._newest]
                publications += [self._record(record, None) for record in fresh]
            before, self._heard = self._heard, _id_of(records[-1])
            if self._place(records[-1]) <= ((0, 0) if before is None else record_key(before)):
                raise BadReply(self._backend.address, "controls", "it gives again what was heard")

    def _taken_back(self, records: Iterable[Any]) -> set[str]:
        """Give the decisions that the kill switch has taken back.

        Rejections of an event without a control record are those of a timer that the clock told: what they replace or
        refuse is published like all else. The records of one event may come in several answers.
        """
        taken: set[str] = set()
        seq, switched, causes = self._taking
        for record in records:
            if (place := self._place(record)[0]) != seq:
                seq, switched, causes = place, False, set()
            if record.get("type") == "rejection":
                causes.add(str(record.get("cause")))
            switched = switched or record.get("type") == "control"
            if switched:
                taken |= causes
        self._taking = seq, switched, causes
        return taken

    def _note_swaps(self, records: Iterable[Any]) -> None:
        """Take note of parts that were swapped after the backend was attached to."""
        last = self._link.last_seq
        if last is not None and not self._swapped:
            swaps = (record for record in records if isinstance(record, Mapping) and record.get("action") == "swap")
            self._swapped = any(record.get("type") == "control" and self._place(record)[0] > last for record in swaps)

    def _place(self, record: Any) -> tuple[int, int]:
        try:
            return record_key(_id_of(record) or "")
        except ValueError:
            raise BadReply(self._backend.address, "controls", "a record without an id such as `session:1:0`") from None

    def _has_heard(self, record: Any) -> None:
        """Take note of the last of some records, among which were those of all control events before it."""
        if self._link.hears and (self._heard is None or self._place(record) > record_key(self._heard)):
            self._heard = _id_of(record)

    def _next_batch(self) -> list[Delivery]:
        batch: list[Delivery] = []
        events = size = 0
        # A backend that takes one event at a time is asked one message at a time, so that MQTT is not left waiting.
        limit = self._pace.limit if self._link.batches else 1
        for delivery in self._connection.inbox:
            if delivery.item is None and delivery.unreadable is None:
                self._read(delivery)
            if self._link.durable:
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
            return read(self._link.channels)
        except StrayTopic as stray:
            self._connection.forget(delivery.topic)
            try:
                return read(self._former)
            except StrayTopic:
                raise stray from None

    def _deliver(self, batch: list[Delivery]) -> None:
        # What cannot be read goes along as nothing, so that the session has noted all that the broker may send again.
        sent = batch if self._link.durable else [delivery for delivery in batch if delivery.item is not None]
        if self._link.batches:
            replies = self._call_with_all(sent)
            if replies is None:
                # It ran and is kept: its records are fetched as the backend can send them, then it is delivered again.
                self._resending = self._link.resends
                self._pace.lost(len(batch))
                return
        else:
            replies = [self._call_with_each(delivery) for delivery in sent]
        answers = dict(zip(sent, replies, strict=True))
        size = 0
        for delivery in batch:
            if delivery.unreadable is not None:
                publications = [self._dead(delivery, delivery.unreadable)]
            else:
                publications = self._gaps(delivery)
                publications += self._publications(delivery, answers[delivery])
                size += sum(len(publication.payload) for publication in publications)
            self._connection.settle(delivery, publications)
        if self._link.hears:
            self._note_newest(replies)
        if sent:
            self._pace.answered(len(sent), size)

    def _note_newest(self, replies: list[Any]) -> None:
        for reply in reversed(replies):
            if isinstance(reply, list | tuple) and reply:
                self._newest = max(self._newest, self._place(reply[-1]))
                return

    def _call_with_all(self, deliveries: list[Delivery]) -> list[Any] | None:
        if not deliveries:
            return []
        items = [None if delivery.item is None else delivery.item.wire for delivery in deliveries]
        try:
            replies = self._call_events(items, deliveries)
        except BackendRefused as error:
            if error.name in _NOT_NOW:
                raise
            if self._link.durable and error.name in _RAN and len(deliveries) > 1:
                return None
            if len(deliveries) > 1 and error.name not in _RAN:
                # It does not say which of them is to blame, so each goes alone.
                return [reply for delivery in deliveries for reply in self._call_with_all([delivery]) or ()]
            if self._link.durable and error.name not in _RAN and items != [None]:
                self._call_events([None], deliveries)
            return [{"error": {"name": error.name, "message": error.problem}}] * len(deliveries)
        self.delivered = True
        if not isinstance(replies, list | tuple) or len(replies) != len(items):
            got = f"{len(replies)} entries" if isinstance(replies, list | tuple) else type(replies).__name__
            raise BadReply(self._backend.address, "events", f"expected {len(items)} entries, one per item, got {got}")
        return list(replies)

    def _call_events(self, items: list[Any], deliveries: list[Delivery]) -> Any:
        options: dict[str, Any] = {"client": CLIENT, "epoch": self._link.epoch}
        if not self._link.durable:
            return self._backend.call("events", items, options)
        options["deliveries"] = [delivery.mark for delivery in deliveries]
        passed_on = self._passed_on()
        if passed_on != self._told:
            options["acked"], options["published"] = passed_on
        if self._link.hears:
            options["heard"] = self._heard
        replies = self._backend.call("events", items, options)
        self._told = passed_on
        self._tell_at = None
        self._hear_at = time.monotonic() + HEAR_PAUSE
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

    def _publications(self, delivery: Delivery, reply: Any) -> list[Publication]:
        """Say what to publish: the records by their type, and the message as dead for each that is none."""
        if reply is None or reply == []:
            return []
        return [self._record(record, delivery) for record in (reply if isinstance(reply, list | tuple) else (reply,))]

    def _record(self, record: Any, delivery: Delivery | None) -> Publication:
        """Say what to publish on account of a record; if it cannot be, it counts as published nevertheless."""
        try:
            return self._publication(record)
        except BadData as error:
            return self._dead(delivery, str(error))._replace(record=_id_of(record))

    def _gaps(self, delivery: Delivery) -> list[Publication]:
        """Report the numbers that the source of a message has left out."""
        gaps: list[Publication] = []
        for event in delivery.item.events if delivery.item is not None else ():
            number, source = event.get("seq"), event.get("source")
            if type(number) is not int or not (source is None or isinstance(source, str)):
                continue
            expected = self._sequences.follow(delivery.topic, source, number)
            if expected is None:
                continue
            if number < expected:
                log.debug("number %d of %s on %s came again or late", number, source, delivery.topic)
                continue
            gap = Gap(delivery.topic, source, expected, number, time.time_ns())
            self._tell_gap(gap)
            gaps.append(Publication(self._topics.by_type["error"], msgspec.json.encode(gap)))
        return gaps

    def _tell_gap(self, gap: Gap) -> None:
        """Say what is missing, once a second at most, with how many gaps there were meanwhile."""
        self._gaps_untold += 1
        now = time.monotonic()
        if now - self._gap_told_at < GAP_PAUSE:
            return
        others = f", and {self._gaps_untold - 1} other gaps" if self._gaps_untold > 1 else ""
        log.warning(
            "%s on %s%s: expected number %d, got %d", gap.source or "a source", gap.topic, others, gap.expected, gap.got
        )
        self._gaps_untold, self._gap_told_at = 0, now

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
        if record.get("type") in ("decision", "fill"):
            self._portfolio_due = self._link.accounts
        return Publication(topic, payload, record=_id_of(record))

    def _dead(self, delivery: Delivery | None, reason: str) -> Publication:
        letter: dict[str, Any] = {"reason": reason, "ts": time.time_ns()}
        if delivery is not None:
            letter["topic"] = delivery.topic
            letter["payload"] = delivery.payload[:EXCERPT].decode("utf-8", "replace")
            letter["size"] = delivery.size
        letter = _encodable(letter)
        self._tell_dead(letter.get("topic"), letter["reason"])
        return Publication(self._topics.dead, msgspec.json.encode(letter))

    def _tell_dead(self, topic: str | None, reason: str) -> None:
        """Say why a message went to `dead`, once a second at most, with how many did so meanwhile."""
        self._dead_untold += 1
        now = time.monotonic()
        if now - self._dead_told_at < DEAD_PAUSE:
            return
        others = f", and {self._dead_untold - 1} others" if self._dead_untold > 1 else ""
        log.warning("a message on %s%s went to %s: %s", topic, others, self._topics.dead, reason)
        self._dead_untold, self._dead_told_at = 0, now

    def _publish_portfolio(self) -> None:
        try:
            account = self._backend.call("account")
            self._connection.retain(Publication(self._topics.portfolio, msgspec.json.encode(account), retain=True))
        except (BackendRefused, TypeError, ValueError) as error:
            log.warning("the account is not published: %s", error)
        self._portfolio_due = False
        self._portfolio_at = time.monotonic() + PORTFOLIO_PAUSE


def _read_command(delivery: Delivery, max_payload: int) -> dict[str, Any]:
    """Read a command.

    Raises:
        BadData: it is none.
    """
    if delivery.retained:
        raise BadData("a retained command would come again at each start; publish it without the retain flag")
    if delivery.size > max_payload:
        raise BadData(f"{delivery.size} bytes; at most {max_payload} are read")
    try:
        command = msgspec.json.decode(delivery.payload)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadData(f"no JSON: {error}") from None
    except RecursionError:
        raise BadData("nested too deeply") from None
    if not isinstance(command, dict):
        raise BadData(f'expected an object such as {{"action": "kill", "reason": "…"}}, got {type(command).__name__}')
    return command


def _id_of(record: Any) -> str | None:
    identity = record.get("id") if isinstance(record, Mapping) else None
    return identity if isinstance(identity, str) else None


def _refusal(error: Mapping[str, Any]) -> str:
    name, message = error.get("name"), error.get("message")
    return ": ".join(str(part) for part in (name, message) if part) or "refused, without a reason"


def _encodable(letter: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what is no valid Unicode, which a foreign backend's message may hold."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in letter.items()
    }
