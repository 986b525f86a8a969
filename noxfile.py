"""The project's chores: ``uv run nox`` runs what a change must pass; ``nox -l`` lists the others.

The sessions run in the environment that nox itself runs in, which `uv run` has made from pyproject.toml; `versions` and
`other` make environments of other Pythons the same way.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "layers", "deps", "constraints", "docs", "tests"]

PYTHON = ("python", "-W", "error::SyntaxWarning")

CACHED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Tests start many processes, which would otherwise compile anew all that they import where this is set."""


PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""The Pythons that the tests are for, the oldest first."""

PROGRAMS = (
    "plugins/intuition-compare",
    "plugins/intuition-connector-mqtt",
    "plugins/intuition-indicators/tests/test_indicate.py",
    "plugins/intuition-report/tests/test_page.py",
    "plugins/intuition-venue/tests/test_ccxt.py",
    "plugins/intuition-venue/tests/test_command.py",
    "tests/authoring",
    "tests/backtest/test_command.py",
    "tests/backtest/test_guide.py",
    "tests/backtest/test_parity.py",
    "tests/backtest/test_several.py",
    "tests/chaos",
    "tests/docs",
    "tests/install/test_path.py",
    "tests/main_job",
    "tests/cli/test_keys.py",
    "tests/cli/test_list_plugins.py",
    "tests/testing/test_check.py",
    "tests/tooling",
)
"""Tests that start programs and wait for them: two thirds of the time that all take."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting (ruff)."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types (mypy)."""
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """The import rules (import-linter), the face that plugins import, sizes and words."""
    session.run("lint-imports", "--no-cache")
    session.run(*PYTHON, "tools/face.py")
    session.run(*PYTHON, "tools/house.py")


@nox.session
def deps(session: nox.Session) -> None:
    """Hold what each distribution imports against what it declares (deptry).

    What is declared and never imported is named with its reason in the distribution's pyproject.toml.
    """
    session.run("deptry", "intuition_core")
    for project in sorted(Path("plugins").glob("*/pyproject.toml")):
        with session.chdir(project.parent):
            session.run("deptry", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of the core and of the plugins; arguments after ``--`` go to pytest.

    They run in several processes, one more than there are cores: many of them wait for processes of their own. The
    examples of properties are the same each time, so that a change is judged by what it changes; `pytest` draws others.
    """
    _test(session, Path(sys.prefix), *session.posargs)


@nox.session
@nox.parametrize("version", [nox.param(version, id=version) for version in PYTHONS])
def versions(session: nox.Session, version: str) -> None:
    """The same on each Python from 3.11 to 3.14 that is there; ``nox -s "versions(3.13)"`` runs one.

    Each has an environment of its own in .nox. A Python is looked for on PATH, in pyenv's folder and among those that
    uv has installed; none is downloaded.
    """
    interpreter = _find(version)
    if interpreter is None:
        session.skip(f"there is no Python {version} on PATH, in pyenv's folder or among uv's")
    _test(session, _environment(session, version, interpreter), *session.posargs)


