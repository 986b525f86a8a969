"""Keys as people use them: the command, a session that wants them, and what docs/security.md says."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, accepts, environment, eventually, free_port

from intuition_core.errors import BackendRefused, IntuitionError
from intuition_core.rpc.client import Client

BIN = Path(sys.executable).parent
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "security.md"
NODE_MODULES = Path(__file__).parent.parent / "node" / "node_modules"


def at_home(folder: Path, **variables: str) -> dict[str, str]:
    """Give an environment with folders of its own."""
    paths = {name: str(folder / "home" / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    return environment(PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", PYTHONUNBUFFERED="1", **paths) | variables


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of ours to its end."""

    def finish(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["intuition", *map(str, words)],
            cwd=tmp_path,
            env=at_home(tmp_path, **variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return finish


class Running:
    """A command that runs until it is ended, and all it has said."""

    def __init__(self, command: list[str], folder: Path, variables: dict[str, str]) -> None:
        self.said = ""
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=at_home(folder, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self._arrived:
                    self.said += line
                    self._arrived.notify_all()

    def wait_for(self, words: str) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: words in self.said, PATIENCE), f"no `{words}` in:\n{self.said}"

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self._reader.join(10)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a command of ours."""
    with ExitStack() as stack:

        def begin(*words: str | Path, **variables: str) -> Running:
            running = Running(["intuition", *map(str, words)], tmp_path, variables)
            stack.callback(running.end)
            return running

        yield begin


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A mosquitto of this test's own; gives its URL."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI", "").lower() in {"1", "true"} else pytest.skip)(
            "mosquitto is not installed"
        )
    port = free_port()
    file = tmp_path / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([program, "-c", str(file)], stderr=subprocess.DEVNULL) as process:
        eventually(lambda: accepts(port), "the broker")
        yield f"mqtt://127.0.0.1:{port}"
        process.terminate()


def secrets_in(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes().strip() for file in folder.glob("*.secret")}


def test_a_key_is_made_shown_and_listed(run: Any, tmp_path: Path) -> None:
    made = run("keys", "new", "desk", "--folder", "keys")
    public = (tmp_path / "keys" / "desk.public").read_text().strip()
    assert (made.returncode, made.stdout) == (0, f"{public}\n")
    assert "keys/desk.public: give it" in made.stderr
    assert "keys/desk.secret: keep it" in made.stderr
    assert stat.S_IMODE((tmp_path / "keys" / "desk.secret").stat().st_mode) == 0o600
    for half in ("public", "secret"):
        assert run("keys", "show", f"keys/desk.{half}").stdout == f"{public}\n"
    (tmp_path / "keys" / "other-one.public").write_text(public)
    (tmp_path / "keys" / "bad.public").write_text("nonsense")
    listed = run("keys", "list", "--folder", "keys")
    assert listed.returncode == 0
    assert f"desk       {public}  public and secret\n" in listed.stdout
    assert f"other-one  {public}  public\n" in listed.stdout
    pairs = json.loads(run("keys", "list", "--folder", "keys", "--json").stdout)
    assert pairs[1] == {"name": "desk", "public": public, "secret": True, "problem": None}
    assert (pairs[0]["name"], pairs[0]["public"]) == ("bad", None)
    assert "expected a key" in pairs[0]["problem"]


def test_keys_are_kept_in_the_platforms_folder(run: Any, tmp_path: Path) -> None:
    assert "There are no keys in" in run("keys", "list").stderr
    assert run("keys", "new", "desk").returncode == 0
    assert (tmp_path / "home" / "xdg_config_home" / "intuition" / "keys" / "desk.secret").is_file()
    assert run("keys", "list").stdout.startswith("desk  ")


def test_a_key_is_never_written_over(run: Any, tmp_path: Path) -> None:
    run("keys", "new", "desk", "--folder", "keys")
    before = secrets_in(tmp_path / "keys")
    again = run("keys", "new", "desk", "--folder", "keys")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == (
        "intuition: keys/desk.secret exists already: choose another name, or move the old key away first\n"
    )
    assert secrets_in(tmp_path / "keys") == before


@pytest.fixture
def keyed(run: Any, tmp_path: Path) -> Path:
    """Keys for a server, a desk and a monitor, the latter two allowed."""
    for name in ("server", "desk", "monitor"):
        run("keys", "new", name, "--folder", "keys").check_returncode()
    clients = tmp_path / "clients"
    clients.mkdir()
    (clients / "clients.toml").write_text('[monitor]\nmay = "read"\n')
    for name in ("desk", "monitor"):
        shutil.copy(tmp_path / "keys" / f"{name}.public", clients)
    return tmp_path / "keys"


SERVE = ("serve", "--algo", "random", "--seed", "1")


@pytest.mark.mosquitto
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_session_with_keys_tells_no_secret(
    start: Any, keyed: Path, tmp_path: Path, broker: str, log_format: str
) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    variables = {"INTUITION_RPC__KEY": "keys/server.secret", "INTUITION_RPC__CLIENTS": "clients"}
    common = ("-vv", "--log-format", log_format)
    server = start(*SERVE, "--addr", address, *common, **variables)
    server.wait_for("ready: session")
    keys = {"server_key": keyed / "server.public"}
    told: list[object] = []
    with Client(address, key=keyed / "desk.secret", **keys) as manager:
        told.append([manager.call("event", {"goog": 3.45 + n}) for n in range(20)])
        told += [manager.call("describe"), manager.call("account"), manager.call("_zerorpc_inspect")]
    with Client(address, key=keyed / "monitor.secret", **keys) as monitor:
        assert monitor.call("describe")["last_seq"] == 20
        with pytest.raises(BackendRefused, match="client `monitor` may only read"):
            monitor.call("event", {"goog": 3.45})
    with Client(address) as stranger, pytest.raises(IntuitionError, match="wants keys") as caught:
        stranger.call("describe")
    told.append(caught.value)
    connector = start(
        *("connect", "--mqtt", broker, "--rpc", address, *common),
        *("--key", "keys/desk.secret", "--server-key", (keyed / "server.public").read_text().strip()),
    )
    connector.wait_for("connected to the broker")
    for running in (connector, server):
        running.end()
    server.wait_for("refused `event` to monitor")
    server.wait_for("it gave no key")
    server.wait_for(f"public key is {(keyed / 'server.public').read_text().strip()}")
    everything = f"{server.said}{connector.said}{told!r}".encode()
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.suffix != ".secret":
            everything += file.read_bytes()
    for name, secret in secrets_in(keyed).items():
        assert secret not in everything, name
        assert json.dumps(secret.decode()).encode()[1:-1] not in everything, name


@pytest.mark.parametrize("given", ["flag", "variable", "file"])
def test_a_secret_in_the_place_of_its_file_is_not_shown(run: Any, keyed: Path, tmp_path: Path, given: str) -> None:
    secret = secrets_in(keyed)["server"].decode()
    words, variables = [*SERVE, "-vv", "--clients", "clients"], {}
    if given == "flag":
        words += [f"--key={secret}"]
    elif given == "variable":
        variables["INTUITION_RPC__KEY"] = secret
    else:
        (tmp_path / "intuition.toml").write_text(f"[rpc]\nkey = '{secret}'\n")
    result = run(*words, **variables)
    assert result.returncode == 1
    assert "expected the file of a secret key, got a key itself" in result.stderr
    assert secret not in result.stderr + result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*SERVE, "--key", "keys/server.secret"), "`key` is given, but not `clients`"),
        ((*SERVE, "--clients", "clients"), "`clients` is given, but not `key`"),
        ((*SERVE, "--key", "keys/no.secret", "--clients", "clients"), "keys/no.secret: there is no such file"),
        ((*SERVE, "--key", "keys/server.secret", "--clients", "no"), "clients no: the folder cannot be read"),
        ((*SERVE, "--addr", "tcp://192.0.2.1:4242"), "intuition keys new"),
        (("connect", "--key", "keys/desk.secret"), "`key` is given, but not `server_key`"),
        (("connect", "--key", "keys/desk.secret", "--server-key", "no"), "server_key no: there is no such file"),
    ],
)
def test_mistakes_are_one_line(run: Any, keyed: Path, words: tuple[str, ...], says: str) -> None:
    result = run(*words)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("intuition: ")]
    assert says in line
    assert "Traceback" not in result.stderr


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.mark.mosquitto
@pytest.mark.node
def test_what_the_document_says_works(start: Any, tmp_path: Path, broker: str) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    variables = {"INTUITION_RPC__ADDR": address, "INTUITION_CONNECTORS__MQTT__URL": broker}
    ready = {"intuition serve": "ready: session", "intuition connect": "connected to the broker"}
    started: list[Running] = []
    for line in "".join(blocks("sh")).splitlines():
        words = next((ready[command] for command in ready if line.startswith(command)), None)
        if words is None:
            subprocess.run(["sh", "-ec", line], cwd=tmp_path, env=at_home(tmp_path), check=True, timeout=60)
        else:
            started.append(start(*line.split()[1:], **variables))
            started[-1].wait_for(words)
    assert len(started) == 2
    commands = {"python": [sys.executable, "-c"], "js": ["node", "-e"]}
    for language, command in commands.items():
        (text,) = blocks(language)
        assert "tcp://127.0.0.1:4242" in text
        if language == "js" and not (shutil.which("node") and NODE_MODULES.is_dir()):
            continue  # tests/rpc/test_node.py says so where it matters
        shown = subprocess.run(
            [*command, text.replace("tcp://127.0.0.1:4242", address)],
            cwd=tmp_path,
            env=at_home(tmp_path, NODE_PATH=str(NODE_MODULES)),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "10000" in shown.stdout
