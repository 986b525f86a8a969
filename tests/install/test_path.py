"""What somebody does who has heard of the project: install it, look around, serve, call it, add a part of their own."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.node, pytest.mark.slow]

Row = tuple[str, str, str]

DISTRIBUTIONS = ("intuition-core", "intuition-random", "intuition-portfolio-kelly")
NAIVE = ("portfolio", "naive", "intuition-core")
RANDOM = ("algorithm", "random", "intuition-random")
KELLY = ("portfolio", "kelly", "intuition-portfolio-kelly")

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""


def listed(environment: Any) -> set[Row]:
    """Give the kind, name and distribution of all plugins; each has been imported and fits its kind."""
    rows = json.loads(environment.run("intuition", "list-plugins", "--check", "--strict", "--json"))
    return {(row["kind"], row["name"], row["distribution"]) for row in rows}


def records(answers: list[dict[str, Any]]) -> list[Row]:
    """Give the type, symbol and side of each record in the answers to events."""
    return [(record["type"], record["sid"], record["side"]) for answer in answers for record in answer["answer"]]


@pytest.mark.timeout(300)  # a machine that has nothing in its caches fetches and builds for a while
def test_from_wheels_to_a_part_of_ones_own(
    environment: Any,
    build: Callable[..., Sequence[Path]],
    start: Callable[..., Any],
    free: Callable[[], int],
    node_client: Callable[..., list[dict[str, Any]]],
) -> None:
    wheels = build(*DISTRIBUTIONS)
    assert len(wheels) == len(DISTRIBUTIONS)
    for wheel in wheels:
        files = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}
        assert {"py.typed", "licenses/LICENSE"} <= files, wheel.name

    environment.install(*map(str, wheels))
    environment.run("python", "-m", "pip", "check")
    imported = environment.run("python", "-c", IMPORT_ALL, *(name.replace("-", "_") for name in DISTRIBUTIONS))
    assert "intuition_core.rpc.server" in imported.split()
    assert listed(environment) == {NAIVE, RANDOM, KELLY}
    table = environment.run("intuition", "list-plugins")
    assert {"naive", "random", "kelly", "available", *DISTRIBUTIONS} <= set(table.split())

    def serve(algorithm: str, *words: str) -> tuple[Any, str]:
        address = f"tcp://127.0.0.1:{free()}"
        parts = ("--algo", algorithm, "--portfolio", "naive", "--seed", "7", *words)
        server = start(environment.program("intuition"), "serve", *parts, "--addr", address)
        server.line("ready: session")
        return server, address

    server, address = serve("random", "--param", "threshold=0")
    channels, *answers = node_client(address, {"cash": 50_000}, {"goog": 345}, {"sid": "GOOG", "quote": "346"})
    assert channels == {"call": "initialize", "answer": ["quotes"]}
    assert records(answers)[0] == ("decision", "goog", "buy")
    assert server.end() == 0

    environment.run("intuition", "new", "algorithm", "my-first")
    environment.install("./intuition-my-first")
    assert listed(environment) == {NAIVE, RANDOM, KELLY, ("algorithm", "my-first", "intuition-my-first")}
    server, address = serve("my-first", "--param", "window=3")
    channels, *answers = node_client(address, {}, *({"goog": quote} for quote in (3, 2, 1, 4, 5)))
    assert channels["answer"] == ["quotes"]
    assert records(answers) == [("decision", "goog", "buy"), ("fill", "goog", "buy")]
    assert server.end() == 0
