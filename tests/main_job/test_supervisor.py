"""A part that ends, hangs or bloats its process: the worker goes, another comes, and the session goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import eventually

from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.client import Client

WICKED = '''
import asyncio, ctypes, os, sys, time

from intuition_core import Signal


def recurse():
    recurse()


def eat():
    hoard = [b"x" * 2**24 for _ in range(20)]  # well over the limit, and at once: the deadline is near
    time.sleep(3600)


def cancelled():
    raise asyncio.CancelledError


DEEDS = {
    "raise": lambda: 1 / 0,
    "no memory": lambda: bytearray(2**62),
    "recurse": recurse,
    "nonsense": lambda: "buy!",
    "exit": lambda: sys.exit("enough"),
    "cancelled": cancelled,
    "leave": lambda: os._exit(0),
    "fail": lambda: os._exit(3),
    "crash": lambda: os.abort(),
    "spin": lambda: any(False for _ in iter(int, 1)),
    "sleep": lambda: time.sleep(3600),
    "hold": lambda: ctypes.PyDLL(None).sleep(3600),  # with the lock of the interpreter
    "eat": eat,
    "slow": lambda: time.sleep(0.3),
    "doze": lambda: time.sleep(6),
    "work": lambda: time.sleep(0.002),
}


class Wicked:
    def initialize(self, params):
        self.seen = 0
        deed = params.get("at_start")
        if deed:
            DEEDS[deed]()

    def event(self, data):
        self.seen += 1
        if "note" in data:
            open(data["note"], "w").close()
        answer = DEEDS[data["do"]]() if "do" in data else None
        return Signal(data["sid"], "buy", data["quote"]) if answer is None else answer


class Fickle:
    """Dies of what it took well before, when it is asked again."""

    def event(self, data):
        if os.path.exists("grudge"):
            os._exit(7)
        return Signal(data["sid"], "buy", data["quote"])
'''

CONFIGURATION = """
seed = 1
session = "wicked"
[algorithm]
name = "{algorithm}"
policy = "{policy}"
deadline = {deadline}
[worker]
memory = 250
[portfolio]
name = "naive"
params = {{ min_fraction = 0.0005, max_fraction = 0.001 }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder in which the wicked distribution is installed."""
    (tmp_path / "acme_wicked.py").write_text(WICKED)
    info = tmp_path / "acme_wicked-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-wicked\nVersion: 1.2\n")
    entries = "wicked = acme_wicked:Wicked\nfickle = acme_wicked:Fickle\n"
    (info / "entry_points.txt").write_text(f"[intuition.v1.algorithm]\n{entries}")
    return tmp_path


class Backend:
    """A served session, and a client that insists."""

    def __init__(self, process: Any, address: str) -> None:
        self.process = process
        self.address = address

    def call(self, method: str, *args: Any, seconds: float = 30) -> Any:
        """Call until there is an answer, as a connector does."""
        deadline = time.monotonic() + seconds
        while True:
            with Client(self.address, timeout=10) as client:
                try:
                    return client.call(method, *args)
                except BackendLost:
                    assert time.monotonic() < deadline, self.process.lines
            time.sleep(0.05)

    def event(self, number: int, **more: Any) -> list[dict[str, Any]]:
        event = {"id": f"e{number}", "sid": "GOOG", "quote": 100 + number, "ts": number, **more}
        return self.call("event", event)  # type: ignore[no-any-return]  # records

    def worker(self) -> int:
        pid = self.process.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        eventually(lambda: bool(children.read_text().split()))  # one may just have ended
        return int(children.read_text().split()[0])


@pytest.fixture
def served(folder: Path, start: Callable[..., Any], free: Callable[[], int]) -> Callable[..., Backend]:
    """Serve the wicked algorithm."""

    def begin(
        policy: str = "skip", *, algorithm: str = "wicked", deadline: float = 2, address: str | None = None
    ) -> Backend:
        (folder / "intuition.toml").write_text(
            CONFIGURATION.format(policy=policy, algorithm=algorithm, deadline=deadline)
        )
        address = address or f"tcp://127.0.0.1:{free()}"
        command = (sys.executable, "-m", "intuition_core", "serve", "--addr", address)
        process = start(*command, PYTHONPATH=str(folder))
        process.line("ready: session")
        return Backend(process, address)

    return begin


def replayed(folder: Path) -> dict[str, Any]:
    """Replay the session, each record held against the journal's."""
    said = typed(folder, 0, "replay", "wicked", "--json")
    return json.loads(said.splitlines()[-1])  # type: ignore[no-any-return]  # an object


def typed(folder: Path, code: int, *words: str) -> str:
    """Run a command to its end, which is to have that exit code; give what it said, the results last."""
    command = (sys.executable, "-m", "intuition_core", *words)
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_DATA_HOME": str(folder / "data")}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stderr + ran.stdout


def types(records: list[dict[str, Any]]) -> list[str]:
    return [record["type"] for record in records]


def gone(pid: int) -> bool:
    """Wait until a process has ended."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    return eventually(ended, f"the end of process {pid}")


DEADLY = {
    "leave": "the process ended with exit code 0",
    "crash": "the process ended by SIGABRT",
    "spin": "the process hung for 3 s and was ended",
    "hold": "the process hung for 3 s and was ended",
    "eat": "the process used more than 250 MiB of memory and was ended",
}
BENIGN = {
    "raise": "ZeroDivisionError",
    "no memory": "MemoryError",
    "recurse": "RecursionError",
    "nonsense": "expected a Signal",
    "exit": "SystemExit: enough",
    "cancelled": "CancelledError",
}


def test_an_event_that_a_part_fails_at_is_skipped_and_the_others_are_decided_as_ever(
    served: Callable[..., Backend], folder: Path
) -> None:
    backend = served("skip", deadline=3)  # a busy machine takes its time to eat the memory
    assert types(backend.event(0)) == ["decision"]
    number = 1
    for deed, problem in (BENIGN | DEADLY).items():
        records = backend.event(number, do=deed)
        assert types(records) == ["fill", "error"], deed
        error = records[1]
        assert problem in error["problem"]
        assert ("not called for this event" in error["problem"]) == (deed in DEADLY)
        assert (error["part"], error["distribution"], error["version"]) == ("wicked", "acme-wicked", "1.2")
        assert (error["seq"], error["event_id"]) == (number + 1, f"e{number}")
        assert backend.event(number, do=deed) == records  # it is known, and stays what it was
        assert types(backend.event(number + 1)) == ["decision"]
        number += 2
    assert backend.call("describe")["quarantined"] == []
    account = backend.call("account")
    assert backend.process.end() == 0
    again = replayed(folder)
    assert again["events"] == number
    assert again["account"] == account


@pytest.mark.parametrize("deed", ["raise", "fail", "sleep"])
def test_a_part_in_quarantine_is_silent_and_stays_there(
    served: Callable[..., Backend], folder: Path, deed: str
) -> None:
    backend = served("quarantine")
    assert types(backend.event(0)) == ["decision"]
    assert types(backend.event(1, do=deed)) == ["fill", "error"]
    assert backend.event(2) == []
    os.kill(backend.worker(), signal.SIGKILL)
    assert backend.event(3, do="fail") == []
    (quarantine,) = backend.call("describe")["quarantined"]
    assert (quarantine["kind"], quarantine["name"], quarantine["seq"]) == ("algorithm", "wicked", 2)
    assert quarantine["problem"]
    backend.process.end()
    backend = served("skip")
    assert backend.event(4) == []
    assert len(backend.call("describe")["quarantined"]) == 1
    backend.process.end()
    assert replayed(folder)["events"] == 5


def test_a_quarantine_is_lifted_by_a_person_while_the_session_is_at_rest(
    served: Callable[..., Backend], folder: Path
) -> None:
    backend = served("quarantine")
    backend.event(0)
    backend.event(1, do="fail")
    assert backend.event(2) == []
    assert "being served by another process" in typed(folder, 1, "sessions", "release", "wicked", "wicked")
    assert backend.process.end() == 0
    shown = typed(folder, 0, "sessions", "show", "wicked")
    assert "in quarantine since event 2: algorithm:wicked: the process ended with exit code 3" in shown
    refused = typed(folder, 1, "sessions", "release", "wicked", "wickd")
    assert "no part `wickd` of session `wicked` is in quarantine; in quarantine: `algorithm:wicked`" in refused
    backend = served("quarantine")
    told = backend.process.line("in quarantine since event 2: algorithm wicked (acme-wicked 1.2): the process ended")
    command = told.split("`")[1].split()
    backend.process.end()
    assert command[1:] == ["sessions", "release", "wicked", "algorithm:wicked"]
    said = typed(folder, 0, *command[1:])
    assert said == "algorithm:wicked is called again after event 3; it was in quarantine since event 2\n"
    assert "no part is" in typed(folder, 1, *command[1:])
    backend = served("quarantine")
    assert backend.call("describe")["quarantined"] == []
    assert types(backend.event(4)) == ["decision"]
    backend.process.end()
    assert replayed(folder)["events"] == 4


@pytest.mark.parametrize("deed", ["raise", "fail"])
def test_a_session_whose_part_must_not_fail_takes_no_more_until_a_person_starts_it(
    served: Callable[..., Backend], folder: Path, deed: str
) -> None:
    backend = served("raise")
    backend.event(0)
    if deed == "raise":
        assert types(backend.event(1, do=deed)) == ["fill", "error"]
    else:
        with pytest.raises(BackendRefused, match=r"acme-wicked 1\.2"):
            backend.event(1, do=deed)
    taken = backend.call("describe")["last_seq"]
    for _ in range(2):
        with pytest.raises(BackendRefused, match=r"takes no more events: .*wicked.*its policy is `raise`"):
            backend.event(2)
        with suppress(BackendRefused):
            os.kill(backend.worker(), signal.SIGKILL)
            backend.process.line("starting it again")
    described = backend.call("describe")
    assert described["last_seq"] == taken
    assert "wicked" in described["halted"]
    assert backend.call("account")["cash"]
    assert backend.process.end() == 0
    backend = served("skip")
    assert backend.event(2)
    assert types(backend.event(3, do=deed)) == ["fill", "error"]
    backend.process.end()
    replayed(folder)


def test_of_a_batch_only_the_event_that_kills_is_lost_on_the_part(served: Callable[..., Backend], folder: Path) -> None:
    backend = served("skip")
    epoch = backend.call("attach", "tester")["epoch"]
    batch = [{"sid": "GOOG", "quote": n + 1, "ts": n, **({"do": "fail"} if n in (3, 7) else {})} for n in range(10)]
    deliveries = [[f"tester:{epoch}:{n}", n, "quotes", str(n)] for n in range(10)]
    replies = backend.call("events", batch, {"client": "tester", "epoch": epoch, "deliveries": deliveries})
    spared = [n for n, reply in enumerate(replies) if "error" in types(reply)]
    assert spared == [3, 7]
    assert [n for n, reply in enumerate(replies) if "decision" in types(reply)] == [0, 1, 2, 4, 5, 6, 8, 9]
    backend.process.end()
    assert replayed(folder)["by_type"] == {"decision": 8, "fill": 7, "error": 2}


def test_status_is_told_while_a_part_hangs(served: Callable[..., Backend]) -> None:
    backend = served("skip", deadline=10)
    backend.event(0)
    answered = []
    caller = threading.Thread(target=lambda: answered.extend(backend.event(1, do="doze")))
    caller.start()
    with Client(backend.address, timeout=5) as client:
        while not answered:
            began = time.monotonic()
            assert client.call("account")["seq"] in (1, 2)
            assert client.call("describe")["halted"] is None
            assert time.monotonic() - began < 3  # half of what the part takes
            time.sleep(0.01)
    caller.join()


def test_the_same_client_goes_on_after_the_worker_was_killed(served: Callable[..., Backend]) -> None:
    backend = served("skip")
    with Client(backend.address, timeout=10) as client:
        first = client.call("event", {"id": 1, "sid": "GOOG", "quote": 1, "ts": 1})
        worker = backend.worker()
        os.kill(worker, signal.SIGKILL)
        backend.process.line("ended by SIGKILL; starting it again")
        while True:
            with suppress(BackendLost):
                assert client.call("event", {"id": 1, "sid": "GOOG", "quote": 1, "ts": 1}) == first
                break
    assert backend.worker() != worker
    assert backend.process.process.poll() is None


def test_a_worker_that_is_killed_from_outside_blames_nobody(served: Callable[..., Backend], folder: Path) -> None:
    backend = served("skip")
    caller = threading.Thread(target=backend.event, args=(0,), kwargs={"do": "slow", "note": "called"})
    caller.start()
    eventually((folder / "called").exists)
    os.kill(backend.worker(), signal.SIGKILL)
    caller.join()
    assert types(backend.event(0, do="slow", note="called")) == ["decision"]
    backend.process.end()
    assert replayed(folder)["by_type"] == {"decision": 1}


def test_the_worker_ends_with_its_supervisor(served: Callable[..., Backend]) -> None:
    backend = served("skip")
    worker = backend.worker()
    os.kill(backend.process.process.pid, signal.SIGKILL)
    assert gone(worker)


@pytest.mark.parametrize("deed", ["fail", "sleep"])
def test_a_part_that_cannot_even_be_initialised_is_named_and_nothing_is_tried_again(
    folder: Path, start: Callable[..., Any], free: Callable[[], int], deed: str
) -> None:
    (folder / "intuition.toml").write_text(CONFIGURATION.format(policy="skip", algorithm="wicked", deadline=0.6))
    command = (sys.executable, "-m", "intuition_core", "serve", "--addr", f"tcp://127.0.0.1:{free()}")
    process = start(*command, "--param", f"at_start={deed}", PYTHONPATH=str(folder))
    said = process.line("algorithm wicked (acme-wicked 1.2)", "while it was initialised")
    assert ("exit code 3" if deed == "fail" else "hung for 0.6 s") in said
    assert process.process.wait(10) != 0
    assert len(process.lines) == 1


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("time.sleep(3600)", "hung for 2 s and was ended"),
        ("ctypes.PyDLL(None).sleep(3600)", "hung for 2 s and was ended"),
        ("os._exit(1)", "ended with exit code 1"),
        ("os.abort()", "ended by SIGABRT"),
    ],
)
@pytest.mark.parametrize("kind", ["algorithm", "hooks"])
def test_a_plugin_whose_import_does_not_come_to_an_end_is_named_with_what_to_do(
    folder: Path, start: Callable[..., Any], free: Callable[[], int], kind: str, code: str, ended: str
) -> None:
    (folder / "acme_stuck.py").write_text(f"import ctypes, os, time\n{code}\n")
    points = folder / "acme_wicked-1.2.dist-info" / "entry_points.txt"
    group = "" if kind == "algorithm" else f"[intuition.v1.{kind}]\n"
    points.write_text(f"{points.read_text()}{group}stuck = acme_stuck:Stuck\n")
    chosen = {
        "algorithm": '[algorithm]\nname = "stuck"',
        "hooks": 'hooks.enabled = ["stuck"]\n[algorithm]\nname = "wicked"',
    }
    (folder / "intuition.toml").write_text(f"{chosen[kind]}\n[worker]\nimport_deadline = 2\n")
    command = (sys.executable, "-m", "intuition_core", "serve", "--addr", f"tcp://127.0.0.1:{free()}")
    process = start(*command, PYTHONPATH=str(folder))
    process.line(
        f"{kind} `stuck` (acme-wicked 1.2): the process {ended} while it was imported",
        "`intuition list-plugins --check`",
        "`import_deadline` in [worker]",
    )
    assert process.process.wait(10) == 1
    assert len(process.lines) == 1


def test_a_hook_that_would_not_be_called_is_told_with_where_it_was_enabled(
    folder: Path, start: Callable[..., Any], free: Callable[[], int]
) -> None:
    (folder / "acme_deaf.py").write_text(
        "from intuition_core import hookimpl\n\n\n"
        "class Deaf:\n    @hookimpl\n    def fill(self, price):\n        pass\n"
    )
    points = folder / "acme_wicked-1.2.dist-info" / "entry_points.txt"
    points.write_text(f"{points.read_text()}[intuition.v1.hooks]\ndeaf = acme_deaf:Deaf\n")
    (folder / "intuition.toml").write_text('hooks.enabled = ["deaf"]\n[algorithm]\nname = "wicked"\n')
    command = (sys.executable, "-m", "intuition_core", "serve", "--addr", f"tcp://127.0.0.1:{free()}")
    process = start(*command, PYTHONPATH=str(folder))
    process.line("intuition.toml: [hooks] `enabled`", "hook plugin deaf", "{'price'}", "docs/reference/hooks.md")
    assert process.process.wait(10) == 1


def test_a_plugin_that_takes_its_time_to_be_imported_is_waited_for_not_in_silence(
    served: Callable[..., Backend], folder: Path
) -> None:
    wicked = folder / "acme_wicked.py"
    wicked.write_text(f"import time\ntime.sleep(3.5)\n{wicked.read_text()}")
    backend = served("skip")
    assert backend.process.lines[0] == "loading algorithm `wicked` (acme-wicked 1.2) …"


def test_a_part_that_dies_of_what_it_took_before_does_not_make_a_loop(
    served: Callable[..., Backend], folder: Path
) -> None:
    backend = served("skip", algorithm="fickle")
    for number in range(3):
        backend.event(number)
    (folder / "grudge").touch()
    os.kill(backend.worker(), signal.SIGKILL)
    assert backend.process.process.wait(20) == 1
    said = " ".join(backend.process.lines)
    assert "in algorithm fickle (acme-wicked 1.2) at event 1" in said
    assert "event 1 causes another record than the journal holds" in said


def test_a_users_mistake_is_said_once_and_ends_it(folder: Path, start: Callable[..., Any]) -> None:
    for words, code in ((("--algo", "wickd"), 1), (("--algo", "wicked", "--addr", "nowhere"), 1), (("--algro",), 2)):
        process = start(sys.executable, "-m", "intuition_core", "serve", *words, PYTHONPATH=str(folder))
        assert process.process.wait(20) == code
        process.end()
        assert sum("intuition:" in line or "Error" in line for line in process.lines) == 1, process.lines


@pytest.fixture
def in_flight(
    served: Callable[..., Backend], folder: Path
) -> Iterator[Callable[[str], tuple[Backend, list[Any], threading.Thread]]]:
    """Have a call in flight."""
    threads = []

    def begin(deed: str) -> tuple[Backend, list[Any], threading.Thread]:
        backend = served("skip", deadline=20)
        answers: list[Any] = []

        def call() -> None:
            with Client(backend.address, timeout=10) as client, suppress(BackendLost):
                answers.extend(client.call("event", {"sid": "GOOG", "quote": 1, "note": "called", "do": deed}))

        caller = threading.Thread(target=call)
        caller.start()
        threads.append(caller)
        eventually((folder / "called").exists)
        return backend, answers, caller

    yield begin
    for thread in threads:
        thread.join()


def test_ctrl_c_answers_the_call_in_flight_and_ends(in_flight: Callable[..., Any]) -> None:
    backend, answers, caller = in_flight("slow")
    began = time.monotonic()
    os.killpg(backend.process.process.pid, signal.SIGINT)  # as a terminal does
    assert backend.process.process.wait(10) == 0
    assert time.monotonic() - began < 8
    caller.join()
    assert types(answers) == ["decision"]
    assert backend.process.line("stopped: session wicked after 1 events")


def test_a_second_ctrl_c_does_not_wait(in_flight: Callable[..., Any], folder: Path) -> None:
    backend, answers, _ = in_flight("doze")
    worker = backend.worker()
    os.killpg(backend.process.process.pid, signal.SIGINT)
    time.sleep(1.2)  # half a second counts as one, and a busy machine may bring the first late
    os.killpg(backend.process.process.pid, signal.SIGINT)
    assert backend.process.process.wait(4) == 130  # the part takes longer
    assert gone(worker)
    assert answers == []


def test_a_session_that_takes_no_more_loses_no_message(
    served: Callable[..., Backend], intuition: Callable[..., Any], mosquitto: str, port: int, listen: Callable[..., Any]
) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    intuition("broker", "--port", str(port)).line("ready")
    backend = served("raise")
    connector = intuition("connect", "--mqtt", url, "--rpc", backend.address)
    connector.line("connected to the broker")
    world = listen(url, "intuition/1/wicked/+")
    for number, deed in enumerate(("work", "fail", "work", "work")):
        world.publish("quotes", {"sid": "GOOG", "quote": 100 + number, "do": deed})
    connector.line("takes no more events", "retrying")
    assert backend.process.end() == 0
    served("skip", address=backend.address)
    seen = [world.next(topic)["seq"] for topic in ("/decisions", "/errors", "/decisions", "/decisions")]
    assert seen == [1, 2, 3, 4]


def memory(pid: int) -> int:
    """Give how much memory a process uses, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_many_times_too_many_events_are_all_decided_in_bounded_memory(
    served: Callable[..., Backend], intuition: Callable[..., Any], mosquitto: str, port: int, listen: Callable[..., Any]
) -> None:
    """The part does 500 events a second at most; all are there at once."""
    total = 1500
    url = f"mqtt://127.0.0.1:{port}"
    intuition("broker", "--port", str(port)).line("ready")
    backend = served("skip")
    connector = intuition("connect", "--mqtt", url, "--rpc", backend.address)
    connector.line("connected to the broker")
    world = listen(url, "intuition/1/wicked/#")
    for number in range(total):
        event = {"sid": "GOOG", "quote": 100 + number, "do": "work", "pad": "x" * 1000}
        world.publish_soon("quotes", json.dumps(event).encode())
    quotes = [world.next("/decisions")["quote"]]
    pids = (backend.worker(), connector.process.pid)
    before = [memory(pid) for pid in pids]
    most = list(before)
    while len(quotes) < total:
        quotes.append(world.next("/decisions")["quote"])
        if len(quotes) % 100 == 0:
            most = [max(pair) for pair in zip(most, map(memory, pids), strict=True)]
    assert quotes == [100 + number for number in range(total)]
    assert all(now - then < 30 * 2**20 for now, then in zip(most, before, strict=True))
    assert connector.end() == 0
    assert backend.process.end() == 0
