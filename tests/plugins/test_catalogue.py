"""Discovery, on distributions generated into temporary folders."""

import importlib.metadata
import itertools
import os
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.errors import IntuitionError
from intuition_core.plugins.catalogue import (
    KINDS,
    BrokenPlugin,
    Catalogue,
    Plugin,
    PluginBlocked,
    PluginConflict,
    PluginIncompatible,
    UnknownPlugin,
    discover,
)
from intuition_core.plugins.first_party import FIRST_PARTY

ALGORITHM = "[intuition.v1.algorithm]\n"


def install(
    folder: Path,
    name: str = "acme-algos",
    entries: str | None = ALGORITHM + "acme = acme:Acme\n",
    *,
    version: str = "1.0",
    metadata: str | None = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Made by {name}\n",
) -> Path:
    """Write the metadata of a distribution as an installer would."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    if entries is not None:
        (info / "entry_points.txt").write_text(entries)
    if metadata is not None:
        (info / "METADATA").write_text(metadata.format(name=name, version=version))
    return info


def found(*folders: Path, blocked: tuple[str, ...] = ()) -> tuple[Plugin, ...]:
    return discover(path=[str(folder) for folder in folders], blocked=blocked).plugins


def only(*folders: Path, blocked: tuple[str, ...] = ()) -> Plugin:
    (plugin,) = found(*folders, blocked=blocked)
    return plugin


# What is listed


def test_a_plugin_is_listed_with_all_that_its_distribution_says(tmp_path: Path) -> None:
    install(tmp_path)
    assert only(tmp_path) == Plugin(
        kind="algorithm",
        name="acme",
        distribution="acme-algos",
        version="1.0",
        target="acme:Acme",
        summary="Made by acme-algos",
        status="available",
        reason=None,
    )


def test_plugins_are_sorted_by_kind_then_name_then_distribution(tmp_path: Path) -> None:
    install(tmp_path, "b", "[intuition.v1.command]\na = m:a\n[intuition.v1.portfolio]\nz = m:z\nb = m:b\n")
    install(tmp_path, "a", ALGORITHM + "x = m:x\n[intuition.v1.portfolio]\nz = m:z\n")
    assert [(plugin.kind, plugin.name, plugin.distribution) for plugin in found(tmp_path)] == [
        ("algorithm", "x", "a"),
        ("portfolio", "b", "b"),
        ("portfolio", "z", "a"),
        ("portfolio", "z", "b"),
        ("command", "a", "b"),
    ]


def test_distributions_without_our_groups_are_not_listed(tmp_path: Path) -> None:
    install(tmp_path, "viewer", "[console_scripts]\nview = intuition.viewer:main\nold = intuition.v1.viewer:main\n")
    install(tmp_path, "plain", None)
    assert found(tmp_path) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_group(tmp_path: Path, kind: str) -> None:
    install(tmp_path, entries=f"[intuition.v1.{kind}]\nacme = acme:Acme\n")
    assert (only(tmp_path).kind, only(tmp_path).status) == (kind, "available")


@pytest.mark.parametrize("target", ["acme", "acme.parts", "acme:Acme", "acme.parts:Acme.Inner", "acme:Acme [extra]"])
def test_every_form_of_a_target_is_accepted(tmp_path: Path, target: str) -> None:
    install(tmp_path, entries=f"{ALGORITHM}acme={target}\n")
    assert (only(tmp_path).target, only(tmp_path).status) == (target, "available")


@pytest.mark.parametrize(
    ("entries", "status", "words"),
    [
        (ALGORITHM + "acme = acme:\n", "broken", "`acme:` is not `module:object`"),
        (ALGORITHM + "acme = \n", "broken", "`` is not `module:object`"),
        (ALGORITHM + "acme = acme:Acme()\n", "broken", "not `module:object`"),
        (ALGORITHM + "acme = 1acme:Acme\n", "broken", "not `module:object`"),
        (ALGORITHM + "acme = acme:Acme; import os\n", "broken", "not `module:object`"),
        (ALGORITHM + "acme\n", "broken", "has `acme`, not `name = module:object`"),
        (ALGORITHM + "= acme:Acme\n", "broken", "not `name = module:object`"),
        ("[intuition.v1.algorithm\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        ("intuition.v1.algorithm]\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        ("intuition.v1.algorithm\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        ("[[intuition.v1.algorithm]]\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        ("[intuition.v1]\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        ("\ufeff[intuition.v1.algorithm]\nacme = acme:Acme\n", "broken", "not `[intuition.v1.<kind>]`"),
        (ALGORITHM + "acme = acme:A\nacme = acme:B\n", "broken", "2 targets"),
        ("[intuition.v2.algorithm]\nacme = acme:Acme\n", "incompatible", "upgrade intuition-core"),
        ("[intuition.v0.algorithm]\nacme = acme:Acme\n", "incompatible", "upgrade it"),
        ("[intuition.v1.algoritm]\nacme = acme:Acme\n", "incompatible", "did you mean `algorithm`?"),
    ],
)
def test_what_cannot_be_a_plugin_is_listed_with_the_reason(
    tmp_path: Path, entries: str, status: str, words: str
) -> None:
    install(tmp_path, entries=entries)
    for plugin in found(tmp_path):
        assert plugin.status == status
        assert plugin.reason is not None
        assert words in plugin.reason
        assert plugin.distribution == "acme-algos"
    assert found(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "METADATA is missing"),
        ("", "METADATA is missing"),
        ("no header at all", "no Name and no Version"),
        ("Name: acme-algos\n", "no Version"),
        ("Name:\nVersion: 1\n", "no Name"),
    ],
)
def test_a_damaged_distribution_is_listed_under_its_folders_name(
    tmp_path: Path, metadata: str | None, words: str
) -> None:
    install(tmp_path, metadata=metadata)
    plugin = only(tmp_path)
    assert plugin.status == "broken"
    assert plugin.distribution in {"acme-algos", "acme_algos"}
    assert plugin.name == "acme"
    assert words in str(plugin.reason)
    assert "reinstall" in str(plugin.reason)


def test_unreadable_metadata_spoils_nothing_else(tmp_path: Path) -> None:
    # A folder in place of the file: it cannot be read, not even by a privileged user.
    (install(tmp_path, "unreadable", None) / "entry_points.txt").mkdir()
    (install(tmp_path, "headless", metadata=None) / "METADATA").mkdir()
    (install(tmp_path, "binary", None) / "entry_points.txt").write_bytes(b"\xff\xfe[intuition.v1.algorithm]\n\xff")
    wide = (ALGORITHM + "acme = acme:Acme\n").encode("utf-16")
    (install(tmp_path, "wide", None) / "entry_points.txt").write_bytes(wide)
    (tmp_path / "file.dist-info").write_text("no folder")
    (tmp_path / ".dist-info").mkdir()
    (tmp_path / "dangling-1.dist-info").symlink_to(tmp_path / "nowhere")
    install(tmp_path, "good")
    states = {plugin.distribution: plugin.status for plugin in found(tmp_path)}
    assert states == {
        "unreadable": "broken",
        "headless": "broken",
        "binary": "broken",
        "wide": "broken",
        "good": "available",
    }


def test_terminal_escapes_in_metadata_are_harmless(tmp_path: Path) -> None:
    install(
        tmp_path,
        entries=ALGORITHM + "ac\x1b[2Jme = acme:Acme\n",
        metadata="Name: acme-algos\nVersion: 1\nSummary: \x1b]0;owned\x07 two\n  lines\n\nbody\n",
    )
    plugin = only(tmp_path)
    assert all(text.isprintable() for text in (plugin.name, plugin.summary))
    assert plugin.summary == "]0;owned two lines"


def test_headers_after_the_first_blank_line_do_not_count(tmp_path: Path) -> None:
    install(tmp_path, metadata="Name: acme-algos\nVersion: 1\n\nSummary: from the description\n")
    assert only(tmp_path).summary == ""


# What is the same


def test_the_same_folder_twice_on_the_path_is_no_conflict(tmp_path: Path) -> None:
    real = tmp_path / "real"
    install(real)
    (tmp_path / "link").symlink_to(real)
    assert only(real, real, tmp_path / "link", tmp_path / "real" / ".." / "real").status == "available"


def test_the_first_of_a_distribution_on_the_path_counts(tmp_path: Path) -> None:
    install(tmp_path / "a", "Acme.Algos", version="2.0")
    install(tmp_path / "b", "acme-algos", version="1.0")
    assert (only(tmp_path / "a", tmp_path / "b").version, only(tmp_path / "b", tmp_path / "a").version) == (
        "2.0",
        "1.0",
    )


def test_a_distribution_that_shadows_a_plugin_hides_it(tmp_path: Path) -> None:
    install(tmp_path / "a", entries=None)
    install(tmp_path / "b")
    assert found(tmp_path / "a", tmp_path / "b") == ()


def test_of_two_versions_in_one_folder_the_later_installed_counts(tmp_path: Path) -> None:
    for version, modified in (("1.9", 1_000), ("1.10", 3_000), ("1.8", 2_000)):
        os.utime(install(tmp_path, version=version), (modified, modified))
    assert (only(tmp_path).version, only(tmp_path).status) == ("1.10", "available")


def test_what_pip_is_about_to_remove_is_not_listed(tmp_path: Path) -> None:
    install(tmp_path, "~cme-algos")
    assert found(tmp_path) == ()


def test_an_egg_info_folder_counts_as_well(tmp_path: Path) -> None:
    info = tmp_path / "acme_algos.egg-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(ALGORITHM + "acme = acme:Acme\n")
    (info / "PKG-INFO").write_text("Name: acme-algos\r\nVersion: 3\r\n")
    assert (only(tmp_path).version, only(tmp_path).status) == ("3", "available")


def test_a_distribution_in_a_zip_archive_is_found(tmp_path: Path) -> None:
    info = install(tmp_path / "tree")
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for file in info.iterdir():
            bundle.write(file, f"{info.name}/{file.name}")
        bundle.writestr("other-1.dist-info/entry_points.txt", ALGORITHM.replace("\n", "\r\n") + "other = o:O\r\n")
        bundle.writestr("other-1.dist-info/METADATA", "Name: other\r\nVersion: 1\r\n\r\nSummary: body\r\n")
    acme, other = found(archive)
    assert acme == only(tmp_path / "tree")
    assert (other.name, other.status, other.summary) == ("other", "available", "")


def test_path_entries_that_hold_nothing_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "no-archive").write_text("nothing")
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    install(tmp_path / "good")
    plugin = only(tmp_path / "missing", tmp_path / "no-archive", tmp_path / "torn.zip", tmp_path / "good")
    assert plugin.status == "available"


def test_an_empty_path_entry_means_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert [plugin.name for plugin in discover(path=[""]).plugins] == ["acme"]


def test_the_interpreters_own_path_is_the_default() -> None:
    assert discover().find("portfolio", "naive").distribution == "intuition-core"


# Versions, conflicts, blocking


def test_a_distribution_that_also_offers_our_version_is_not_incompatible(tmp_path: Path) -> None:
    install(tmp_path, entries="[intuition.v2.algorithm]\nacme = acme:New\n[intuition.v1.algorithm]\nacme = acme:Old\n")
    assert (only(tmp_path).target, only(tmp_path).status) == ("acme:Old", "available")


def test_a_name_offered_thrice_is_a_conflict_that_names_everybody(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        # Another plugin in between: conflicts are found although the offers are not next to each other.
        install(tmp_path, name, f"{ALGORITHM}same = {name}:X\nother_{name} = {name}:Y\n")
    catalogue = discover(path=[str(tmp_path)])
    same = [plugin for plugin in catalogue.plugins if plugin.name == "same"]
    assert [plugin.status for plugin in same] == ["conflict"] * 3
    assert same[0].reason == "also offered by b and c; choose it as `a:same`, or uninstall one of them"
    assert {plugin.status for plugin in catalogue.plugins if plugin.name != "same"} == {"available"}
    with pytest.raises(PluginConflict) as caught:
        catalogue.find("algorithm", "same")
    assert [plugin.distribution for plugin in caught.value.plugins] == ["a", "b", "c"]
    assert all(f"{name} 1.0" in str(caught.value) and f"`{name}:same`" in str(caught.value) for name in "abc")
    assert catalogue.find("algorithm", "b:same").target == "b:X"


def test_one_name_for_two_kinds_is_no_conflict(tmp_path: Path) -> None:
    install(tmp_path, "a")
    install(tmp_path, "b", "[intuition.v1.portfolio]\nacme = acme:Acme\n")
    assert {plugin.status for plugin in found(tmp_path)} == {"available"}


def test_a_broken_rival_is_no_rival(tmp_path: Path) -> None:
    install(tmp_path, "a")
    install(tmp_path, "b", metadata=None)
    install(tmp_path, "c", "[intuition.v2.algorithm]\nacme = acme:Acme\n")
    assert discover(path=[str(tmp_path)]).find("algorithm", "acme").distribution == "a"


@pytest.mark.parametrize(
    "rule", ["acme", "ACME", "algorithm:acme", "acme-algos", "Acme_Algos", "acme.algos:acme", " acme "]
)
def test_a_plugin_is_blocked_by_any_of_its_names(tmp_path: Path, rule: str) -> None:
    install(tmp_path)
    install(tmp_path, "bystander", "[intuition.v1.portfolio]\nbystander = b:B\n")
    states = {plugin.name: plugin.status for plugin in found(tmp_path, blocked=(rule,))}
    assert states == {"acme": "blocked", "bystander": "available"}
    catalogue = discover(path=[str(tmp_path)], blocked=[rule])
    with pytest.raises(PluginBlocked, match=r"plugins\.blocked") as caught:
        catalogue.find("algorithm", "acme")
    assert rule in str(caught.value)
    assert caught.value.plugin.name == "acme"


@pytest.mark.parametrize("rule", ["", ":", "portfolio:acme", "acm", "algorithm", "other:acme"])
def test_other_rules_do_not_block(tmp_path: Path, rule: str) -> None:
    install(tmp_path)
    assert only(tmp_path, blocked=(rule,)).status == "available"


def test_blocking_one_of_two_rivals_ends_the_conflict(tmp_path: Path) -> None:
    install(tmp_path, "a")
    install(tmp_path, "b")
    assert [plugin.status for plugin in found(tmp_path, blocked=("a",))] == ["blocked", "available"]


# Finding one


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    install(tmp_path, "acme-algos", ALGORITHM + "momentum = acme:M\nreversal = acme:R\n")
    install(tmp_path, "acme-bets", "[intuition.v1.portfolio]\nflat = acme:F\n")
    for name in ("left", "right"):
        install(tmp_path, name, "[intuition.v1.risk]\ncapped = caps:C\n")
    install(tmp_path, "future", "[intuition.v2.algorithm]\nquantum = future:Q\n")
    install(tmp_path, "torn", ALGORITHM + "torn = torn:T\n", metadata=None)
    return discover(path=[str(tmp_path)])


@pytest.mark.parametrize("ref", ["momentum", "acme-algos:momentum", "Acme_Algos:momentum"])
def test_a_plugin_is_found_by_its_name_or_with_its_distribution(catalogue: Catalogue, ref: str) -> None:
    assert catalogue.find("algorithm", ref).target == "acme:M"


@pytest.mark.parametrize(
    ("kind", "ref", "words"),
    [
        ("algorithm", "momentun", "did you mean `momentum`? Installed: `momentum`, `quantum`, `reversal`, `torn`"),
        ("algorithm", "acme-algo:momentum", "did you mean `acme-algos:momentum`?"),
        ("algorithm", "acme-algos:momentun", "did you mean `acme-algos:momentum`?"),
        ("portfolio", "flatt", "did you mean `flat`?"),
        ("risk", "cappp", "did you mean `left:capped` or `right:capped`?"),
        ("risk", "wrong:capped", "did you mean `left:capped` or `right:capped`?"),
        ("algorithm", "flat", "that is of kind `portfolio`, from acme-bets"),
        ("algorithm", "acme-algos", "that is a distribution; use `momentum`, `reversal`"),
        ("algorithm", "zzz", "no algorithm is called `zzz`. Installed"),
        ("broker", "paper", "No broker is installed"),
        *((kind, name, f"run `pip install {distribution}`") for (kind, name), distribution in FIRST_PARTY.items()),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(catalogue: Catalogue, kind: str, ref: str, words: str) -> None:
    with pytest.raises(UnknownPlugin) as caught:
        catalogue.find(kind, ref)
    assert words in str(caught.value)
    assert (caught.value.kind, caught.value.ref) == (kind, ref)
    assert "\n" not in str(caught.value)


def test_no_plugins_at_all_is_an_answer_too() -> None:
    with pytest.raises(UnknownPlugin, match="No source is installed"):
        discover(path=[]).find("source", "x")


def test_another_versions_plugin_is_refused_with_what_to_do(catalogue: Catalogue) -> None:
    with pytest.raises(PluginIncompatible, match=r"`quantum` \(future 1.0\).*upgrade intuition-core"):
        catalogue.find("algorithm", "quantum")


def test_a_damaged_plugin_is_refused_with_what_to_do(catalogue: Catalogue) -> None:
    with pytest.raises(BrokenPlugin, match=r"METADATA is missing.*reinstall torn"):
        catalogue.load("algorithm", "torn")


def test_what_is_known_of_the_projects_own_plugins_is_true() -> None:
    declared = {}
    for file in Path(__file__).parents[2].glob("plugins/*/pyproject.toml"):
        project = tomllib.loads(file.read_text())["project"]
        for group, names in project["entry-points"].items():
            declared |= {(group.removeprefix("intuition.v1."), name): project["name"] for name in names}
    assert declared == FIRST_PARTY


# Loading one

_modules = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a module that can be imported, under a name that no other test has used."""
    written: list[str] = []

    def write(code: str) -> str:
        name = f"plugin_under_test_{next(_modules)}"
        (tmp_path / f"{name}.py").write_text(code)
        written.append(name)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_loading_gives_the_object_and_imports_no_other_plugin(tmp_path: Path, module: Callable[[str], str]) -> None:
    chosen, rival, other = module("class A: pass"), module("class A: pass"), module("class B: pass")
    install(tmp_path, "chosen", f"{ALGORITHM}a = {chosen}:A\n")
    install(tmp_path, "rival", f"{ALGORITHM}a = {rival}:A\n")
    install(tmp_path, "other", f"{ALGORITHM}b = {other}:B\n")
    loaded = discover(path=[str(tmp_path)]).load("algorithm", "chosen:a")
    assert loaded is sys.modules[chosen].A
    assert not {rival, other} & sys.modules.keys()


