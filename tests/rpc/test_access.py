import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intuition_core.rpc.access import PAUSE, Access, AllowedClient, AllowedClients, BadClients, IncompleteAccess

Lines = Callable[[int], list[str]]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowed(keyring: Any, clock: Clock) -> Callable[..., AllowedClients]:
    return lambda: AllowedClients(keyring.clients, clock=clock)


def changed(clients: AllowedClients, clock: Clock) -> dict[str, str]:
    """What the folder says after a while, by name."""
    clock.now += 2 * PAUSE
    clients.find("")
    return {client.name: client.may for client in clients._clients.values()}


def refused(keyring: Any) -> str:
    with pytest.raises(BadClients) as caught:
        AllowedClients(keyring.clients)
    assert str(keyring.clients) in str(caught.value)
    return str(caught.value)


def test_clients_drive_unless_the_table_says_otherwise(keyring: Any, allowed: Any) -> None:
    keyring.allow("desk")
    keyring.allow("other", '[monitor]\nmay = "read"\n[other]\nmay = "drive"\n')
    keyring.allow("monitor")
    keyring.make("stranger")
    clients = allowed()
    assert clients.find(keyring.public("desk")) == AllowedClient("desk", "drive")
    assert clients.find(keyring.public("other")) == AllowedClient("other", "drive")
    assert clients.find(keyring.public("monitor")) == AllowedClient("monitor", "read")
    assert clients.find(keyring.public("stranger")) is None
    assert (len(clients), str(clients)) == (3, "desk (drive), monitor (read), other (drive)")


def test_what_is_no_public_key_does_not_count(keyring: Any, allowed: Any) -> None:
    keyring.allow("desk")
    shutil.copy(keyring.secret("server"), keyring.clients)
    (keyring.clients / ".desk.public").write_text("an editor's")
    (keyring.clients / "notes.txt").write_text("hello")
    assert str(allowed()) == "desk (drive)"


def test_an_empty_folder_lets_nobody_in(keyring: Any, allowed: Any) -> None:
    assert (len(allowed()), str(allowed())) == (0, "nobody")


def test_a_long_list_is_told_in_short(keyring: Any, allowed: Any) -> None:
    for n in range(25):
        keyring.allow(f"client{n:02}")
    assert str(allowed()).endswith("client19 (drive), 5 more")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("may = ", "no valid TOML"),
        ('[desk]\nmay = "raed"', "invalid enum value 'raed'"),
        ('[desk]\nmai = "read"', "unknown field `mai`"),
        ("[desk]", "missing required field `may`"),
        ('desk = "read"', "expected tables such as [NAME]"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_table_with_a_mistake_is_refused_at_the_start(keyring: Any, table: str, says: str) -> None:
    keyring.allow("desk")
    (keyring.clients / "clients.toml").write_bytes(table.encode(errors="surrogateescape"))
    assert says in refused(keyring)


def test_every_file_that_holds_no_key_is_named_at_the_start(keyring: Any) -> None:
    for name in ("one", "two"):
        (keyring.clients / f"{name}.public").write_text("nonsense")
    told = refused(keyring)
    assert "one.public: expected a key" in told
    assert "two.public: expected a key" in told


def test_a_folder_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadClients, match="cannot be read: No such file"):
        AllowedClients(tmp_path / "missing")


def test_an_entry_for_nobody_is_told_with_the_nearest_name(keyring: Any, allowed: Any, warnings_of: Lines) -> None:
    keyring.allow("monitor", '[mointor]\nmay = "read"\n')
    allowed()
    (line,) = warnings_of(logging.WARNING)
    assert "`mointor` is no client; did you mean `monitor`?" in line


def test_changes_are_seen_after_a_while_and_told(keyring: Any, allowed: Any, clock: Clock, warnings_of: Lines) -> None:
    keyring.allow("desk")
    clients = allowed()
    keyring.allow("late")
    assert clients.find(keyring.public("late")) is None
    assert changed(clients, clock) == {"desk": "drive", "late": "drive"}
    (keyring.clients / "desk.public").unlink()
    assert changed(clients, clock) == {"late": "drive"}
    (keyring.clients / "clients.toml").write_text('[late]\nmay = "read"\n')
    assert changed(clients, clock) == {"late": "read"}
    (keyring.clients / "clients.toml").write_text('[late]\nmay = "drive"\n')
    assert changed(clients, clock) == {"late": "drive"}
    told = [line for line in warnings_of(logging.INFO) if "changed; allowed" in line]
    assert [line.partition("allowed: ")[2] for line in told] == [
        "desk (drive), late (drive)",
        "late (drive)",
        "late (read)",
        "late (drive)",
    ]
    changed(clients, clock)
    assert len([line for line in warnings_of(logging.INFO) if "changed; allowed" in line]) == 4


