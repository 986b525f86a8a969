import os
import pickle
import stat
import string
import traceback
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.rpc.keys import (
    BadKey,
    BadKeyName,
    KeyExists,
    SecretKey,
    default_folder,
    new_pair,
    public_half,
    read_public,
    read_secret,
)

Z85 = string.digits + string.ascii_letters + ".-:+=^!/*?&<>()[]{}@%$#"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_pair("desk", tmp_path / "keys")
    return tmp_path / "keys"


def test_a_pair_is_two_files_of_one_line_and_the_secret_one_is_its_owners(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "keys"
    public = new_pair("desk", folder)
    assert stat.S_IMODE((folder / "desk.secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = (folder / "desk.secret").read_text()
    assert (folder / "desk.public").read_text() == f"{public}\n"
    assert len(public) == 40
    assert zmq.curve_public(secret.strip().encode()).decode() == public
    assert secret.endswith("\n")
    assert public_half(folder / "desk.secret") == public_half(folder / "desk.public") == public


@pytest.mark.parametrize("kept", ["desk.public", "desk.secret"])
def test_a_key_is_never_written_over(folder: Path, kept: str) -> None:
    for file in folder.iterdir():
        if file.name != kept:
            file.unlink()
    before = (folder / kept).read_text()
    with pytest.raises(KeyExists, match=f"{kept} exists already"):
        new_pair("desk", folder)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {kept: before}


@pytest.mark.parametrize("name", ["", "../desk", "a/b", ".desk", "-desk", "de sk", "desk.public", "é", "a" * 65, "a\n"])
def test_names_that_files_and_tables_should_not_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadKeyName, match="1 to 64 letters"):
        new_pair(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadKey, match=r"file: the key cannot be written"):
        new_pair("desk", tmp_path / "file")


def test_the_default_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder().parts[-2:] == ("intuition", "keys")


def test_a_public_key_is_text_or_a_file(folder: Path) -> None:
    text = (folder / "desk.public").read_text()
    assert read_public(text) == read_public(folder / "desk.public") == read_public(f"  {text}") == text.strip()


def test_keys_are_found_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert read_public("~/desk.public") == read_secret("~/desk.secret").public


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "expected a key"), (b"short", "expected a key"), (b"#" * 40, "expected a key"), (b"\xff", "no text")],
)
def test_a_file_that_holds_no_key_is_named(folder: Path, content: bytes, says: str) -> None:
    for kind, read in ((".public", read_public), (".secret", read_secret)):
        file = folder / f"bad{kind}"
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(BadKey, match=says) as caught:
            read(file)
        assert str(file) in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(BadKey, match=r"other\.public: there is no such file"):
        read_public(folder / "other.public")
    with pytest.raises(BadKey, match=r"other\.secret: there is no such file"):
        read_secret(folder / "other.secret")


def test_the_halves_are_not_mixed_up(folder: Path) -> None:
    with pytest.raises(BadKey, match="expected one's own secret key, got a public one"):
        read_secret(folder / "desk.public")
    with pytest.raises(BadKey, match="expected a public key, got a secret one"):
        read_public(folder / "desk.secret")
    with pytest.raises(BadKey, match=r"ends with \.public or \.secret"):
        public_half(folder / "desk")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "desk.secret").chmod(mode)
    with pytest.raises(BadKey, match=f"others can read it \\(mode {mode:o}\\); run `chmod 600`"):
        read_secret(folder / "desk.secret")


def test_a_secret_may_have_a_name_of_any_ending(folder: Path) -> None:
    moved = (folder / "desk.secret").rename(folder / "mounted")
    assert read_secret(moved).public == read_public(folder / "desk.public")


def test_a_secret_shows_nowhere(folder: Path) -> None:
    text = (folder / "desk.secret").read_text().strip()
    key = read_secret(folder / "desk.secret")
    assert key.public in repr(key)
    assert text not in f"{key} {key!r} {key:} {[key]} {vars(type(key))}"
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps(key)
    assert text not in "".join(traceback.format_exception(caught.value))
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("cut", [slice(None), slice(39), slice(1, None), slice(20)])
def test_a_secret_in_the_place_of_its_file_is_refused_without_showing_it(folder: Path, cut: slice) -> None:
    text = (folder / "desk.secret").read_text().strip()[cut]
    with pytest.raises(BadKey) as caught:
        read_secret(text)
    shown = "".join(traceback.format_exception(caught.value))
    assert text not in shown
    assert text[:10] not in shown


@given(st.text(st.sampled_from(Z85), max_size=45) | st.text(max_size=45))
def test_any_text_is_a_key_that_is_not_shown_or_refused_without_showing_it(text: str) -> None:
    told = ""
    try:
        told = repr(SecretKey(text, origin="test"))
    except BadKey as error:
        told = str(error)
        assert told.startswith("test: expected a key, 40 characters")
    else:
        assert len(text.strip()) == 40
    assert len(text) < 12 or text.strip() not in told


@given(st.binary(min_size=32, max_size=32))
def test_every_key_has_one_text(raw: bytes) -> None:
    text = zmq.utils.z85.encode(raw).decode()
    assert read_public(text) == read_public(f"{text}\n") == text
