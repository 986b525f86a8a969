import decimal
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
import zerorpc
import zmq

from intuition_core.errors import BadParameter
from intuition_core.rpc import server as server_module
from intuition_core.rpc.address import AddressTaken, BadAddress, Exposed
from intuition_core.rpc.server import Method, Server

Plain = Callable[..., zerorpc.Client]
Start = Callable[..., tuple[str, Server]]
Serve = Callable[..., str]
Program = Callable[..., tuple[subprocess.Popen[str], str]]
Lines = Callable[[int], list[str]]


class Raw:
    """A peer that sends whatever it likes."""

    def __init__(self, address: str, **options: int) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        self.socket.connect(address)

    def close(self) -> None:
        self.socket.close()
        self._context.term()

    def call(self, name: object, args: object, message_id: object = b"1", **header: object) -> None:
        blob = msgpack.packb(({"message_id": message_id, "v": 3, **header}, name, args))
        self.socket.send_multipart([b"", blob])

    def answer(self, seconds: float = 60.0) -> tuple[Any, str, Any]:
        """The next answer that is no heartbeat: what it answers, its kind, and what it says."""
        end = time.monotonic() + seconds
        while self.socket.poll(max(0, int((end - time.monotonic()) * 1000))):
            header, name, args = msgpack.unpackb(self.socket.recv_multipart()[-1])
            if name != "_zpc_hb":
                return header["response_to"], name, args
        raise TimeoutError


@contextmanager
def raw(address: str, **options: int) -> Iterator[Raw]:
    peer = Raw(address, **options)
    try:
        yield peer
    finally:
        peer.close()


class Gate:
    """A method that waits until the test lets it go."""

    def __init__(self) -> None:
        self.entered: queue.Queue[object] = queue.Queue()
        self.open = threading.Event()

    def wait(self, value: object) -> object:
        self.entered.put(value)
        assert self.open.wait(60)
        return value


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def refused(call: Callable[[], object]) -> zerorpc.RemoteError:
    with pytest.raises(zerorpc.RemoteError) as caught:
        call()
    assert caught.value.traceback is None
    return caught.value


def test_a_plain_client_is_served(serve: Serve, plain: Plain) -> None:
    client = plain(serve({"event": Method(lambda data: [data], queued=True), "now": Method(lambda: 7, queued=False)}))
    assert client.event({"goog": 3.45}) == [{"goog": 3.45}]
    assert client.now() == 7


def test_a_stranger_can_look_around(serve: Serve, plain: Plain) -> None:
    def event(data: object, depth: int = 3, kind: type = int) -> None:
        """Look at one event."""

    client = plain(serve({"event": Method(event, queued=True)}))
    assert client._zerorpc_ping() == ["pong", "test"]
    assert client._zerorpc_list() == ["event"]
    arguments = [{"name": "data"}, {"name": "depth", "default": 3}, {"name": "kind", "default": "<class 'int'>"}]
    assert client._zerorpc_inspect() == {
        "name": "test",
        "methods": {"event": {"args": arguments, "doc": "Look at one event."}},
    }
    assert refused(lambda: client._zerorpc_name()).name == "NameError"


def test_the_zerorpc_command_can_look_around(serve: Serve) -> None:
    address = serve({"event": Method(lambda data: [], queued=True)})
    look = [sys.executable, "-W", "ignore", "-c", "from zerorpc import cli; cli.main()", address]
    shown = subprocess.run(look, capture_output=True, text=True, check=True, timeout=60)
    assert "event" in shown.stdout


def test_errors_for_people_keep_their_name_and_their_words(serve: Serve, plain: Plain) -> None:
    def initialize(conf: object) -> None:
        raise BadParameter("random", "treshold", "unknown")

    error = refused(lambda: plain(serve({"initialize": Method(initialize, queued=True)})).initialize({}))
    assert (error.name, error.msg) == ("BadParameter", "random: parameter `treshold`: unknown")


