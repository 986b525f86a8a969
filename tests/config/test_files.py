from pathlib import Path

import pytest

from intuition_core.config.checks import unfit_name
from intuition_core.config.files import DEEPEST, UnreadableFile, read_toml
from intuition_core.config.loading import BadConfiguration, load_config


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfcash = 1\n", b"cash = 1\r\n", b"cash = 1"])
def test_files_of_any_editor_are_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    assert read_toml(tmp_path / "a.toml") == {"cash": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("cash = 1".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        ("cash = 1".encode("utf-32"), "it is UTF-32; save it as UTF-8"),
        ("cash = 1".encode("utf-16-le"), "it holds zero bytes"),
        (b"a = 1\nb = '\xfc'", "line 2 holds bytes that are no UTF-8"),
        (b"seed = " + b"9" * 5000, "a number has too many digits"),
        (b"seed = 0x" + b"f" * 5000, None),
        (b"a = " + b"[" * 5000, "within one another"),
        (b"a = " + b"[" * 200 + b"]" * 200, "within one another"),
        (b"[" + b".".join([b"a"] * 5000) + b"]", "within one another"),
        (b".".join([b"a"] * 5000) + b" = 1", "within one another"),
        (b"a = " + b"{b = " * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), "within one another"),
        (b"#" * (9 << 20), "larger than 8 MiB"),
        (b"cash 5", "no valid TOML"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(content: bytes, told: str | None, tmp_path: Path) -> None:
    path = tmp_path / "intuition.toml"
    path.write_bytes(content)
    with pytest.raises(BadConfiguration) as raised:
        load_config(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    if told is not None:
        assert told in str(raised.value)


def test_links_to_nowhere_and_folders_are_no_absent_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config().file is None
    link = tmp_path / "intuition.toml"
    link.symlink_to("nowhere.toml")
    with pytest.raises(BadConfiguration, match=r"a link to nowhere\.toml, which is not there"):
        load_config()
    link.unlink()
    link.symlink_to("intuition.toml")
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load_config()
    link.unlink()
    link.mkdir()
    with pytest.raises(BadConfiguration, match="it is a folder"):
        load_config()
    monkeypatch.setenv("INTUITION_CONFIG", str(tmp_path))
    with pytest.raises(BadConfiguration, match="it is a folder"):
        load_config()


def test_endless_files_end(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="larger"):
        read_toml(Path("/dev/zero"))


@pytest.mark.parametrize("name", [".", "..", ".x", "-rf", "--session", "CON", "NUL", "COM1", "LPT9", "AUX.old", "x."])
def test_names_of_sessions_that_files_or_shells_mistake_are_refused(name: str) -> None:
    assert unfit_name(name)
    with pytest.raises(BadConfiguration, match=r"--session"):
        load_config(flags={"session": name}, environment={})


@pytest.mark.parametrize("name", ["a", "a.b", "random-naive", "_x", "console", "con", "COM10", "x-"])
def test_other_names_of_sessions_are_taken(name: str) -> None:
    assert load_config(flags={"session": name}, environment={}).values.session == name


@pytest.mark.parametrize(
    "variable", ["INTUITION_" + "__".join(["A"] * 2000), "INTUITION_ALGORITHM__PARAMS__" + "__".join(["A"] * 2000)]
)
def test_deep_variables_are_told(variable: str) -> None:
    with pytest.raises(BadConfiguration, match="at most"):
        load_config(environment={variable: "1"})


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 5000, "{a=" * 5000, "\udcff"])
def test_values_that_are_no_toml_stay_text(text: str) -> None:
    with pytest.raises(BadConfiguration, match="INTUITION_SEED"):
        load_config(environment={"INTUITION_SEED": text})
