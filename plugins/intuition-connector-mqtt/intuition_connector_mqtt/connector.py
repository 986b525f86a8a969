"""The connector: from MQTT topics to a backend, and from its records to MQTT topics."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex
from ssl import SSLContext
from typing import Final

import msgspec

from intuition_connector_mqtt.address import DEFAULT_URL, Address, parse_address
from intuition_connector_mqtt.backend_info import CLIENT, BackendInfo, attach, check_replaced
from intuition_connector_mqtt.batch_sizer import BatchSizer
from intuition_connector_mqtt.carrier import Carrier
from intuition_connector_mqtt.commands import COMMAND_CLIENT, Commands
from intuition_connector_mqtt.connection import Connection
from intuition_connector_mqtt.errors import Replaced
from intuition_connector_mqtt.parameters import MqttParams, access
from intuition_connector_mqtt.parking import Parking, broker_id
from intuition_connector_mqtt.presence import Presence, own_version
from intuition_connector_mqtt.sequence import Sequences
from intuition_connector_mqtt.socket_pair import Endpoint
from intuition_connector_mqtt.topics import BOOKING, Topics, is_name, subscriptions
from intuition_connector_mqtt.waker import Waker
from intuition_connector_mqtt.window import Mark, Window
from intuition_core.connections import Backoff
from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused, BadParameter

PART: Final = "connector mqtt"
_STUCK: Final = "JournalFailed"

log = logging.getLogger(__name__)


class Mqtt:
    """Carries quotes from an MQTT broker to a backend, and its decisions back.

    Everything happens on the thread that calls `run`: one loop turns the connection to the broker and calls the
    backend. A call to the backend that takes longer than one and a half times ``keepalive`` costs the connection.
    """

    Params = MqttParams

    def __init__(self) -> None:
        self._params = MqttParams()
        self._address: Address = parse_address(DEFAULT_URL)
        self._tls: SSLContext | None = None
        self._waker: Waker | None = None
        self._stopping = False
        self._connection: Connection | None = None
        self._info: BackendInfo | None = None
        self._former: tuple[str, ...] = ()  # channels that the session wanted earlier
        self._parkings: list[tuple[Window, Parking]] = []  # what came from this broker before it was left once
        self._sequences = Sequences()
        self._stuck = False
        self._head: str | None = None  # what the backend told last of what it has committed

    def initialize(self, params: MqttParams) -> None:
        """Read the address, the credentials and the files that they name; nothing is connected yet.

        Raises:
            BadParameter: one of them cannot be used.
        """
        if params.name is not None and not is_name(params.name):
            raise BadParameter(PART, "name", f"expected letters, digits, `.`, `_` and `-`, got {params.name!r}")
        self._address, self._tls = access(PART, params)
        self._params = params
        self._stopping = False

    def run(self, backend: Backend) -> None:
        """Carry events to the backend and its records to the broker until `stop` is called.

        It waits for a broker or a backend that goes away, and delivers again what was not acknowledged.

        Raises:
            BrokerRefused: the broker does not let us in.
            PublishRefused: the broker does not take what we publish.
            SubscribeRefused: the broker does not let us listen.
            SessionTaken: another connector uses the same session at the broker.
            Replaced: another connector has attached to the backend's session.
            BadReply: the backend answers with what cannot be used.
        """
        waker = self._waker = Waker()
        backoff = Backoff(spread=0.5)
        sizer = BatchSizer(self._params.max_batch)
        announce = True
        try:
            while not self._stopping and (error := self._serve(backend, waker, sizer, backoff)) is not None:
                backend.close()
                wait = backoff.next()
                stuck = isinstance(error, BackendRefused) and error.name == _STUCK
                # A full disk is told of once, and not at each attempt.
                level = logging.DEBUG if stuck and self._stuck else logging.WARNING
                self._stuck = stuck
                log.log(level, "%s; retrying in %.1f s", error, wait)
                self._wait(wait, waker)
        except Replaced:
            announce = False  # the session goes on, with the other
            raise
        finally:
            if self._connection is not None:
                self._connection.close(announce=announce)
                self._connection = None
            self._waker = None
            waker.close()

    def _serve(
        self, backend: Backend, waker: Waker, sizer: BatchSizer, backoff: Backoff
    ) -> BackendLost | BackendRefused | None:
        """Attach and carry until `stop` is called: None; or the error after which to try again."""
        info: BackendInfo | None = None
        try:
            while not self._stopping:
                info = self._attach(backend)
                self._carry(backend, info, self._connected(backend, info, waker), sizer, backoff)
        except BackendLost as error:
            return error
        except BackendRefused as error:
            if error.name == "StaleEpoch" and info is not None:
                try:
                    check_replaced(backend, info)
                except BackendLost as lost:
                    return lost
            # Otherwise it is not ready to be attached to, or began anew and no longer knows us.
            return error
        else:
            return None

    def stop(self) -> None:
        """End `run` soon, from a signal handler or another thread: the batch in hand is finished first."""
        self._stopping = True
        waker = self._waker
        if waker is not None:
            waker.wake()

    def _attach(self, backend: Backend) -> BackendInfo:
        info = attach(backend, name=self._params.name, control=self._params.control, head=self._head)
        left_out = {channel for channel in BOOKING if not getattr(self._params, channel)}
        return msgspec.structs.replace(info, channels=tuple(each for each in info.channels if each not in left_out))

    def _connected(self, backend: Backend, info: BackendInfo, waker: Waker) -> Connection:
        """The connection to the topics of this session, a new one if there is none."""
        connection, earlier = self._connection, self._info
        same = earlier is not None and info.session == earlier.session
        self._former = tuple(dict.fromkeys((*earlier.channels, *self._former))) if earlier is not None and same else ()
        topics = Topics(info.session, messages=self._params.messages)
        filters = subscriptions(info.channels)
        description = {
            "name": info.session,
            "version": own_version(),
            "channels": info.channels,
            "topics": topics.summary(),
            "backend": info.summary,
        }
        if connection is not None and earlier is not None:
            if same and info.follows(earlier):
                connection.window.epoch = info.epoch or 0
                if connection.commands is not None:
                    connection.commands.window.epoch = info.command_epoch or 0
                connection.listen(filters, description)
                if info.channels != earlier.channels:
                    log.info("session %s: from %s now", info.session, ", ".join(filters))
            else:
                # What is in hand may have been delivered by another connector in the meantime: begin with what the
                # backend knows. The broker sends again what was not acknowledged.
                connection.close(announce=not same)
                self._connection = None
        if self._connection is None:
            self._parkings = []
            self._connection = Connection(
                endpoint=self._endpoint(info.session, self._address, self._tls),
                renewed=lambda: self._endpoint(info.session, *access(PART, self._params)),
                filters=filters,
                presence=Presence(topics, description),
                window=self._window(backend, CLIENT, info.epoch, info.window, durable=info.durable),
                topics=topics,
                waker=waker,
                max_payload=self._params.max_payload,
                commands=self._commands(backend, info, topics),
            )
            self._connection.outbox.published = info.published
            log.info("session %s: from %s to %s", info.session, ", ".join(filters), topics.root)
        self._info = info
        return self._connection

    def _endpoint(self, session: str, address: Address, tls: SSLContext | None) -> Endpoint:
        return Endpoint(
            address=address,
            tls=tls,
            client_id=f"intuition-{session}-mqtt",
            keepalive=self._params.keepalive,
            expiry=self._params.expiry,
        )

    def _window(
        self, backend: Backend, client: str, epoch: int | None, marks: Sequence[Mark], *, durable: bool
    ) -> Window:
        """The open deliveries of a client at this broker; those of other brokers stay parked at the session."""
        broker = broker_id(self._address)
        tag = f"{broker}:{token_hex(8)}"
        if not durable or epoch is None:
            return Window(client, epoch or 0, tag=tag)
        parking = Parking(backend, client, epoch, broker)
        window = Window(client, epoch, parking.sort_out(marks), parked=parking.claim(), tag=tag)
        self._parkings.append((window, parking))
        return window

    def _commands(self, backend: Backend, info: BackendInfo, topics: Topics) -> Commands | None:
        if not self._params.control:
            return None
        durable = info.durable and info.obeys
        window = self._window(backend, COMMAND_CLIENT, info.command_epoch, info.command_window, durable=durable)
        return Commands(topics.command, window=window, probe=topics.probe)

    def _carry(
        self, backend: Backend, info: BackendInfo, connection: Connection, sizer: BatchSizer, backoff: Backoff
    ) -> None:
        """Carry until `stop` is called, or until parts were swapped and the backend is to be attached to anew."""
        log.info("attached to the backend %s", backend.address)
        carrier = Carrier(
            backend=backend,
            info=info,
            connection=connection,
            topics=Topics(info.session, messages=self._params.messages),
            sequences=self._sequences,
            sizer=sizer,
            max_batch=self._params.max_batch,
            max_payload=self._params.max_payload,
            negative_prices=self._params.negative_prices,
            former=self._former,
        )
        try:
            self._carry_on(backend, info, connection, carrier, backoff)
        finally:
            self._head = carrier.head

    def _carry_on(
        self, backend: Backend, info: BackendInfo, connection: Connection, carrier: Carrier, backoff: Backoff
    ) -> None:
        losses = connection.losses
        while not self._stopping:
            if connection.losses != losses:
                # Not every broker says that another connector has taken the session; the backend knows it.
                losses = connection.losses
                with suppress(BackendRefused):
                    check_replaced(backend, info)
            carrier.step()
            self._release_parked(connection)
            if carrier.outdated:
                carrier.confirm()
                return
            if carrier.delivered:
                backoff.reset()
                self._stuck = False
            connection.turn(carrier.pause)
        connection.close()
        self._connection = None
        with suppress(BackendLost, BackendRefused):  # then it learns it another time
            carrier.confirm()

    def _release_parked(self, connection: Connection) -> None:
        """Release parked deliveries that the broker is done with."""
        if self._parkings and connection.ready:
            for window, parking in self._parkings:
                if not window.parked:
                    parking.release()
            self._parkings = [each for each in self._parkings if each[0].parked]

    def _wait(self, seconds: float, waker: Waker) -> None:
        """Wait, keeping the connection to the broker alive."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            if self._connection is not None:
                self._connection.turn(left)
            else:
                waker.wait(left)