def test_an_unknown_method_is_answered_with_those_there_are(serve: Serve, plain: Plain) -> None:
    methods = {"event": Method(lambda data: [], queued=True), "account": Method(dict, queued=False)}
    error = refused(lambda: plain(serve(methods)).evnt({}))
    assert error.name == "NameError"
    assert error.msg == "there is no method `evnt`; did you mean `event`? There are: `event`, `account`"


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_a_wrong_number_of_arguments_is_answered_with_the_signature(
    serve: Serve, plain: Plain, args: tuple[int, ...], queued: bool
) -> None:
    def decisions(since_seq: int, limit: int = 1000) -> None:
        """Never reached."""

    error = refused(lambda: plain(serve({"decisions": Method(decisions, queued)})).decisions(*args))
    assert error.name == "TypeError"
    assert "`decisions` takes (since_seq, limit=1000)" in error.msg


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (ValueError("odd \ud800 text"), "ValueError: odd ? text"),
        (TypeError("inside"), "TypeError: inside"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (RecursionError("deep"), "RecursionError: deep"),
        (ValueError("x" * 100_000), "ValueError: xxx"),
    ],
)
def test_a_method_that_fails_is_an_internal_error_and_no_more(
    serve: Serve, plain: Plain, warnings_of: Lines, fault: BaseException, shown: str, queued: bool
) -> None:
    def event(data: object) -> None:
        raise fault

    client = plain(serve({"event": Method(event, queued), "fine": Method(lambda: 1, queued)}))
    error = refused(lambda: client.event({}))
    assert error.name == "InternalError"
    assert f"`event` failed: {shown}" in error.msg
    assert len(error.msg) < 3000
    assert client.fine() == 1
    assert any(shown in line and "Traceback" not in line for line in warnings_of(logging.ERROR))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (decimal.Decimal("1.5"), "Decimal"),
        ({1, 2}, "set"),
        (2**64, "beyond 64 bits"),
        ({1: 2}, "a key that is no text"),
        ({(1, 2): 2}, "a key that is no text"),
        ("\ud800", "no valid Unicode"),
        ("x" * 2_000_000, "over the limit of 1,048,576"),
    ],
)
def test_an_answer_that_cannot_be_sent_is_said_to_have_been_lost(
    serve: Serve, plain: Plain, answer: object, problem: str
) -> None:
    error = refused(lambda: plain(serve({"event": Method(lambda: answer, queued=True)})).event())
    assert error.name == "UnsendableAnswer"
    assert "`event` ran, but" in error.msg
    assert problem in error.msg


@pytest.mark.parametrize(
    "message",
    [
        [{"message_id": b"7", "v": 3}, "event", [{1: 2}]],
        [{"message_id": "7", "v": 3}, "event", {}],
        [{"message_id": b"7", "v": 3}, ["event"], []],
        [{"message_id": b"7"}, "event", []],
    ],
)
def test_a_message_that_cannot_be_read_is_answered_if_its_header_can(serve: Serve, message: list[Any]) -> None:
    with raw(serve({"event": Method(lambda data: [], queued=True)})) as peer:
        peer.socket.send_multipart([b"", msgpack.packb(message)])
        answered, name, args = peer.answer()
        assert (answered, name) == (message[0]["message_id"], "ERR")
        assert args[0] == "Unreadable"
        assert "it did not run" in args[1]
        peer.call("event", [1])
        assert peer.answer()[1:] == ("OK", [[]])


def test_the_frame_that_deafens_zerorpc_is_left_out(serve: Serve, warnings_of: Lines) -> None:
    with raw(serve({"event": Method(lambda data: [], queued=True)})) as peer:
        peer.socket.send_multipart([b"", msgpack.packb([{"message_id": b"1", "response_to": []}, "x", 0])])
        peer.call("event", [1], b"2")
        assert peer.answer() == (b"2", "OK", [[]])
    assert any("left out a message from 127.0.0.1" in line for line in warnings_of(logging.INFO))


def test_queued_calls_keep_their_order_and_their_thread(serve: Serve) -> None:
    seen: list[tuple[int, int]] = []

    def event(number: int) -> None:
        seen.append((number, threading.get_ident()))

    with raw(serve({"event": Method(event, queued=True)})) as peer:
        for number in range(100):
            peer.call("event", [number], str(number))
        answers = [peer.answer() for _ in range(100)]
    assert [number for number, _ in seen] == list(range(100))
    assert len({thread for _, thread in seen}) == 1
    assert {name for _, name, _ in answers} == {"OK"}


