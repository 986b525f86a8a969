"""Subscriptions of a session, which follow the channels of its backend while it runs."""

from collections.abc import Iterable, Sequence

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions


class Filters:
    """The subscriptions of one session, on one connection after another.

    Args:
        wanted: what to subscribe to.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = tuple(wanted)
        """The topics to subscribe to; call `ask` after a change."""
        self._held: set[str] = set()  # what the broker has granted to its session, as far as is known
        self._asked: dict[int, Sequence[str]] = {}  # by request, what is not granted yet
        self._given_back: set[str] = set()  # on the present connection

    @property
    def granted(self) -> bool:
        """Whether the broker has granted all that is wanted."""
        return self._held.issuperset(self.wanted)

    def greet(self, *, resumed: bool) -> None:
        """Begin with a connection.

        Args:
            resumed: whether the broker has kept the session, and its subscriptions with it.
        """
        self.drop()
        if not resumed:
            self._held.clear()

    def drop(self) -> None:
        """End with a connection: what was not answered has to be asked again."""
        self._asked.clear()
        self._given_back.clear()

    def ask(self, client: Client) -> None:
        """Subscribe to wanted topics that are missing, and unsubscribe from others; call it again after each answer."""
        asked = self._held.union(*self._asked.values())
        if missing := [topic for topic in self.wanted if topic not in asked]:
            if client.protocol == MQTTv5:
                # Retained messages are not for a session that had them already.
                options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
                _, mid = client.subscribe([(topic, options) for topic in missing])
            else:
                _, mid = client.subscribe([(topic, 1) for topic in missing])
            if mid is not None:
                self._asked[mid] = missing
        self._give_back(client, self._held.difference(self.wanted))

    def answered(self, mid: int, reasons: Sequence[ReasonCode]) -> list[tuple[str, ReasonCode]]:
        """Book the broker's answer to a request; the topics with their reasons, if it was one for subscriptions."""
        asked = self._asked.pop(mid, ())
        self._held.update(asked)
        return list(zip(asked, reasons, strict=False))

    def forget(self, client: Client, topic: str) -> None:
        """Unsubscribe from every filter that matches a topic of no channel.

        An earlier process has subscribed to it and was gone before the channels changed. Which channel it was is not
        known, so it is all that it can have been.
        """
        levels = topic.split("/")
        possible = {f"{'/'.join(levels[:count])}/#" for count in range(1, len(levels) + 1)}
        # What is not answered yet is given back by `ask`, if nobody wants it by then.
        self._give_back(client, possible.difference(self.wanted, self._given_back, *self._asked.values()))

    def _give_back(self, client: Client, topics: Iterable[str]) -> None:
        if given := sorted(topics):
            client.unsubscribe(given)
            self._given_back.update(given)
            self._held.difference_update(given)