def test_a_false_object_is_loaded_as_it_is(tmp_path: Path, module: Callable[[str], str]) -> None:
    name = module("class Inner:\n    empty = ()\n")
    install(tmp_path, entries=f"{ALGORITHM}a = {name}:Inner.empty\nm = {name}\n")
    assert discover(path=[str(tmp_path)]).load("algorithm", "a") == ()
    assert discover(path=[str(tmp_path)]).load("algorithm", "m") is sys.modules[name]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('two\\nlines\\x1b')", "ValueError: two lines"),
        ("assert False, 'no'", "AssertionError: no"),
        ("class E(BaseException): pass\nraise E", "failed with E"),
        ("def broken(:", "SyntaxError"),
        ("pass", "has no attribute 'A'"),
        ("raise ValueError('x' * 10_000)", "xxx..."),
    ],
)
def test_a_failing_import_names_the_plugin_and_keeps_the_cause(
    tmp_path: Path, module: Callable[[str], str], code: str, problem: str
) -> None:
    install(tmp_path, entries=f"{ALGORITHM}a = {module(code)}:A\n")
    with pytest.raises(BrokenPlugin) as caught:
        discover(path=[str(tmp_path)]).load("algorithm", "a")
    error = caught.value
    assert (error.kind, error.name, error.distribution, error.version) == ("algorithm", "a", "acme-algos", "1.0")
    assert problem in str(error)
    assert "acme-algos 1.0" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 400
    assert error.__cause__ is not None