def test_direct_methods_do_not_wait_for_queued_ones(serve: Serve, plain: Plain, gate: Gate) -> None:
    address = serve({"wait": Method(gate.wait, queued=True), "now": Method(lambda: 7, queued=False)})
    with raw(address) as peer:
        peer.call("wait", [1])
        gate.entered.get(timeout=60)
        assert plain(address).now() == 7
        gate.open.set()
        assert peer.answer()[2] == [1]


def test_heartbeats_flow_while_a_part_computes(python: Program, plain: Plain) -> None:
    _, address = python("served.py")
    answers: queue.Queue[object] = queue.Queue()

    def compute() -> None:
        client = zerorpc.Client(address, heartbeat=2)
        try:
            answers.put(client.burn(7))
        except zerorpc.LostRemote as error:
            answers.put(error)
        finally:
            client.close()

    caller = threading.Thread(target=compute)
    caller.start()
    bystander = plain(address, heartbeat=2)
    slowest = 0.0
    while caller.is_alive():
        start = time.monotonic()
        assert bystander.echo(1) == 1
        slowest = max(slowest, time.monotonic() - start)
        caller.join(0.2)
    assert answers.get(timeout=60) == 7
    assert slowest < 3.5  # half of what the part takes


def test_two_callers_may_use_the_same_message_id(serve: Serve, gate: Gate) -> None:
    address = serve({"wait": Method(gate.wait, queued=True)})
    with raw(address) as one, raw(address) as other:
        one.call("wait", ["one"])
        assert gate.entered.get(timeout=60) == "one"
        other.call("wait", ["other"])
        gate.open.set()
        assert one.answer() == (b"1", "OK", ["one"])
        assert other.answer() == (b"1", "OK", ["other"])


def test_a_second_call_with_the_id_of_one_that_runs_does_not_run(serve: Serve, gate: Gate) -> None:
    with raw(serve({"wait": Method(gate.wait, queued=True), "now": Method(lambda: 7, queued=False)})) as peer:
        peer.call("wait", ["first"])
        gate.entered.get(timeout=60)
        peer.call("wait", ["second"])
        peer.call("now", [], b"2")
        assert peer.answer() == (b"2", "OK", [7])
        gate.open.set()
        assert peer.answer() == (b"1", "OK", ["first"])
        assert gate.entered.empty()
        peer.call("wait", ["third"])
        assert peer.answer() == (b"1", "OK", ["third"])


def test_a_caller_who_writes_on_while_its_call_runs_blocks_nobody(serve: Serve, plain: Plain, gate: Gate) -> None:
    address = serve({"wait": Method(gate.wait, queued=True), "now": Method(lambda: 7, queued=False)})
    with raw(address) as peer:
        peer.call("wait", [1])
        gate.entered.get(timeout=60)
        for number in range(5_000):
            peer.call("more", [1], str(number), response_to=b"1")
        start = time.monotonic()
        assert plain(address).now() == 7
        assert time.monotonic() - start < 5
        gate.open.set()
        assert peer.answer() == (b"1", "OK", [1])


