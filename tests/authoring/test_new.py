"""`intuition new`: what it writes is installed, listed, held to its contract, run and served."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from support import eventually

from intuition_core.cli.new import EXAMPLES

KINDS = list(EXAMPLES)


class Studio:
    """A fresh environment with a plugin of each kind installed, and where their distributions are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / "env" / "bin" / "python")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("INTUITION_", "PYTHON"))
        } | {"XDG_DATA_HOME": str(folder / "data"), "COLUMNS": "200"}

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def intuition(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.python, "-m", "intuition_core", *words, **environment)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    studio = Studio(tmp_path_factory.mktemp("studio"))
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv, to make environments quickly")
    made = studio.run(uv, "venv", "--quiet", "--python", sys.executable, "env")
    assert made.returncode == 0, made.stderr
    # The packages that it depends on, and the project itself, are those that run this test.
    site = next((studio.folder / "env").glob("lib/python*/site-packages"))
    folders = [path for path in sys.path if path.endswith("site-packages")]
    (site / "these.pth").write_text(f"import site; list(map(site.addsitedir, {folders!r}))\n")
    folders = []
    for kind in KINDS:
        begun = studio.intuition("new", kind, f"my-{kind}")
        assert begun.returncode == 0, begun.stderr
        folders.append(f"./intuition-my-{kind}")
    install = (uv, "pip", "install", "--quiet", "--no-deps", "--python", studio.python, *folders)
    installed = studio.run(*install, "--offline")
    if installed.returncode:  # nobody has built anything on this machine before
        installed = studio.run(*install)
    assert installed.returncode == 0, installed.stderr
    return studio


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_complete(studio: Studio, kind: str) -> None:
    folder = studio.folder / f"intuition-my-{kind}"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    module = f"intuition_my_{kind}"
    tests = f"tests/test_my_{kind}.py"
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".gitignore",
        f"{module}/__init__.py",
        f"{module}/py.typed",
        tests,
    } <= files
    assert "$" not in "".join((folder / name).read_text() for name in files if not name.startswith("build/"))


def test_all_are_listed(studio: Studio) -> None:
    listed = studio.intuition("list-plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    found = {row["name"]: row for row in json.loads(listed.stdout)}
    for kind in KINDS:
        row = found[f"my-{kind}"]
        assert (row["kind"], row["distribution"], row["status"]) == (kind, f"intuition-my-{kind}", "available")
        assert row["summary"] == EXAMPLES[kind].summary


def test_all_pass_their_own_tests(studio: Studio) -> None:
    tests = [f"intuition-my-{kind}/tests" for kind in KINDS]
    result = studio.run(
        studio.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error", *tests
    )
    assert result.returncode == 0, result.stdout


def test_all_are_tidy(studio: Studio) -> None:
    for kind in KINDS:
        folder = studio.folder / f"intuition-my-{kind}"
        for command in (("check", "--select", "E,F,I,B,UP"), ("format", "--check")):
            result = studio.run(sys.executable, "-m", "ruff", *command, "--no-cache", ".", cwd=folder)
            assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("words", "trades"),
    [
        (("--algo", "my-algorithm", "--source", "sample"), True),
        (("--algo", "sma-cross", "--portfolio", "my-portfolio", "--source", "sample"), True),
        (("--algo", "my-algorithm", "--source", "my-source"), True),
        (("--algo", "my-algorithm", "--source", "sample", "--param", "window=100000"), False),
    ],
)
def test_it_can_be_tried_on_history(studio: Studio, words: tuple[str, ...], trades: bool) -> None:
    result = studio.intuition("backtest", *words, "--json")
    assert result.returncode == 0, result.stderr
    assert (json.loads(result.stdout)["fills"] > 0) is trades


def test_a_risk_makes_orders_smaller(studio: Studio) -> None:
    command = EXAMPLES["risk"].command.format(part="my-risk")
    result = studio.run(
        "sh", "-c", f"{command} --decisions decisions.jsonl".replace("intuition", f"{studio.python} -m intuition_core")
    )
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in (studio.folder / "decisions.jsonl").read_text().splitlines()]
    bought = [float(record["cash"]) for record in records if record["type"] == "decision" and record["side"] == "buy"]
    assert max(bought) == 1000


@pytest.mark.parametrize(
    ("kind", "said"), [("instruments", "quoted in USD"), ("calendar", "no calendar is called `NEWYOK`")]
)
def test_what_is_known_of_symbols_is_asked_at_the_start(studio: Studio, kind: str, said: str) -> None:
    command = EXAMPLES[kind].command.format(part=f"my-{kind}") + " --json"
    command = command.replace("intuition ", f"{studio.python} -m intuition_core ")
    result = studio.run("sh", "-c", command)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["fills"] > 0
    result = studio.run("sh", "-c", command.replace("NEWYORK", "NEWYOK").replace("INTUITION_CURRENCY=USD", ""))
    assert (result.returncode, result.stdout) == (1, "")
    assert said in result.stderr


