"""The project's chores: ``uv run nox`` runs what a change must pass; ``nox -l`` lists the others.

The sessions run in the environment that nox itself runs in, which `uv run` has made from pyproject.toml.
"""

import os
import sys
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "layers", "constraints", "docs", "tests"]

PYTHON = ("python", "-W", "error::SyntaxWarning")

CACHED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Tests start many processes, which would otherwise compile anew all that they import where this is set."""


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
    """The import rule: model below session below edges (import-linter)."""
    session.run("lint-imports", "--no-cache")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of the core and of the plugins; arguments after ``--`` go to pytest.

    They run in several processes, one more than there are cores: many of them wait for processes of their own. The
    examples of properties are the same each time, so that a change is judged by what it changes; `pytest` draws others.
    """
    processes = f"--numprocesses={(os.cpu_count() or 1) + 1}"
    options = ("-m", "not chaos", processes, "--dist=worksteal", "--hypothesis-profile=ci")
    session.run(*PYTHON, "-m", "pytest", *options, *session.posargs, env=CACHED)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill everything 200 times, simulate 10,000 faulty worlds, send nonsense and too much; ``-- --full``: 1,000."""
    amount = session.posargs or ["--kills=200", "--seeds=10000"]
    session.run(*PYTHON, "-m", "pytest", "tests/chaos", "tests/rpc/test_fuzz.py", "-v", *amount, env=CACHED)


@nox.session
def bench(session: nox.Session) -> None:
    """Figures, as ratios against a reference in the same run; arguments after ``--`` choose benchmarks by name."""
    chosen = session.posargs or ["startup", "session", "mqtt", "backtest", "account"]
    for name in chosen:
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/site; a broken link or a name that is not there ends it."""
    if sys.version_info < (3, 11, 5):
        session.skip("what builds the documentation needs Python 3.11.5")
    session.run("zensical", "build", "--strict", "--clean")


@nox.session
def constraints(session: nox.Session) -> None:
    """Compare constraints.txt, for pip, with the tested versions in pyproject.toml; ``-- --write`` writes it."""
    file = Path("constraints.txt")
    pinned = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    text = "# Made by `nox -s constraints -- --write` from pyproject.toml.\n" + "".join(f"{line}\n" for line in pinned)
    if "--write" in session.posargs:
        file.write_text(text)
    elif not file.is_file() or file.read_text() != text:
        session.error("constraints.txt is not what pyproject.toml says; run: nox -s constraints -- --write")