def test_more_calls_than_can_wait_are_refused(serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_WAITING", {**server_module.MAX_WAITING, "queued": 2})
    with raw(serve({"wait": Method(gate.wait, queued=True)})) as peer:
        for number in range(3):
            peer.call("wait", [number], str(number))
        answered, name, args = peer.answer()
        assert (answered, name, args[0]) == ("2", "ERR", "Busy")
        gate.open.set()
        assert [peer.answer()[0] for _ in range(2)] == ["0", "1"]


def flooded(address: str, flood: Any, gate: Gate) -> None:
    """Have more calls wait than one caller may have."""
    for number in range(1_000):
        flood.call("wait", [1], str(number))
    assert gate.entered.get(timeout=60) == 1
    assert flood.answer()[2][0] == "Busy"


def test_an_urgent_call_passes_all_that_wait(serve: Serve, gate: Gate) -> None:
    methods = {
        "wait": Method(gate.wait, queued=True),
        "event": Method(lambda: None, queued=True),
        "kill": Method(lambda: None, queued=True, urgent=True),
        "now": Method(lambda: 7, queued=False),
    }
    address = serve(methods)
    with raw(address) as flood, raw(address) as other:
        flooded(address, flood, gate)
        for name in ("event", "kill", "now"):
            other.call(name, [], name.encode())
        assert other.answer() == (b"now", "OK", [7])
        gate.open.set()
        # The event of a caller who has had no time goes before all that wait of the one who floods.
        assert [other.answer()[0] for _ in range(2)] == [b"kill", b"event"]


def test_those_who_read_keep_nobody_from_driving(serve: Serve, gate: Gate) -> None:
    methods = {
        "wait": Method(gate.wait, queued=False, reads=True),
        "event": Method(lambda: None, queued=True),
        "kill": Method(lambda: None, queued=True, urgent=True),
        "now": Method(lambda: 7, queued=False),
    }
    address = serve(methods)
    with raw(address) as flood, raw(address) as other:
        flooded(address, flood, gate)
        for name in ("event", "kill", "now"):
            other.call(name, [], name.encode())
        assert {other.answer()[:2] for _ in range(3)} == {(b"event", "OK"), (b"kill", "OK"), (b"now", "OK")}
        gate.open.set()


def test_a_method_makes_room_for_urgent_calls_on_its_own_thread(start: Start, gate: Gate) -> None:
    order: list[tuple[str, int]] = []

    def batch() -> None:
        order.append(("begun", threading.get_ident()))
        gate.wait("batch")
        deadline = time.monotonic() + 60
        while not server.urgent.waiting and time.monotonic() < deadline:
            time.sleep(0.001)
        server.urgent.run_waiting()
        order.append(("done", threading.get_ident()))

    def kill() -> None:
        order.append(("kill", threading.get_ident()))

    address, server = start({"batch": Method(batch, queued=True), "kill": Method(kill, queued=True, urgent=True)})
    with raw(address) as one, raw(address) as other:
        one.call("batch", [])
        gate.entered.get(timeout=60)
        other.call("kill", [])
        gate.open.set()
        assert other.answer()[1] == "OK"
        assert one.answer()[1] == "OK"
    assert [name for name, _ in order] == ["begun", "kill", "done"]
    assert len({thread for _, thread in order}) == 1


def test_one_caller_reads_one_at_a_time_and_another_beside_it(serve: Serve, gate: Gate) -> None:
    with raw(address := serve({"read": Method(gate.wait, queued=False, reads=True)})) as one, raw(address) as other:
        one.call("read", [1], b"1")
        one.call("read", [2], b"2")
        assert gate.entered.get(timeout=60) == 1
        other.call("read", [3], b"3")
        assert gate.entered.get(timeout=60) == 3
        assert gate.entered.empty()
        gate.open.set()
        assert [one.answer()[0] for _ in range(2)] == [b"1", b"2"]


def test_stopping_waits_for_nobody_who_reads_and_refuses_what_has_not_begun(start: Start, gate: Gate) -> None:
    methods = {
        "read": Method(gate.wait, queued=False, reads=True),
        "event": Method(gate.wait, queued=True),
    }
    address, server = start(methods)
    with raw(address) as reader, raw(address) as caller:
        reader.call("read", [1], b"1")
        assert gate.entered.get(timeout=60) == 1
        caller.call("event", [2], b"2")
        assert gate.entered.get(timeout=60) == 2
        for number in (3, 4):
            caller.call("event", [number], str(number))
        time.sleep(0.1)
        server.stop()
        assert reader.answer()[2][0] == "Stopping"
        assert [caller.answer()[2][0] for _ in range(2)] == ["Stopping"] * 2
        gate.open.set()
        assert caller.answer() == (b"2", "OK", [2])


def test_more_bytes_than_can_wait_are_refused(serve: Serve, gate: Gate) -> None:
    with raw(serve({"wait": Method(gate.wait, queued=True)}, max_message=10_000)) as peer:
        for number in range(20):
            peer.call("wait", ["x" * 9_000], str(number))
        answers = [peer.answer() for _ in range(3)]
        assert [args[0] for _, _, args in answers] == ["Busy"] * 3
        gate.open.set()
        assert [peer.answer()[1] for _ in range(17)] == ["OK"] * 17


def test_a_caller_who_does_not_read_costs_little_and_blocks_nobody(python: Program, plain: Plain) -> None:
    process, address = python("served.py")
    client = plain(address)
    assert client.echo(1) == 1
    before = memory(process.pid)
    with raw(address, RCVHWM=1, RCVBUF=1) as peer:
        for number in range(400):
            peer.call("blob", [1_000_000], str(number))
        grown = 0
        deadline = time.monotonic() + 20
        while grown < 50_000_000:  # until the answers pile up
            assert time.monotonic() < deadline
            grown = memory(process.pid) - before
        for _ in range(10):
            start = time.monotonic()
            assert client.echo(2) == 2
            assert time.monotonic() - start < 5  # one by one, the 400 answers would each be waited for for a second
            grown = max(grown, memory(process.pid) - before)
            time.sleep(0.05)
        assert grown < 160_000_000


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) * 1024


