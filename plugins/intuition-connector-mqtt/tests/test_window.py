"""Which deliveries are open: by examples, and against a broker that keeps its promises at random."""

from collections import deque
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from intuition_connector_mqtt.window import Mark, Receipt, Window


def receipt(packet: int, digest: str = "same") -> Receipt:
    return Receipt(packet, "quotes", digest)


def keys(receipts: Sequence[Receipt]) -> list[str]:
    return [each.key for each in receipts]


def filled(count: int, *, inherited: Sequence[Mark] = ()) -> tuple[Window, list[Receipt]]:
    """A window that has received so many, with the packet ids from 1."""
    window = Window("mqtt", 3, inherited)
    window.connect(resumed=False)
    receipts = [receipt(n + 1) for n in range(count)]
    assert all(window.receive(each) for each in receipts)
    return window, receipts


def test_a_new_message_gets_a_key_of_this_epoch() -> None:
    window, receipts = filled(2)
    window.epoch = 4
    later = receipt(3)
    window.receive(later)
    assert keys([*receipts, later]) == ["mqtt:3:0", "mqtt:3:1", "mqtt:4:2"]


def test_acknowledgements_keep_the_order_of_receipt() -> None:
    window, (first, second, third) = filled(3)
    window.finish(second)
    assert list(window.acknowledge()) == []
    window.finish(first)
    assert list(window.acknowledge()) == [first, second]
    window.finish(third)
    assert list(window.acknowledge()) == [third]


def test_what_is_acknowledged_is_settled_once_a_later_request_is_answered() -> None:
    window, (first, second) = filled(2)
    window.finish(first)
    list(window.acknowledge())
    assert (window.settled, window.asks) == (None, True)
    question = window.ask()
    window.finish(second)
    list(window.acknowledge())  # too late for the request
    assert (window.settled, window.asks) == (None, False)
    window.answer(question)
    assert (window.settled, window.asks) == (first.key, True)
    window.answer(window.ask())
    assert window.settled == second.key
    assert not len(window)


def test_an_answer_on_another_connection_proves_nothing_of_this_one() -> None:
    window, (first, second) = filled(2)
    window.finish(first)
    list(window.acknowledge())
    question = window.ask()
    window.connect(resumed=True)
    window.answer(question)
    assert (window.settled, window.asks) == (None, True)
    assert not window.receive(receipt(1))  # the acknowledgement was lost: again, at once
    assert list(window.acknowledge()) == [first]
    assert not window.receive(receipt(2))
    assert not window.due
    window.finish(second)
    assert list(window.acknowledge()) == [second]


def test_what_does_not_come_again_is_settled() -> None:
    window, (first, second, third) = filled(3)
    for each in (first, second):
        window.finish(each)
    list(window.acknowledge())
    window.connect(resumed=True)
    assert not window.receive(receipt(2))
    assert window.settled == first.key
    assert list(window.acknowledge()) == [second]
    new = receipt(4)
    assert window.receive(new)  # ends what comes again: the third is lost at the broker, and in hand
    assert new.key == "mqtt:3:3"
    window.finish(third)
    assert not window.due


def test_a_new_message_with_an_old_packet_id_is_new_after_the_first_that_is() -> None:
    window, _ = filled(3)
    window.connect(resumed=True)
    assert window.receive(receipt(1, "other"))
    assert window.receive(receipt(2))
    assert window.receive(receipt(3))
    assert len(window) == 6


def test_a_message_comes_again_only_once_on_a_connection() -> None:
    window, _ = filled(2)
    window.connect(resumed=True)
    assert not window.receive(receipt(1))
    assert not window.receive(receipt(2))
    assert window.receive(receipt(1))


def test_a_broker_that_begins_anew_sends_nothing_again() -> None:
    window, (first, second) = filled(2)
    window.finish(first)
    list(window.acknowledge())
    window.connect(resumed=False)
    assert window.settled == first.key
    assert window.receive(receipt(1))
    assert window.receive(receipt(2))
    window.finish(second)  # still in hand; nobody waits for its acknowledgement
    assert window.settled == second.key
    assert not window.due


def test_an_answer_ends_what_comes_again() -> None:
    window = Window("mqtt", 2, [("mqtt:1:7", 7, "quotes", "same")])
    window.connect(resumed=True)
    assert window.matching
    window.answer(window.ask())
    assert window.settled == "mqtt:1:7"
    again = receipt(7)
    assert window.receive(again)
    assert again.key == "mqtt:2:0"