def test_a_key_that_is_replaced_counts_at_once(keyring: Any, allowed: Any, clock: Clock) -> None:
    keyring.allow("desk")
    clients = allowed()
    old = keyring.public("desk")
    for file in keyring.folder.glob("desk.*"):
        file.unlink()
    keyring.allow("desk")
    changed(clients, clock)
    assert clients.find(old) is None
    assert clients.find(keyring.public("desk")) == AllowedClient("desk", "drive")


@pytest.mark.parametrize(
    "table", [None, "", "[mon", "[monitor]\n", '[other]\nmay = "drive"\n', '[monitor]\nmay = "al"']
)
def test_a_table_that_is_being_written_widens_nothing(
    keyring: Any, allowed: Any, clock: Clock, table: str | None
) -> None:
    keyring.allow("monitor", '[monitor]\nmay = "read"\n')
    keyring.allow("desk")
    clients = allowed()
    file = keyring.clients / "clients.toml"
    if table is None:
        file.unlink()
    else:
        file.write_text(table)
    assert changed(clients, clock) == {"monitor": "read", "desk": "drive"}
    file.write_text('[monitor]\nmay = "drive"\n')
    assert changed(clients, clock) == {"monitor": "drive", "desk": "drive"}


def test_while_the_table_has_a_mistake_nobody_new_is_let_in(
    keyring: Any, allowed: Any, clock: Clock, warnings_of: Lines
) -> None:
    keyring.allow("desk")
    clients = allowed()
    keyring.allow("monitor", '[monitor]\nmay = "raed"\n')
    assert changed(clients, clock) == {"desk": "drive"}
    assert any("nobody new is let in" in line for line in warnings_of(logging.ERROR))
    (keyring.clients / "clients.toml").write_text('[monitor]\nmay = "read"\n')
    assert changed(clients, clock) == {"desk": "drive", "monitor": "read"}


def test_a_key_file_that_turns_bad_locks_out_its_owner_alone(
    keyring: Any, allowed: Any, clock: Clock, warnings_of: Lines
) -> None:
    keyring.allow("desk")
    keyring.allow("other")
    clients = allowed()
    (keyring.clients / "desk.public").write_text("")
    assert changed(clients, clock) == {"other": "drive"}
    assert any("desk.public: expected a key" in line for line in warnings_of(logging.ERROR))


def test_a_folder_that_is_gone_lets_nobody_in(keyring: Any, allowed: Any, clock: Clock) -> None:
    keyring.allow("desk")
    clients = allowed()
    shutil.rmtree(keyring.clients)
    assert changed(clients, clock) == {}


def test_a_folder_that_cannot_be_read_for_a_while_changes_nothing(
    keyring: Any, allowed: Any, clock: Clock, warnings_of: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.allow("desk")
    clients = allowed()

    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", fail)
        assert changed(clients, clock) == {"desk": "drive"}
    assert any("nothing changes: Input/output error" in line for line in warnings_of(logging.ERROR))
    (keyring.clients / "desk.public").unlink()
    assert changed(clients, clock) == {}


@pytest.mark.parametrize(("one", "two"), [("drive", "read"), ("read", "drive")])
def test_one_key_under_two_names_may_do_what_both_may(
    keyring: Any, allowed: Any, warnings_of: Lines, one: str, two: str
) -> None:
    keyring.allow("desk", f'[desk]\nmay = "{one}"\n[twin]\nmay = "{two}"\n')
    shutil.copy(keyring.clients / "desk.public", keyring.clients / "twin.public")
    assert allowed().find(keyring.public("desk")) == AllowedClient("desk", "read")
    assert any("`desk` and `twin` have the same key" in line for line in warnings_of(logging.WARNING))


def test_a_server_has_key_and_clients_or_neither(keyring: Any) -> None:
    assert Access.configured(None, None) is None
    with pytest.raises(IncompleteAccess, match="`key` is given, but not `clients`"):
        Access.configured(keyring.secret("server"), None)
    with pytest.raises(IncompleteAccess, match="`clients` is given, but not `key`"):
        Access.configured(None, keyring.clients)