def test_stopping_answers_the_call_in_flight_and_refuses_new_ones(start: Start, gate: Gate) -> None:
    address, server = start({"wait": Method(gate.wait, queued=True)})
    with raw(address) as early, raw(address) as late:
        early.call("wait", [1])
        gate.entered.get(timeout=60)
        server.stop()
        late.call("wait", [2])
        _, name, args = late.answer()
        assert (name, args[0]) == ("ERR", "Stopping")
        gate.open.set()
        assert early.answer() == (b"1", "OK", [1])


def test_a_chore_is_done_among_the_calls_until_it_asks_for_no_more(start: Start, plain: Plain) -> None:
    done: list[str] = []
    ended = threading.Event()

    def chore() -> float | None:
        done.append(threading.current_thread().name)
        if len(done) < 3:
            return 0.001
        ended.set()
        return None

    address, _ = start({"thread": Method(lambda: threading.current_thread().name, queued=True)}, chore=chore)
    assert ended.wait(60)
    assert done == [plain(address).thread()] * 3


def test_stopping_finishes_a_chore_and_begins_none() -> None:
    finished: list[bool] = []

    def chore() -> float:
        server.stop()
        while not server._stopping.is_set():
            time.sleep(0.001)
        finished.append(True)
        return 0.0

    with Server({}, name="test", chore=chore) as server:
        server.bind("tcp://127.0.0.1:*")
        server.run()
        assert finished == [True]


def test_sigterm_lets_the_call_in_flight_finish(python: Program) -> None:
    process, address = python("served.py")
    assert process.stdout is not None
    with raw(address) as peer:
        peer.call("burn", [1.0])
        assert process.stdout.readline() == "burning\n"
        os.kill(process.pid, signal.SIGTERM)
        assert peer.answer() == (b"1", "OK", [1.0])
    assert process.stdout.readline() == "stopped\n"
    assert process.wait(60) == 0


def test_stop_before_run_and_after_close_is_harmless() -> None:
    with Server({}, name="test") as server:
        server.bind("tcp://127.0.0.1:*")
        server.stop()
        server.run()
    server.stop()
    server.close()


def test_the_port_that_was_taken_is_told() -> None:
    with Server({}, name="test") as server:
        address = server.bind("tcp://localhost:0")
    host, _, port = address.rpartition(":")
    assert host == "tcp://127.0.0.1"
    assert int(port) > 0


def test_a_taken_port_names_the_flag_to_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, Server({}, name="test") as server:
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(AddressTaken, match="--addr") as caught:
            server.bind(address)
        assert caught.value.address == address


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://*:0"])
def test_the_world_is_kept_out(address: str) -> None:
    with Server({}, name="test") as server, pytest.raises(Exposed, match="other machines"):
        server.bind(address)


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:4242", "tcp://no.such.host.invalid:4242"])
def test_an_address_of_another_machine_cannot_be_listened_on(address: str) -> None:
    with Server({}, name="test") as server, pytest.raises(BadAddress, match="cannot listen"):
        server.bind(address, insecure=True)


def test_a_server_runs_where_it_was_made() -> None:
    errors: queue.Queue[Exception] = queue.Queue()
    with Server({}, name="test") as server:

        def elsewhere() -> None:
            try:
                server.run()
            except RuntimeError as error:
                errors.put(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(60)
    assert "thread" in str(errors.get(timeout=60))


def test_importing_the_package_loads_no_transport() -> None:
    look = "import sys, intuition_core.rpc; sys.exit(bool({'gevent', 'zmq', 'zerorpc'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", look], check=False, timeout=60).returncode == 0