def test_an_interruption_is_not_blamed_on_the_plugin(tmp_path: Path, module: Callable[[str], str]) -> None:
    pressed = "import signal; signal.signal(2, signal.default_int_handler); signal.raise_signal(2)"
    install(tmp_path, entries=f"{ALGORITHM}a = {module(pressed)}:A\n")
    with pytest.raises(KeyboardInterrupt):
        discover(path=[str(tmp_path)]).load("algorithm", "a")


def test_listing_imports_no_plugin(tmp_path: Path, module: Callable[[str], str]) -> None:
    trace = tmp_path / "imported"
    name = module(f"import pathlib; pathlib.Path({str(trace)!r}).touch(); raise SystemExit")
    install(tmp_path, entries=f"{ALGORITHM}a = {name}:A\n[intuition.v1.command]\nc = {name}:C\n")
    catalogue = discover(path=[str(tmp_path)])
    catalogue.find("algorithm", "a")
    assert not trace.exists()
    with pytest.raises(BrokenPlugin):  # the trap works
        catalogue.load("algorithm", "a")
    assert trace.exists()


# Many of them, and any of them


def test_each_metadata_file_is_opened_once_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(200):
        install(tmp_path, f"dist-{n}", f"{ALGORITHM}a{n} = m{n}:A\n")
    opened: list[str] = []
    read = Path.read_text

    def counted(path: Path, *arguments: Any, **options: Any) -> str:
        opened.append(str(path))
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    assert len(found(tmp_path)) == 200
    assert len(opened) == len(set(opened)) == 400


