import decimal
import gc
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
import zmq

from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.address import BadAddress
from intuition_core.rpc.client import Client
from intuition_core.rpc.server import Method

Connect = Callable[..., Client]
Serve = Callable[..., str]
Program = Callable[..., tuple[subprocess.Popen[str], str]]


def free() -> str:
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def answering(answers: Callable[[bytes], list[object]]) -> Iterator[str]:
    """A server that answers each request with whatever the test makes of its message id."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 0)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            if router.poll(50):
                identity, *_, blob = router.recv_multipart()
                header, *_ = msgpack.unpackb(blob)
                if "response_to" not in header:
                    for answer in answers(header["message_id"]):
                        blob = answer if isinstance(answer, bytes) else msgpack.packb(answer)
                        router.send_multipart([identity, b"", blob])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        stopping.set()
        thread.join()
        router.close()
        context.term()


def header(response_to: object) -> dict[str, object]:
    return {"message_id": b"answer", "v": 3, "response_to": response_to}


def test_it_is_a_backend(client: Connect) -> None:
    backend: Backend = client("tcp://127.0.0.1:4242")
    assert backend.address == "tcp://127.0.0.1:4242"


def test_a_malformed_address_is_refused_at_once() -> None:
    with pytest.raises(BadAddress):
        Client("mqtt://127.0.0.1:1883")


def test_calls_are_answered(serve: Serve, client: Connect) -> None:
    backend = client(serve({"event": Method(lambda data: [data], queued=True)}))
    assert backend.call("event", {"goog": 3.45}) == [{"goog": 3.45}]
    assert backend.call("event", None) == [None]


def test_a_refusal_keeps_who_what_and_why(serve: Serve, client: Connect) -> None:
    address = serve({"event": Method(lambda data: [], queued=True)})
    backend = client(address)
    with pytest.raises(BackendRefused, match="did you mean `event`") as caught:
        backend.call("evnt", 1)
    assert (caught.value.address, caught.value.method, caught.value.name) == (address, "evnt", "NameError")
    assert backend.call("event", 1) == []


@pytest.mark.parametrize("argument", [decimal.Decimal(1), 2**64, "x" * 2_000_000, "\ud800", {1, 2}])
def test_arguments_that_cannot_be_sent_are_refused_without_a_call(
    serve: Serve, client: Connect, argument: object
) -> None:
    seen: list[object] = []
    backend = client(serve({"event": Method(seen.append, queued=True)}))
    with pytest.raises(BackendRefused, match="did not run") as caught:
        backend.call("event", argument)
    assert caught.value.name == "Unsendable"
    backend.call("event", 1)
    assert seen == [1]


def test_nobody_there_is_noticed_at_once(client: Connect) -> None:
    address = free()
    start = time.monotonic()
    with pytest.raises(BackendLost, match="nobody listens there") as caught:
        client(address).call("event", 1)
    assert caught.value.address == address
    assert time.monotonic() - start < 5


def test_a_call_that_was_lost_does_not_run_later(client: Connect, python: Program) -> None:
    address = free()
    backend = client(address)
    with pytest.raises(BackendLost):
        backend.call("event", {"do": "die"})
    process, _ = python("foreign.py", address)
    assert backend.call("event", 1) == [1]
    assert process.poll() is None


def test_what_does_not_speak_the_protocol_is_told_from_a_backend(client: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
                connection.recv(1000)

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(BackendLost):
            client(f"tcp://127.0.0.1:{listener.getsockname()[1]}").call("event", 1, timeout=5)
        thread.join()


def test_a_timeout_is_a_loss_and_the_next_call_a_fresh_start(serve: Serve, client: Connect) -> None:
    release = threading.Event()
    backend = client(serve({"wait": Method(lambda: release.wait(20), queued=True), "now": Method(lambda: 7, False)}))
    assert backend.call("now") == 7
    with pytest.raises(BackendLost, match="no answer in time"):
        backend.call("wait", timeout=0.2)
    release.set()
    assert backend.call("now") == 7


def test_what_calls_carried_is_freed(client: Connect, serve: Serve) -> None:
    backend = client(serve({"much": Method(lambda: [[] for _ in range(1_000)], queued=True)}))
    backend.call("much")
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        backend.call("much")
    gc.collect()
    assert len(gc.get_objects()) - before < 10_000, "each call leaves an answer of 1,000 objects behind"


def test_a_backend_that_dies_in_mid_call_is_noticed_at_once_and_found_again(client: Connect, python: Program) -> None:
    _, address = python("foreign.py")
    backend = client(address)
    start = time.monotonic()
    with pytest.raises(BackendLost, match="closed the connection"):
        backend.call("event", {"do": "die"})
    assert time.monotonic() - start < 5
    python("foreign.py", address)
    assert backend.call("event", 1) == [1]


def test_a_backend_that_was_started_again_between_two_calls_is_not_noticed(client: Connect, python: Program) -> None:
    process, address = python("foreign.py")
    backend = client(address)
    assert backend.call("event", 1) == [1]
    process.kill()
    process.wait(10)
    python("foreign.py", address)
    assert backend.call("event", 2) == [2]


def test_a_backend_that_shows_no_sign_of_life_is_lost(client: Connect) -> None:
    with answering(lambda message_id: []) as address:
        start = time.monotonic()
        with pytest.raises(BackendLost, match="no sign of life"):
            client(address, heartbeat=0.2).call("event", 1)
        assert time.monotonic() - start < 5


def test_a_backend_that_computes_is_waited_for(serve: Serve, client: Connect) -> None:
    def slow() -> int:
        time.sleep(6)  # one is lost after 4.5 seconds without a sign of life
        return 7

    assert client(serve({"slow": Method(slow, queued=True)}), heartbeat=1.5).call("slow") == 7


@pytest.mark.parametrize(
    "garbage",
    [
        [{"message_id": b"1", "response_to": []}, "x", 0],
        [{"message_id": b"1", "v": 3, "response_to": b"nobody"}, "OK", [1]],
        [{"message_id": b"1", "v": 3}, "event", []],
        b"\xc1",
        b"",
        [1, 2],
    ],
)
def test_what_is_no_answer_is_left_out(client: Connect, garbage: Any) -> None:
    with answering(lambda message_id: [garbage, [header(message_id), "OK", ["good"]]]) as address:
        assert client(address).call("event", 1) == "good"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (["OK", [{1: 2}]], "Unreadable"),
        (["OK", []], "BadAnswer"),
        (["OK", {}], "BadAnswer"),
        (["ERR", []], "BadAnswer"),
        (["STREAM", [1]], "BadAnswer"),
        (["ERR", [7, {"a": 1}, None]], "7"),
        (["ERR", ["E", "m", None]], "E"),
    ],
)
def test_a_strange_answer_is_a_refusal(client: Connect, answer: list[Any], name: str) -> None:
    with answering(lambda message_id: [[header(message_id), *answer]]) as address:
        with pytest.raises(BackendRefused) as caught:
            client(address).call("event", 1)
        assert caught.value.name == name


def test_a_foreign_backend_offers_what_it_says(client: Connect, python: Program) -> None:
    _, address = python("foreign.py")
    backend = client(address)
    assert {name: backend.offers(name) for name in ("initialize", "event", "events", "attach", "stream")} == {
        "initialize": True,
        "event": True,
        "events": False,
        "attach": False,
        "stream": True,
    }
    assert backend.call("initialize", {}) == ["quotes"]
    with pytest.raises(BackendRefused, match="goog") as caught:
        backend.call("event", {"do": "fail"})
    assert caught.value.name == "KeyError"
    assert "Traceback" not in str(caught.value)
    with pytest.raises(BackendRefused, match="a key that is no text"):
        backend.call("event", {"do": "keys"})
    with pytest.raises(BackendRefused, match="STREAM"):
        backend.call("stream")
    assert backend.call("event", 1) == [1]


def test_what_is_offered_is_asked_once_for_a_connection(serve: Serve, client: Connect) -> None:
    backend = client(serve({"events": Method(lambda batch: [], queued=True)}))
    asked: list[str] = []
    call = backend.call
    backend.call = lambda method, *args, **options: asked.append(method) or call(method, *args, **options)  # type: ignore[method-assign]  # notes the calls
    assert [backend.offers(name) for name in ("events", "attach", "events", "event")] == [True, False, True, True]
    assert asked == ["_zerorpc_inspect"]


def test_a_backend_that_can_be_asked_nothing_offers_what_every_backend_has(client: Connect) -> None:
    with answering(lambda message_id: [[header(message_id), "ERR", ["NameError", "no such method", None]]]) as address:
        backend = client(address)
        assert (backend.offers("event"), backend.offers("events")) == (True, False)


def test_each_thread_has_a_client_of_its_own(serve: Serve) -> None:
    address = serve({"event": Method(lambda data: data, queued=True)})
    answers: queue.Queue[list[int]] = queue.Queue()

    def call(base: int) -> None:
        with Client(address) as backend:
            answers.put([backend.call("event", base + number) for number in range(50)])

    threads = [threading.Thread(target=call, args=(base,)) for base in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers.get(timeout=10)[0] for _ in threads) == [0, 100, 200]


def test_after_closing_the_next_call_connects_again(serve: Serve, client: Connect) -> None:
    backend = client(serve({"event": Method(lambda data: data, queued=True)}))
    assert backend.call("event", 1) == 1
    backend.close()
    backend.close()
    assert backend.call("event", 2) == 2