def test_an_answer_ends_nothing_while_the_broker_has_no_room_to_send_more() -> None:
    window = Window("mqtt", 2, [("mqtt:1:7", 7, "quotes", "same"), ("mqtt:1:8", 8, "quotes", "same")])
    window.connect(resumed=True)
    early = window.ask()
    first, second = receipt(7), receipt(8)
    window.receive(first)
    window.answer(early)  # the broker sent the first before it answered
    assert not window.asks  # there is nothing new to ask before it is acknowledged
    window.finish(first)
    list(window.acknowledge())
    question = window.ask()
    window.receive(second)  # there was room for it now
    window.answer(question)
    assert keys([first, second]) == ["mqtt:1:7", "mqtt:1:8"]
    assert window.matching
    window.finish(second)
    list(window.acknowledge())
    window.answer(window.ask())  # and nothing came before this answer
    assert not window.matching
    assert not window.asks
    assert window.settled == "mqtt:1:8"


def test_an_answer_that_may_overtake_messages_settles_and_ends_nothing() -> None:
    window, (first, second) = filled(2)
    window.finish(first)
    window.connect(resumed=True)
    assert not window.receive(receipt(1))
    list(window.acknowledge())
    in_order = window.ask()
    window.answer(window.ask(in_order=False))
    assert window.settled == first.key
    assert window.matching
    assert not window.receive(receipt(2))  # it was on its way
    window.answer(in_order)
    assert window.matching
    window.finish(second)
    assert list(window.acknowledge()) == [second]


def test_what_was_asked_aside_and_never_answered_holds_nothing_up() -> None:
    window, (first, second) = filled(2)
    window.finish(first)
    list(window.acknowledge())
    in_order = window.ask()
    window.ask(in_order=False)
    window.answer(in_order)
    window.finish(second)
    list(window.acknowledge())
    assert window.asks
    window.answer(window.ask())
    assert not len(window)


def test_without_news_nothing_is_asked_twice() -> None:
    window = Window("mqtt", 2, [("mqtt:1:7", 7, "quotes", "same")])
    window.connect(resumed=True)
    assert window.asks
    window.answer(window.ask(in_order=False))
    assert window.asks  # that one could not tell
    window.answer(window.ask())
    assert not window.asks


def test_what_an_earlier_process_received_keeps_its_key_and_is_handed_over() -> None:
    marks = [(f"mqtt:1:{n}", n, "quotes", "same") for n in (5, 6, 7)]
    window = Window("mqtt", 2, marks)
    window.connect(resumed=True)
    second, third, new = receipt(6), receipt(7), receipt(8)
    assert all(window.receive(each) for each in (second, third, new))
    assert keys([second, third, new]) == ["mqtt:1:6", "mqtt:1:7", "mqtt:2:0"]
    assert window.settled == "mqtt:1:5"
    assert not window.due
    for each in (second, third, new):
        window.finish(each)
    assert list(window.acknowledge()) == [second, third, new]


def test_of_two_with_one_packet_id_the_later_is_the_one() -> None:
    window, (first,) = filled(1)
    window.finish(first)
    list(window.acknowledge())
    again = receipt(1)  # the broker has used the packet id again, so it had our acknowledgement
    window.receive(again)
    window.connect(resumed=True)
    assert not window.receive(receipt(1))
    window.finish(again)
    assert list(window.acknowledge()) == [again]
    assert window.settled == first.key


def test_a_message_without_acknowledgement_has_a_key_and_is_settled_when_done() -> None:
    window = Window("mqtt", 1)
    window.connect(resumed=False)
    loose = receipt(0)
    assert window.receive(loose)
    assert loose.key == "mqtt:1:0"
    window.connect(resumed=True)
    assert not window.matching
    window.finish(loose)
    assert window.settled == loose.key
    assert not window.due