@nox.session
def other(session: nox.Session) -> None:
    """The tests that start few programs, on the newest Python there is besides; on the oldest if this is the newest.

    What differs between Pythons is seen within a process: warnings, types, sums, what is closed. `versions` runs all
    tests on each.
    """
    present = sys.version_info[:2]
    found = {version: _find(version) for version in PYTHONS if _number(version) != present}
    others = [(version, interpreter) for version, interpreter in found.items() if interpreter is not None]
    if not others:
        session.skip("there is no other Python on PATH, in pyenv's folder or among uv's")
    version, interpreter = others[0] if _number(others[-1][0]) < present else others[-1]
    _test(
        session,
        _environment(session, version, interpreter),
        *(f"--ignore={each}" for each in PROGRAMS),
        *session.posargs,
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _find(version: str) -> str | None:
    """Give the path of an interpreter of this version; None where there is none."""
    # pyenv's own commands on PATH end with an error for each version but the one that was chosen.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [str(folder) for folder in pyenv.glob(f"versions/{version}.*/bin")]
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    found = subprocess.run(
        ["uv", "python", "find", "--system", "--no-project", "--no-python-downloads", version],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else None


def _environment(session: nox.Session, version: str, interpreter: str) -> Path:
    """Make the environment of a Python, or bring it up to date; give its folder."""
    folder = Path(".nox", f"python-{version}").absolute()
    command = ("uv", "sync", "--quiet", "--no-python-downloads", "--python", interpreter)
    session.run(*command, env={"UV_PROJECT_ENVIRONMENT": str(folder)})
    return folder


def _test(session: nox.Session, environment: Path, *options: str) -> None:
    """Run tests in an environment, as from a shell in which it is active."""
    programs = environment / "bin"
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    processes = f"--numprocesses={(os.cpu_count() or 1) + 1}"
    if patience := os.environ.get("TESTS_PATIENCE"):  # as in tests/support/waiting.py
        options = (f"--timeout={120 * float(patience):.0f}", *options)
    session.run(
        str(programs / "python"),
        *PYTHON[1:],
        *("-m", "pytest", "-m", "not chaos", processes, "--dist=worksteal", "--hypothesis-profile=ci"),
        *options,
        env={**CACHED, "PATH": path, "VIRTUAL_ENV": str(environment)},
        external=True,
    )


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines the tests run, of all their processes together; ``build/coverage/html`` shows it.

    Programs that tests start are not measured: what runs in those alone counts as not run.
    """
    Path("build/coverage").mkdir(parents=True, exist_ok=True)
    options = ("--cov", "--cov-report=term:skip-covered", "--cov-report=html")
    _test(session, Path(sys.prefix), *options, *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Check, build, try and tag a version of all distributions: ``nox -s release -- 0.2.0``; ``--dry`` changes nothing.

    Nothing is pushed or uploaded.
    """
    if not session.posargs:
        session.error("say which version: nox -s release -- 0.2.0, or nox -s release -- 0.2.0 --dry")
    session.run("nox")
    session.run(*PYTHON, "tools/release.py", *session.posargs)


FUZZ = ("tests/rpc/test_fuzz.py", "tests/rpc/test_fuzz_arguments.py")


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill everything 200 times, simulate 10,000 faulty worlds, send nonsense and too much; ``-- --full``: 1,000.

    Each command is also run in each odd environment.
    """
    amount = session.posargs or ["--kills=200", "--seeds=10000"]
    session.run(
        *PYTHON,
        "-m",
        "pytest",
        "tests/chaos",
        *FUZZ,
        "tests/cli/test_odd_environments.py",
        "tests/research/test_call.py",
        "-v",
        *amount,
        env=CACHED,
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Figures, as ratios against a reference in the same run; arguments after ``--`` choose benchmarks by name."""
    every = ("startup", "session", "mqtt", "backtest", "targets", "account", "symbols", "memory", "notebook")
    chosen = session.posargs or every
    for name in chosen:
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/site; a broken link ends it.

    What the code defines of the pages is written by ``python docs/reference.py``, what is drawn by
    ``python docs/drawings.py`` and ``python docs/pictures.py``.
    """
    if sys.version_info < (3, 11, 5):
        session.skip("what builds the documentation needs Python 3.11.5")
    session.run("zensical", "build", "--strict", "--clean")


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what is pinned, and licences of what is needed; says so where it cannot look them up."""
    code = subprocess.run([sys.executable, *PYTHON[1:], "tools/audit.py"], check=False).returncode
    if code == 3:
        session.skip("not audited: the service that knows vulnerabilities cannot be reached")
    if code:
        session.error("something was found; it is named above")


@nox.session
def constraints(session: nox.Session) -> None:
    """Compare constraints.txt and hashes.txt, for pip, with the tested versions in pyproject.toml.

    ``-- --write`` writes both; the hashes come from uv.lock, which ``uv sync`` makes.
    """
    file = Path("constraints.txt")
    pinned = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    text = "# Made by `nox -s constraints -- --write` from pyproject.toml.\n" + "".join(f"{line}\n" for line in pinned)
    hashes = Path("hashes.txt")
    if "--write" in session.posargs:
        file.write_text(text)
        hashes.write_text(f"# Made by `nox -s constraints -- --write` from uv.lock.\n{_hashes()}")
    elif not file.is_file() or file.read_text() != text:
        session.error("constraints.txt is not what pyproject.toml says; run: nox -s constraints -- --write")
    elif set(pinned) - {line.split(" ", 1)[0] for line in hashes.read_text().splitlines()}:
        session.error("hashes.txt is not what pyproject.toml says; run: nox -s constraints -- --write")


def _hashes() -> str:
    """Return what is pinned with the hashes of its files, as `pip install --require-hashes` takes it."""
    command = ("uv", "export", "--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace")
    done = subprocess.run((*command, "--no-header", "--no-annotate"), capture_output=True, text=True, check=True)
    return done.stdout
