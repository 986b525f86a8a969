"""What a part does to its process changes nothing else."""

import decimal
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from intuition_core import Signal
from intuition_core.account.amounts import plain_decimal
from intuition_core.determinism.apart import Apart, passing, unchanged
from intuition_core.session.batch_run import Item
from intuition_core.session.console import Console
from intuition_core.session.errors import ReplayDiffers
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import Session
from intuition_core.testing import quotes, strategy_of

INTUITION = (sys.executable, "-m", "intuition_core")

DOES: dict[str, str] = {
    "nothing": "",
    "decimal context": "import decimal; decimal.setcontext(decimal.Context(prec=5, rounding=decimal.ROUND_UP))",
    "decimal context in place": "import decimal; decimal.getcontext().prec = 4",
    "decimal traps": "import decimal; decimal.getcontext().traps[decimal.Inexact] = True",
    "decimal capitals": "import decimal; decimal.getcontext().capitals = 0",
    "decimal default": "import decimal; decimal.DefaultContext.prec = 3",
    "random seed": "import random; random.seed(1)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "environment": "import os; os.environ.clear()",
    "time zone": "import os, time; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()",
    "working folder": "import os; os.chdir('/')",
    "umask": "import os; os.umask(0o777)",
    "SIGINT": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "SIGTERM": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 1000)",
    "print": "print('noise')",
    "print of no line's end": "print('noise', end='')",
    "bytes": "import sys; sys.stdout.buffer.write(b'noise')",
    "descriptor": "import os; os.write(1, b'noise\\n')",
    "descriptor asked for": "import os, sys; os.write(sys.stdout.fileno(), b'noise\\n')",
    "process": "import subprocess; subprocess.run(['echo', 'noise'], check=True)",
    "standard output": "import io, sys; sys.stdout = io.StringIO()",
    "standard output closed": "import sys; sys.stdout.close()",
    "first standard output": "import sys; sys.__stdout__.write('noise')",
    "logging": "import logging; logging.disable(logging.CRITICAL)",
    "thread": "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
    "exit handler": "import atexit; atexit.register(print, 'noise')",
    "fork": "import os\nif not os.fork(): raise SystemExit(0)",
    "fork that returns": "import os; os.fork()",
    "fork that raises": "import os\nif not os.fork(): raise ValueError",
    "fork that is interrupted": "import os\nif not os.fork(): raise KeyboardInterrupt",
    "recursion": "import sys; sys.setrecursionlimit(150)",
    "warnings": "import warnings; warnings.simplefilter('error')",
}
"""What parts do to their process."""

PART = """
{imported}
from intuition_core import Signal


class Meddler:
    \"\"\"Buys and sells by turns.\"\"\"

    def initialize(self, params):
        self.n = 0
{initialized}

    def event(self, data):
        self.n += 1
        if self.n == 2:
            pass
{called}
        return Signal(data["sid"], "buy" if self.n % 2 else "sell", data["quote"])
"""

PRICES = "ts,sid,quote\n" + "".join(f"2024-01-{day:02},GOOG,{day}.1234567\n" for day in range(1, 12))