class BrokerAndConnector(RuleBasedStateMachine):
    """A broker that sends again what it has no acknowledgement of, and a connector that may die at any time.

    All messages have the same content, so that only packet ids tell them apart; there are few of those. Every message
    has a true number, which the window does not see: each number must get one key, and each key one number.
    """

    IDS = 32
    IN_FLIGHT = 7
    AT_ONCE = 3
    """Messages that are sent again before any of them is acknowledged."""

    @initialize()
    def begin(self) -> None:
        self.number = 0
        self.packet = 0
        self.flying: deque[tuple[int, int]] = deque()  # packet id and number of what the broker waits for
        self.queued: deque[int] = deque()
        self.wire: deque[tuple[int, int]] = deque()  # on the way to the connector
        self.again: deque[tuple[int, int]] = deque()  # what there was no room to send again
        self.back: deque[tuple[str, int]] = deque()  # on the way to the broker
        self.aside: deque[int] = deque()  # answers on the way to the connector that can overtake messages
        self.numbers: dict[str, int] = {}
        self.journal: dict[str, Mark] = {}  # what the session has noted, in order
        self.epoch = 1
        self.window = Window("mqtt", 1)
        self.window.connect(resumed=False)
        self.inbox: deque[Receipt] = deque()

    def send(self) -> None:
        while self.queued and not self.again and len(self.flying) < self.IN_FLIGHT:
            self.packet = self.packet % self.IDS + 1
            self.flying.append((self.packet, self.queued.popleft()))
            self.wire.append(self.flying[-1])

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.queued.append(self.number)
            self.number += 1
        self.send()

    @precondition(lambda self: self.wire)
    @rule(count=st.integers(1, 8))
    def receive(self, count: int) -> None:
        for _ in range(min(count, len(self.wire))):
            packet, number = self.wire.popleft()
            if not packet:
                self.window.answer(number)
                self.forget()
                continue
            came = receipt(packet)
            if self.window.receive(came):
                assert self.numbers.setdefault(came.key, number) == number, "a message has the key of another"
                self.inbox.append(came)

    @precondition(lambda self: self.inbox)
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        """The session commits, and forgets what is settled."""
        batch = [self.inbox[n] for n in range(min(count, len(self.inbox)))]
        for each in batch:
            self.journal.setdefault(each.key, each.mark)
        self.forget()
        for each in batch:
            self.inbox.popleft()
            self.window.finish(each)

    def forget(self) -> None:
        if self.window.settled in self.journal:
            while next(iter(self.journal)) != self.window.settled:
                del self.journal[next(iter(self.journal))]
            del self.journal[self.window.settled]

    @rule()
    def acknowledge(self) -> None:
        for each in self.window.acknowledge():
            self.back.append(("acknowledged", each.packet))
            if self.window.unproven >= 3 and self.window.asks:
                self.ask()

    @precondition(lambda self: self.window.asks)
    @rule()
    def ask(self) -> None:
        self.back.append(("asked", self.window.ask()))

    @rule()
    def ask_aside(self) -> None:
        self.back.append(("asked aside", self.window.ask(in_order=False)))

    @precondition(lambda self: self.aside)
    @rule()
    def answer_aside(self) -> None:
        self.window.answer(self.aside.popleft())
        self.forget()

    @precondition(lambda self: self.back)
    @rule(count=st.integers(1, 8))
    def arrive(self, count: int) -> None:
        """The broker gets some of what the connector sent."""
        for _ in range(min(count, len(self.back))):
            said, number = self.back.popleft()
            if said == "asked":
                self.wire.append((0, number))
            elif said == "asked aside":
                self.aside.append(number)
            else:
                assert self.flying, "acknowledged twice"
                assert self.flying.popleft()[0] == number, "acknowledged out of order"
                if self.again:
                    self.wire.append(self.again.popleft())
            self.send()

    @rule(dies=st.booleans(), resumed=st.sampled_from([True, True, True, False]))
    def reconnect(self, dies: bool, resumed: bool) -> None:
        self.wire.clear()
        self.back.clear()
        self.again.clear()
        if dies:
            self.epoch += 1
            self.window = Window("mqtt", self.epoch, self.journal.values())
            self.inbox.clear()
            self.aside.clear()  # or else it is an answer to an earlier connection's question
        self.window.connect(resumed=resumed)
        if resumed:
            self.again.extend(self.flying)
            while self.again and len(self.wire) < self.AT_ONCE:
                self.wire.append(self.again.popleft())
        else:
            # What is in hand is finished, and the session has forgotten all, before there is a subscription again.
            self.deliver(len(self.inbox))
            self.forget()
            assert not self.journal
            self.flying.clear()
            self.packet = 0
        self.send()

    @invariant()
    def no_number_is_run_twice(self) -> None:
        run = [self.numbers[key] for key in self.ran()]
        assert len(run) == len(set(run)), "a message was run under two keys"

    def ran(self) -> list[str]:
        self.all_run = {**getattr(self, "all_run", {}), **dict.fromkeys(self.journal)}
        return list(self.all_run)

    @invariant()
    def the_journal_has_what_the_broker_may_send_again(self) -> None:
        waiting = {number for _, number in self.flying}
        run = {self.numbers[key]: key for key in self.ran()}
        held = {run[number] for number in waiting if number in run}
        assert held <= set(self.journal), "a delivery was forgotten that may come again"


TestBrokerAndConnector = BrokerAndConnector.TestCase
TestBrokerAndConnector.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"))),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"))),
)
def test_any_messages_are_taken(before: list[tuple[int, str]], after: list[tuple[int, str]]) -> None:
    window = Window("mqtt", 1)
    window.connect(resumed=False)
    taken = [each for each in (receipt(*one) for one in before) if window.receive(each)]
    window.connect(resumed=True)
    taken += [each for each in (receipt(*one) for one in after) if window.receive(each)]
    assert len(set(keys(taken))) == len(taken)
    for each in taken:
        window.finish(each)
    list(window.acknowledge())
    window.answer(window.ask())
    assert not len(window)
    assert taken == [] or window.settled == taken[-1].key