@pytest.fixture(scope="module")
def info() -> Iterator[Path]:
    """Give the metadata folder of one distribution, to be overwritten again and again."""
    with tempfile.TemporaryDirectory() as folder:
        yield install(Path(folder))


_line = st.one_of(
    st.sampled_from(
        [
            "[intuition.v1.algorithm]",
            "[intuition.v1.portfolio]",
            "[intuition.v2.algorithm]",
            "[ intuition.v1.nonsense ]",
            "[intuition.v1.algorithm",
            "[intuition.v1.]",
            f"[intuition.v{'9' * 5000}.algorithm]",
            "[console_scripts]",
            "a = m:A",
            "a = m:B",
            "b=m",
            "a:b = m:A",
            "= = =",
            "[",
            "]",
            "# a = m:A",
        ]
    ),
    st.text(max_size=30),
)


@given(lines=st.lists(_line, max_size=12), metadata=st.text(max_size=60), rule=st.text(max_size=10))
def test_whatever_the_files_hold_there_is_a_listing(info: Path, lines: list[str], metadata: str, rule: str) -> None:
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    (info / "METADATA").write_text(f"Name: acme\nVersion: 1\n{metadata}", encoding="utf-8", errors="surrogatepass")
    catalogue = discover(path=[str(info.parent)], blocked=[rule])
    for plugin in catalogue.plugins:
        assert (plugin.reason is None) == (plugin.status == "available")
        assert msgspec.json.decode(msgspec.json.encode(plugin), type=Plugin) == plugin
        assert all(text.isprintable() for text in msgspec.structs.astuple(plugin) if text is not None)
        try:
            message = str(catalogue.find(plugin.kind, plugin.ref))
        except IntuitionError as error:
            message = str(error)
        assert message.isprintable()


_name = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
_dotted = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=3).map(".".join)


@given(offers=st.dictionaries(_name, st.tuples(_dotted, _dotted), max_size=6), summary=st.text("abc :-", max_size=20))
def test_well_formed_files_read_as_the_standard_library_reads_them(
    info: Path, offers: dict[str, tuple[str, str]], summary: str
) -> None:
    lines = "".join(f"{name} = {module}:{attribute}\n" for name, (module, attribute) in offers.items())
    (info / "entry_points.txt").write_text(f"[console_scripts]\nx = y:z\n\n{ALGORITHM}{lines}")
    (info / "METADATA").write_text(f"Name: acme\nVersion: 1.0\nSummary: {summary}\n\nSummary: body\n")
    standard = importlib.metadata.PathDistribution(info)
    assert {(plugin.name, plugin.target, plugin.status) for plugin in found(info.parent)} == {
        (entry.name, entry.value, "available") for entry in standard.entry_points.select(group="intuition.v1.algorithm")
    }
    for plugin in found(info.parent):
        assert plugin.summary == " ".join(standard.metadata["Summary"].split())