def write_part(folder: Path, doing: str, place: str) -> Path:
    path = folder / "meddler.py"
    given = dict.fromkeys(("imported", "initialized", "called"), "")
    indent = {"imported": "", "initialized": " " * 8, "called": " " * 12}[place]
    given[place] = textwrap.indent(doing, indent)
    path.write_text(PART.format(**given))
    (folder / "d.csv").write_text(PRICES)
    return path


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **{f"XDG_{name}_HOME": str(folder / name) for name in ("DATA", "STATE", "CONFIG")}}
    return subprocess.run(
        [*INTUITION, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def backtest(folder: Path) -> dict[str, Any]:
    ran = run(
        folder, "backtest", "--algo", "./meddler.py", "--portfolio", "fixed", "--cash", "12345678.91",
        "--data", "d.csv",
        "--json", "--report", "report.html", "--decisions", "decisions.jsonl",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = msgspec.json.decode(ran.stdout)
    assert (folder / "report.html").is_file()
    for name in ("run_s", "load_s", "events_per_s"):
        del told[name]
    told["decisions"] = (folder / "decisions.jsonl").read_text()
    told["noise"] = "noise" in ran.stderr
    return dict(told)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("plain")
    write_part(folder, "", "called")
    return backtest(folder)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["imported", "initialized", "called"])
@pytest.mark.parametrize("what", DOES)
def test_a_backtest_comes_to_the_same_whatever_a_part_does_to_its_process(
    what: str, place: str, plain: dict[str, Any], tmp_path: Path
) -> None:
    if what == "fork that is interrupted" and place != "called":
        pytest.skip("Ctrl-C while a part is imported or started ends the command")
    write_part(tmp_path, DOES[what], place)
    told = backtest(tmp_path)
    noisy = "noise" in DOES[what]
    assert told.pop("noise") is noisy
    assert told == {key: value for key, value in plain.items() if key != "noise"}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["print", "descriptor", "decimal context", "working folder", "thread", "locale"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--algo", "./meddler.py", "--portfolio", "fixed,naive", "--data", "d.csv", "--json"),
        ("show", "algorithm:./meddler.py", "--json"),
        ("check", "./meddler.py", "--json"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_other_commands_give_their_data_and_nothing_else(what: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    for place in ("imported", "initialized", "called"):
        write_part(tmp_path, DOES[what], place)
        ran = run(tmp_path, *arguments)
        assert ran.returncode == 0 or arguments[0] == "check", ran.stderr
        msgspec.json.decode(ran.stdout)


@pytest.mark.slow
def test_what_a_part_prints_has_its_name(tmp_path: Path) -> None:
    write_part(tmp_path, "print('a', 'b'); print('c')", "called")
    ran = run(tmp_path, "backtest", "--algo", "./meddler.py", "--data", "d.csv")
    assert ran.returncode == 0
    assert "algorithm meddler: a b\nalgorithm meddler: c\n" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("place", ["imported", "initialized", "called"])
@pytest.mark.parametrize("command", ["backtest", "compare"])
def test_a_part_that_ends_the_process_is_named(command: str, place: str, tmp_path: Path) -> None:
    write_part(tmp_path, "import os; os._exit(3)", place)
    portfolios = "fixed,naive" if command == "compare" else "fixed"
    ran = run(tmp_path, command, "--algo", "./meddler.py", "--portfolio", portfolios, "--data", "d.csv")
    assert ran.returncode == 1  # whatever the part wanted it to look like
    assert "algorithm meddler: ended the process, with exit code 3" in ran.stderr


# -- without a process of its own


def context_of(change: Callable[[decimal.Context], None]) -> decimal.Context:
    context = decimal.Context()
    change(context)
    return context


def test_a_batch_leaves_context_folder_and_handlers_as_they_were(tmp_path: Path) -> None:
    mine, folder, handler = decimal.getcontext(), Path.cwd(), signal.getsignal(signal.SIGINT)
    with passing():
        assert decimal.getcontext() is not mine
        decimal.getcontext().prec = 3
        os.chdir(tmp_path)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert decimal.getcontext() is mine
    assert mine.prec == 28
    assert Path.cwd() == folder
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("doing", [code for what, code in DOES.items() if "fork" not in what and "std" not in code])
def test_what_is_changed_meanwhile_is_put_back(doing: str) -> None:
    if any(word in doing for word in ("noise", "thread", "stdout")):
        return
    before = os.environ.copy(), Path.cwd(), signal.getsignal(signal.SIGTERM), sys.getrecursionlimit()
    prec = decimal.getcontext().prec, decimal.DefaultContext.prec
    with unchanged():
        exec(doing, {})
    assert (os.environ.copy(), Path.cwd(), signal.getsignal(signal.SIGTERM), sys.getrecursionlimit()) == before
    assert (decimal.getcontext().prec, decimal.DefaultContext.prec) == prec


def test_a_method_that_leaves_the_context_alone_is_called_bare_after_a_while() -> None:
    replaced = []
    apart = Apart(len, lambda apart, bare: replaced.append((apart, bare)))
    for _ in range(100):
        assert apart("ab") == 2
        if replaced:
            break
    assert replaced == [(apart, len)]


def test_a_method_that_changes_the_context_never_is() -> None:
    def change(prec: int) -> int:
        decimal.getcontext().prec = prec
        return prec

    apart = Apart(change, lambda *_: pytest.fail("it is not to be called bare"))
    before = decimal.getcontext().prec
    for prec in range(3, 203):
        assert apart(prec) == prec
        assert decimal.getcontext().prec == before


def test_what_is_given_one_by_one_is_given_in_the_part_s_call() -> None:
    def answers() -> Any:
        decimal.getcontext().prec = 2
        yield 1

    assert Apart(answers, lambda *_: None)() == (1,)
    assert decimal.getcontext().prec == 28


class Buyer:
    """Buys at every quote."""

    def initialize(self, params: Any) -> None:
        """Begin."""

    def event(self, data: Any) -> Signal:
        """Take a quote."""
        return Signal(data["sid"], "buy", data["quote"])


HOSTILE = decimal.Context(
    prec=1,
    rounding=decimal.ROUND_UP,
    capitals=0,
    traps=[decimal.Inexact, decimal.Rounded, decimal.FloatOperation, decimal.InvalidOperation],
)


def records_in(context: decimal.Context) -> list[Any]:
    with decimal.localcontext(context):
        engine = strategy_of(Buyer, cash=Decimal("12345678.912345"))
        return [dict(record) for event in quotes()[:40] for record in engine.step(event)]


def test_the_core_computes_the_same_in_whatever_context() -> None:
    assert records_in(HOSTILE) == records_in(decimal.Context())


@pytest.mark.parametrize("text", ["0.0000001", "12345678901234567890.5", "-0", "1E+3"])
def test_amounts_are_written_the_same_in_whatever_context(text: str) -> None:
    usual = plain_decimal(Decimal(text))
    with decimal.localcontext(HOSTILE):
        assert plain_decimal(Decimal(text)) == usual


class Failing:
    """A listener with a defect."""

    def __init__(self) -> None:
        self.heard = 0

    def __call__(self, records: Any) -> None:
        """Fail."""
        self.heard += 1
        raise decimal.InvalidOperation


def test_what_was_committed_is_answered_whatever_listeners_raise(caplog: pytest.LogCaptureFixture) -> None:
    session = Session(lambda: strategy_of(Buyer), journal=Journal(MEMORY), name="s")
    told: list[Any] = []
    failing = Failing()
    session.listen(failing)
    session.listen(told.extend)
    [records] = session.deliver([Item([quotes()[0]])])
    assert records == told
    assert failing.heard == 1
    assert "Failing failed with InvalidOperation" in caplog.text
    session.close()


class Changing:
    """Buys what the process says."""

    bought = "IBM"

    def initialize(self, params: Any) -> None:
        """Begin."""

    def event(self, data: Any) -> Signal:
        """Take a quote."""
        return Signal(self.bought, "buy", data["quote"])


@pytest.mark.parametrize("seeded", [False, True])
def test_a_journal_of_an_unseeded_process_that_differs_says_why_and_what_to_do(
    seeded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "s.sqlite")
    if seeded:
        journal.note(seeded_after=0)
    session = Session(lambda: strategy_of(Changing), journal=journal, name="s")
    session.deliver([Item([quotes()[0]])])
    monkeypatch.setattr(Changing, "bought", "MSFT")
    with pytest.raises(ReplayDiffers) as caught:
        list(replayed_events(strategy_of(Changing), journal))
    assert ("had the same hash seed" in str(caught.value)) is not seeded
    assert ("begin another session with --session NAME" in str(caught.value)) is not seeded
    session.close()


@pytest.mark.parametrize("cash", ["12345678.91", "1e28", "99999999999999999999999999999999.999"])
def test_the_console_tells_any_amount_in_any_context(cash: str, tmp_path: Path) -> None:
    record = {
        "type": "decision",
        "seq": 1,
        "ts": 0,
        "sid": "G",
        "side": "buy",
        "quote": 1.5,
        "cash": cash,
        "quantity": "1",
    }
    with (tmp_path / "out").open("w", encoding="utf-8") as stream, decimal.localcontext(HOSTILE):
        Console(stream)([record])
    assert "buying " in (tmp_path / "out").read_text()