def test_it_can_be_served_and_fed_by_the_connector(studio: Studio) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    toml = '[[risks]]\nname = "my-risk"\n[[indicators]]\nname = "my-indicator"\nparams = { window = 2 }\n'
    (studio.folder / "served.toml").write_text(toml)
    (studio.folder / "events.jsonl").write_text(
        "".join(f'{{"goog": {quote}, "id": {quote}}}\n' for quote in (3, 2, 1, 4, 5))
    )
    parts = ("--algo", "my-algorithm", "--portfolio", "my-portfolio", "--param", "window=3")
    commands = (
        ("serve", *parts, "--config", "served.toml", "--no-journal", "--addr", address),
        ("connect", "--connector", "my-connector", "--rpc", address, "--param", "path=events.jsonl"),
    )
    with (studio.folder / "out").open("w") as out, (studio.folder / "err").open("w") as err:
        processes = [
            subprocess.Popen(
                (studio.python, "-m", "intuition_core", *words),
                cwd=studio.folder,
                env=studio.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            for words in commands
        ]
        try:
            # What a part prints goes to standard error, with its name.
            said = studio.folder / "err"
            eventually(lambda: '"type": "fill"' in said.read_text(), lambda: f"a fill in {said.read_text()}")
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait(30) for process in processes]
    assert codes == [0, 0]


# One file


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_alone_is_the_same_code(studio: Studio, kind: str) -> None:
    result = studio.intuition("new", kind, f"my-{kind}", "--file", "--into", "alone")
    assert result.returncode == 0, result.stderr
    module = studio.folder / f"intuition-my-{kind}" / f"intuition_my_{kind}" / "__init__.py"
    assert (studio.folder / "alone" / f"my_{kind}.py").read_text() == module.read_text()


def test_parts_in_files_are_traded_as_installed_ones_are(studio: Studio) -> None:
    for kind in ("algorithm", "portfolio", "source"):
        studio.intuition("new", kind, f"my-{kind}", "--file", "--into", "files")
    flags = {"--algo": "algorithm", "--portfolio": "portfolio", "--source": "source"}
    figures = []
    for reference in ("my-{}", "./files/my_{}.py"):
        words = [word for flag, kind in flags.items() for word in (flag, reference.format(kind))]
        result = studio.intuition("backtest", *words, "--json")
        assert result.returncode == 0, result.stderr
        figures.append(json.loads(result.stdout)["final_equity"])
    assert figures[0] == figures[1] != "10000"


# Refusals and questions


@pytest.fixture
def here(tmp_path: Path) -> Studio:
    studio = Studio(tmp_path)
    studio.python = sys.executable
    return studio


@pytest.mark.parametrize("words", [(), ("--file",)])
def test_nothing_is_overwritten(here: Studio, words: tuple[str, ...]) -> None:
    for path in ("intuition-mine/README.md", "mine.py"):
        (here.folder / path).parent.mkdir(exist_ok=True)
        (here.folder / path).write_text("precious")
    result = here.intuition("new", "risk", "mine", *words)
    assert result.returncode == 1
    assert "is there already, and nothing is overwritten" in result.stderr
    assert (here.folder / "intuition-mine/README.md").read_text() == (here.folder / "mine.py").read_text() == "precious"
    assert len(list(here.folder.rglob("*"))) == 3


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("algorithm", "MyAlgo"), 1, "did you mean `my-algo`?"),
        (("algorithm", "my_algo"), 1, "did you mean `my-algo`?"),
        (("algorithm", "../x"), 1, "did you mean `x`?"),
        (("algorithm", "1st"), 1, "begin with a letter"),
        (("algorithm",), 2, "intuition new algorithm NAME"),
        (("algoritm", "x"), 2, "'algoritm'"),
    ],
)
def test_mistakes_are_told(here: Studio, words: tuple[str, ...], code: int, says: str) -> None:
    result = here.intuition("new", *words)
    assert (result.returncode, result.stdout) == (code, "")
    assert says in result.stderr
    assert not list(here.folder.iterdir())


def test_what_people_say_of_it_can_hold_anything(here: Studio) -> None:
    said = 'Says "hello" \\ in\ntwo lines.'
    result = here.intuition("new", "risk", "intuition-mine", "--description", said, "--author", 'A "B" C')
    assert result.returncode == 0, result.stderr
    import tomllib

    project = tomllib.loads((here.folder / "intuition-mine/pyproject.toml").read_text())["project"]
    assert project["description"] == "Says 'hello' / in two lines"
    assert project["authors"] == [{"name": "A 'B' C"}]
    compile((here.folder / "intuition-mine/intuition_mine/__init__.py").read_text(), "mine", "exec")


def test_on_a_terminal_what_is_missing_is_asked(here: Studio) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "intuition_core", "new"],
        cwd=here.folder,
        env=here.environment,
        encoding="utf-8",
        timeout=30,
    )
    child.expect("What kind of part")
    child.sendline("indicator")
    child.expect("What is it called")
    child.sendline("mine")
    child.expect("What does it do")
    child.sendline("")
    child.expect("wrote intuition-mine")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (here.folder / "intuition-mine" / "pyproject.toml").is_file()
