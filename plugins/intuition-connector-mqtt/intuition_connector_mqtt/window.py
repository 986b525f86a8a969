"""Open deliveries between a broker and a session: the bookkeeping of exactly once, without any socket.

A message that a broker sends again must be given to the session under the key that it had the first time, and a new
one must never be taken for it. Brokers send again what they wait to be acknowledged, in the order in which they sent it
first, before anything else on a connection that goes on with a session. So on each connection the first messages are
held against what is open, by packet id, topic and hash; the first that is none of it ends this. The DUP flag is no
help: not every broker sets it.

An answer ends it only if the broker had nothing left to send again. It sends only as much as it has room for, answers
what it is asked, and sends more as acknowledgements make room. So the question must come after the acknowledgement of
all that has arrived on this connection, and nothing may arrive between question and answer. Otherwise what comes gets
acknowledged, and is a reason to ask once more: there is never a question without news.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from enum import Enum

Mark = tuple[str, int, str, str]
"""A delivery as a session notes it: key, packet id, topic, and the hash of topic and payload."""


class State(Enum):
    """The state of a delivery at the broker."""

    OPEN = 1
    """It waits for our acknowledgement, or may be waiting for it."""
    ACKED = 2
    """It was sent our acknowledgement on the present connection, which may still be on its way."""
    LOOSE = 3
    """Nothing: it does not hold the message, and will not send it again."""


class Receipt:
    """A message as it was received.

    Args:
        packet: the broker's number for it; 0 if the broker wants no acknowledgement (QoS 0).
        topic: where it was published.
        digest: the hash of topic and payload, in hexadecimal.
    """

    __slots__ = ("digest", "done", "in_hand", "key", "packet", "state", "topic")

    def __init__(self, packet: int, topic: str, digest: str) -> None:
        self.packet = packet
        self.topic = topic
        self.digest = digest
        self.key = ""
        """Under which the session knows it, once the window has it."""
        self.done = False
        """Whether all that it caused is published."""
        self.in_hand = True
        """Whether this process received it; else an earlier one did."""
        self.state = State.OPEN

    @property
    def mark(self) -> Mark:
        """The mark that a session keeps of it."""
        return self.key, self.packet, self.topic, self.digest


class Window:
    """The deliveries of one client that are not settled, oldest first.

    A delivery is settled when all that it caused is published, and the broker is known not to send it again. Call
    `connect`, then `receive` for each message, `finish` for those that were handed over once what they caused is
    published, and acknowledge what `acknowledge` gives. Whenever `asks` is true, a request that the broker answers is
    worth while on this connection: call `ask` when it is sent, and `answer` when the answer has come. Further requests
    may be sent before.

    Args:
        client: the client's name.
        epoch: what the session gave it when it attached; part of the keys that are made from then on.
        inherited: the marks of its deliveries that the session has committed and not forgotten, oldest first.
        parked: marks of deliveries before those, which are done and need no more than our acknowledgement.
        tag: what else is in the keys: the broker, and a random part, so that nobody can take them in advance.
    """

    def __init__(
        self,
        client: str,
        epoch: int = 0,
        inherited: Iterable[Mark] = (),
        *,
        parked: Iterable[Mark] = (),
        tag: str = "",
    ) -> None:
        self.epoch = epoch
        self.settled: str | None = None
        """The key of the last settled delivery; all before it are settled as well."""
        self._client = client
        self._received = 0
        self._open: OrderedDict[str, Receipt] = OrderedDict()
        self._waiting: deque[Receipt] = deque()  # received on this connection and not acknowledged
        self._acked: deque[Receipt] = deque()  # acknowledged on this connection, without proof that it arrived
        self._proven = 0  # acknowledgements that arrived, of all connections
        self._question = 0
        self._questions: dict[int, int] = {}  # what is proven once they are answered
        self._pending: int | None = None  # the one of them whose answer comes in order
        self._last: int | None = None  # the question whose answer ends the matching if nothing arrives before
        self._again: list[Receipt] = []  # what the broker may send again
        self._places: dict[tuple[int, str, str], int] | None = None  # where in it; None: it sends nothing again
        self._next = 0  # the first place that can still be
        self._tag = f":{tag}" if tag else ""
        for mark in inherited:
            receipt = _inherited(mark)
            receipt.in_hand = False
            self._open[receipt.key] = receipt
        self._parked = [_inherited(mark) for mark in parked]

    def __len__(self) -> int:
        return len(self._open)

    @property
    def parked(self) -> int:
        """The number of parked deliveries that the broker may still send again."""
        return len(self._parked)

    @property
    def matching(self) -> bool:
        """Whether the next message may be one that was received before."""
        return self._places is not None

    @property
    def unproven(self) -> int:
        """The number of acknowledgements that may still be on their way."""
        return len(self._acked)

    @property
    def asks(self) -> bool:
        """Whether the answer to a request sent now would settle something."""
        if self._pending is not None:
            return False
        return bool(self._acked) or (self.matching and not self._waiting and self._last is None)

    @property
    def due(self) -> bool:
        """Whether there is something to acknowledge."""
        return bool(self._waiting) and self._waiting[0].done

    def connect(self, *, resumed: bool) -> None:
        """Begin a connection, before its first message.

        Args:
            resumed: whether the broker goes on with its session (``session present``). If not it sends nothing again.
        """
        self.disconnect()
        for receipt in (*self._parked, *self._open.values()):
            if receipt.state is not State.LOOSE:
                receipt.state = State.OPEN if resumed and receipt.packet else State.LOOSE
        self._again = [each for each in (*self._parked, *self._open.values()) if each.state is State.OPEN]
        # With the earlier of two of the same packet id the broker was done when it sent the later: that one counts.
        self._places = {(each.packet, each.topic, each.digest): place for place, each in enumerate(self._again)}
        self._next = 0
        if not self._again:
            self._end_matching()

    def disconnect(self) -> None:
        """End a connection; whether the last acknowledgements arrived is open again."""
        self._waiting.clear()
        self._acked.clear()
        self._questions.clear()
        self._pending = None
        self._last = None
        self._places = None
        self._again = []

    def receive(self, receipt: Receipt) -> bool:
        """Note a message, and set its key.

        Returns:
            Whether to hand it to the session. If not, it is in hand already or even done, and `acknowledge` will give
            the one that is.
        """
        self._last = None
        if not receipt.packet:
            receipt.state = State.LOOSE
        elif (known := self._match(receipt)) is not None:
            if known.in_hand:
                self._waiting.append(known)
                return False
            receipt.key = known.key
            self._open[known.key] = receipt
            self._waiting.append(receipt)
            return True
        else:
            self._waiting.append(receipt)
        receipt.key = f"{self._client}:{self.epoch}{self._tag}:{self._received}"
        self._received += 1
        self._open[receipt.key] = receipt
        return True

    def finish(self, receipt: Receipt) -> None:
        """Note that everything a message caused is published."""
        receipt.done = True
        if receipt.state is State.LOOSE:
            self._settle()

    def acknowledge(self) -> Iterator[Receipt]:
        """The deliveries to acknowledge now, in the order in which they were received on this connection."""
        while self.due:
            receipt = self._waiting.popleft()
            receipt.state = State.ACKED
            self._acked.append(receipt)
            yield receipt

    def ask(self, *, in_order: bool = True) -> int:
        """Note a request that was sent after all acknowledgements so far, and return its number.

        Args:
            in_order: whether its answer comes behind all messages that the broker sent before it.
        """
        self._question += 1
        self._questions[self._question] = self._proven + len(self._acked)
        if in_order:
            self._pending = self._question
            if self.matching and not self._waiting and self._last is None:
                self._last = self._question
        return self._question

    def answer(self, number: int) -> None:
        """Note the answer to a request: the broker had all that was sent before.

        Args:
            number: what `ask` gave. Answers to what was asked on an earlier connection say nothing.
        """
        proven = self._questions.pop(number, None)
        if proven is None:
            return
        if number == self._pending:
            self._pending = None
        while self._proven < proven:
            self._acked.popleft().state = State.LOOSE
            self._proven += 1
        # One that was asked aside may never be answered.
        self._questions = {n: count for n, count in self._questions.items() if count > proven or n == self._pending}
        if number == self._last:
            self._end_matching()
        self._settle()

    def _match(self, receipt: Receipt) -> Receipt | None:
        if self._places is None:
            return None
        place = self._places.get((receipt.packet, receipt.topic, receipt.digest))
        if place is None or place < self._next:
            self._end_matching()
            return None
        self._loosen(place)
        self._next = place + 1
        return self._again[place]

    def _end_matching(self) -> None:
        if self._places is not None:
            self._loosen(len(self._again))
            self._places = None
            self._again = []

    def _loosen(self, end: int) -> None:
        """Mark deliveries that were left out: the broker is done with them, or has lost them."""
        for place in range(self._next, end):
            self._again[place].state = State.LOOSE
        self._settle()

    def _settle(self) -> None:
        if self._parked:
            self._parked = [receipt for receipt in self._parked if receipt.state is not State.LOOSE]
        while self._open:
            key, receipt = next(iter(self._open.items()))
            if not receipt.done or receipt.state is not State.LOOSE:
                return
            del self._open[key]
            self.settled = key


def _inherited(mark: Mark) -> Receipt:
    key, packet, topic, digest = mark
    receipt = Receipt(packet, topic, digest)
    receipt.key = key
    receipt.done = True  # there is nothing to do, unless it comes again
    return receipt
