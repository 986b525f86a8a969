import itertools
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core import Bet, Signal
from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import BadConfiguration, Config, convert, load_config
from intuition_core.config.portable import portable
from intuition_core.errors import BadData, BadParameter, IntuitionError
from intuition_core.params.typed import Typed
from intuition_core.plugins.catalogue import UnknownPlugin, discover
from intuition_core.rpc.wire import MAX_MESSAGE
from intuition_core.serving.arguments import BadCall
from intuition_core.serving.opening import CompositionChanged
from intuition_core.serving.paging import TooManyDecisions
from intuition_core.serving.service import AlreadyRunning, Service
from intuition_core.session.errors import StaleEpoch
from intuition_core.session.journal import Journal


class Contrarian:
    """Takes any parameter: it declares none."""

    def initialize(self, params: dict[str, Any]) -> list[str]:
        self.last = None
        self.params = params
        return ["quotes"]

    def event(self, data: dict[str, Any]) -> Signal | None:
        last, self.last = self.last, data["quote"]
        if last is None or last == data["quote"]:
            return None
        return Signal(data["sid"], "buy" if data["quote"] < last else "sell", data["quote"])


class Shelf:
    """The installed plugins, and some that a test puts beside them."""

    def __init__(self, **parts: type) -> None:
        self._parts = parts
        self._installed = discover()

    def find(self, kind: str, ref: str) -> Any:
        return _Named(ref) if ref in self._parts else self._installed.find(kind, ref)

    def load(self, kind: str, ref: str) -> Any:
        return self._parts.get(ref) or self._installed.load(kind, ref)


class _Named:
    distribution = version = None

    def __init__(self, name: str) -> None:
        self.name = self.ref = name


def new_service(tmp_path: Path, *, flat: dict[str, Any] | None = None, toml: str = "", **flags: Any) -> Service:
    file = tmp_path / "intuition.toml"
    file.write_text(toml)
    given_flags = {key.replace("__", "."): value for key, value in flags.items()}
    config = load_config(file, environment={}, flags={"algorithm.name": "random", "seed": 7, **given_flags}, flat=flat)
    return Service(config, Shelf(contrarian=Contrarian), now=lambda: 42)  # type: ignore[arg-type]  # as a catalogue


@pytest.fixture
def service(opened: Any) -> Callable[..., Service]:
    return lambda tmp_path, **given: opened(new_service(tmp_path, **given))


# -- the article's calls


def test_the_article_style_client_is_served(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path)
    assert served.initialize({"cash": 50000}) == ["quotes"]
    assert served.initialize({"cash": 50000}) == ["quotes"]
    assert served.account()["cash"] == "50000"
    assert isinstance(served.event({"goog": 3.45}), list)
    records = [record for _ in range(50) for record in served.event({"sid": "GOOG", "quote": "345"})]
    decision = next(record for record in records if record["type"] == "decision")
    assert decision.keys() >= {
        *("id", "type", "seq", "ts", "sid", "side", "cash", "quantity", "quote", "algorithm", "portfolio", "status")
    }
    assert (decision["algorithm"], decision["portfolio"]) == ("random", "naive")
    assert decision["ts"] == 41 + decision["seq"]  # each event that comes without a time is after all before it
    assert served.initialize({"cash": 50000}) == ["quotes"]


@pytest.mark.parametrize(
    "conf",
    [
        {"threshold": 0.25},
        {"algorithm": {"threshold": 0.25}, "portfolio": {}},
        {"algorithm": {"params": {"threshold": 0.25}}},
        {"algorithm": {"name": "random", "params": {"threshold": 0.25}}, "portfolio": {"name": "naive"}},
        {"algorithm.threshold": 0.25},
    ],
)
def test_initialize_takes_flat_and_nested_parameters(service: Any, tmp_path: Path, conf: dict[str, Any]) -> None:
    served = service(tmp_path)
    assert served.initialize(conf) == ["quotes"]
    assert served.describe()["composition"]["algorithms"][0]["algorithm"]["params"]["threshold"] == 0.25


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ({"treshold": 0.5}, "did you mean `threshold`?"),
        ({"algorithm": {"treshold": 0.5}}, "treshold"),
        ({"portfolio": 3}, "expected a table"),
        ({"nonsense": 1}, "`nonsense`"),
        ({"cash": "much"}, "cash"),
        ({"cash": -5}, "cash"),
        ({"threshold": 7}, "threshold"),
        ({"fill": "soon"}, "fill"),
        ({"quantity_step": 0}, "quantity_step"),
        ({"rpc": {"addr": "tcp://127.0.0.1:1"}}, "`rpc`"),
    ],
)
def test_initialize_refuses_what_nobody_takes_by_name(
    service: Any, tmp_path: Path, conf: dict[str, Any], says: str
) -> None:
    served = service(tmp_path)
    with pytest.raises((BadConfiguration, BadParameter), match=re.escape(says)):
        served.initialize(conf)
    assert served.describe()["composition"]["cash"] == "10000"
    with pytest.raises(BadCall, match="expected a table"):
        served.initialize("cash")


def test_initialize_never_resets_an_account(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path)
    served.initialize({"threshold": 0.0})
    for _ in range(3):
        served.event({"goog": 3.45})
    before = served.account()
    assert served.initialize({"threshold": 0.0}) == ["quotes"]
    assert served.initialize({}) == served.initialize(None) == served.initialize() == ["quotes"]
    with pytest.raises(AlreadyRunning, match="threshold"):
        served.initialize({"threshold": 0.5})
    with pytest.raises(AlreadyRunning, match="cash"):
        served.initialize({"cash": 1})
    assert served.account() == before


def test_what_was_given_by_flag_stays(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path, cash="777", flat={"threshold": 0.75})
    served.initialize({"cash": 50000, "threshold": 0.1, "fill": "same"})
    composition = served.describe()["composition"]
    assert (composition["cash"], composition["fill"]) == ("777", "same")
    with pytest.raises(BadParameter, match="threshold"):
        served.initialize({"threshold": "x"})
    with pytest.raises(BadConfiguration, match="cash"):
        served.initialize({"cash": "much"})
    assert composition["algorithms"][0]["algorithm"]["params"]["threshold"] == 0.75


def test_a_part_that_declares_no_parameters_takes_any(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path, algorithm__name="contrarian", flat={"pace": 3})
    served.initialize({"patience": 4})
    part = served.describe()["composition"]["algorithms"][0]["algorithm"]
    assert part["params"] == {"pace": 3, "patience": 4}
    assert served.session.name == "contrarian-naive"


def test_a_parameter_of_two_parts_must_be_qualified(tmp_path: Path) -> None:
    class Also(Contrarian):
        class Params(msgspec.Struct):
            max_fraction: float = 1.0

    file = tmp_path / "intuition.toml"
    file.write_text("")
    shelf: Any = Shelf(also=Also)
    flags = {"algorithm.name": "also", "portfolio.name": "kelly"}
    config = load_config(file, environment={}, flags=flags, flat={"max_fraction": 0.5})
    with pytest.raises(BadConfiguration, match=r"`algorithm\.max_fraction` or `portfolio\.max_fraction`"):
        settle(config, shelf)
    config = load_config(file, environment={}, flags=flags, flat={"portfolio.max_fraction": 0.5})
    line = compose(settle(config, shelf), shelf).sleeves[0]
    assert (line.portfolio.params.max_fraction, line.algorithm.params.max_fraction) == (0.5, 1.0)


def test_the_long_form_of_an_algorithm_names_it(tmp_path: Path) -> None:
    toml = '[[algorithms]]\nname = "mine"\nuse = "intuition-random:random"\nportfolio.use = "kelly"\n'
    file = tmp_path / "intuition.toml"
    file.write_text(toml)
    config = load_config(file, environment={})
    line = compose(settle(config, discover()), discover()).sleeves[0]
    assert (line.algorithm.name, line.algorithm.distribution, line.portfolio.name) == (
        "mine",
        "intuition-random",
        "kelly",
    )
    file.write_text(toml + '[[algorithms]]\nname = "other"\n')
    with pytest.raises(UnknownPlugin, match="other"):
        compose(settle(load_config(file, environment={}), discover()), discover())


@pytest.mark.parametrize(
    ("toml", "variables", "flat", "says"),
    [
        (
            "params = { tresh = 1 }",
            {},
            {},
            "intuition.toml: [algorithm] `params.tresh`: unknown; did you mean `threshold`?",
        ),
        (
            "params.threshold = 'x'",
            {},
            {},
            "intuition.toml: [algorithm] `params.threshold`: expected a number, got text",
        ),
        (
            "params = {}\n[portfolio]\nname = 'naive'\nparams.x = 1",
            {},
            {},
            "intuition.toml: [portfolio] `params.x`: unknown",
        ),
        (
            "",
            {"INTUITION_ALGORITHM__PARAMS__THRESHOLD": "x"},
            {},
            "INTUITION_ALGORITHM__PARAMS__THRESHOLD: expected a number",
        ),
        ("", {}, {"threshold": Typed("x")}, "--param threshold: expected a number, got text (algorithm random)"),
        ("", {}, {"treshold": Typed("1")}, "--param treshold: nobody takes this parameter; did you mean `threshold`?"),
        ("", {}, {"cash": Typed("x")}, "--param cash: expected an amount such as"),
        ("", {}, {"fill": Typed("sam")}, "--param fill: expected one of `next`, `same`, got 'sam'; did you mean"),
    ],
)
def test_a_bad_parameter_names_where_it_was_given(
    tmp_path: Path, toml: str, variables: dict[str, str], flat: dict[str, Any], says: str
) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(f"[algorithm]\nname = 'random'\n{toml}")
    config = load_config(file, environment=variables, flat=flat)
    with pytest.raises((BadConfiguration, BadParameter)) as caught:
        compose(settle(config, discover()), discover())
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(says), str(caught.value)


class Texts(Contrarian):
    class Params(msgspec.Struct):
        secret: str = ""
        level: float | None = None
        mode: Literal["fast", "slow"] = "fast"
        inner: dict[str, str] = {}


def test_what_was_typed_for_a_part_is_read_as_what_it_takes_and_kept_so(tmp_path: Path) -> None:
    shelf: Any = Shelf(texts=Texts, contrarian=Contrarian)
    variables = {
        "INTUITION_ALGORITHM__PARAMS__SECRET": "12345",
        "INTUITION_ALGORITHM__PARAMS__INNER__X": "0.5",
        "INTUITION_ALGORITHM__NAME": "texts",
        "INTUITION_CONNECTORS__MQTT__PASSWORD": "1",
    }
    flat = {"level": Typed("0.5"), "mode": Typed('"slow"')}
    config = settle(load_config(_empty(tmp_path), environment=variables, flat=flat), shelf)
    params = compose(config, shelf).sleeves[0].algorithm.params
    assert params == Texts.Params(secret="12345", level=0.5, mode="slow", inner={"x": "0.5"})
    kept = portable(config, compose(config, shelf))
    assert compose(settle(Config(values=convert(kept, origin="journal")), shelf), shelf) == compose(config, shelf)
    free = load_config(_empty(tmp_path), environment={}, flags={"algorithm.name": "contrarian"}, flat={"n": Typed("3")})
    assert compose(settle(free, shelf), shelf).sleeves[0].algorithm.params == {"n": 3}


def _empty(tmp_path: Path) -> Path:
    file = tmp_path / "intuition.toml"
    file.write_text("")
    return file


def test_no_algorithm_is_a_mistake_that_says_how_to_choose_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="--algo"):
        settle(
            load_config(tmp_path / "intuition.toml" if (tmp_path / "intuition.toml").write_text("") else None),
            discover(),
        )


# -- events


def test_a_bad_item_spoils_no_other(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path, algorithm__name="contrarian")
    replies = served.events([{"goog": 2}, {"goog": "x"}, {"goog": 1}, 7, [{"a": 1}, {"b": float("nan")}], {"a": 2}])
    assert replies[1] == {"error": {"name": "BadData", "message": "goog: expected a number, got 'x'"}}
    assert [type(reply) for reply in replies] == [list, dict, list, dict, dict, list]
    assert [record["type"] for record in replies[2]] == ["decision"]
    assert served.describe()["last_seq"] == 3
    with pytest.raises(BadData, match="goog"):
        served.event({"goog": "x"})
    with pytest.raises(BadCall, match="array of payloads"):
        served.events({"goog": 1})
    with pytest.raises(BadCall, match="at most 10000"):
        served.events([0] * 10_001)


def test_an_item_may_be_several_events(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path)
    served.event([{"a": 1, "b": 2}, {"sid": "c", "quote": 3}])
    assert served.describe()["last_seq"] == 3


@pytest.mark.parametrize(
    "payload",
    [
        {"a": 1, "b": 2, "id": "n1", "source": "s"},
        [{"sid": "a", "quote": 1, "id": "n1"}, {"sid": "b", "quote": 2, "id": "n1"}],
        [{"sid": "a", "quote": 1, "id": "n1"}, {"sid": "b", "quote": 2, "id": "n2"}],
    ],
)
def test_a_payload_of_several_events_that_is_sent_again_runs_once(service: Any, tmp_path: Path, payload: Any) -> None:
    served = service(tmp_path, flat={"threshold": 0})
    first = served.event(payload)
    assert first
    assert served.events([payload, payload]) == [first, first]
    assert served.describe()["last_seq"] == 2


def test_negative_prices_need_permission(service: Any, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="above zero"):
        service(tmp_path).event({"wti": -37.63})
    allowed = service(tmp_path, negative_prices=True)
    for record in allowed.event({"wti": -37.63}):
        assert record["type"] == "rejection"


def test_an_older_instance_of_a_client_is_fenced_and_no_other(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path)
    first = served.attach("mqtt")
    assert first.pop("head") is None  # in memory
    assert first.pop("run").startswith("random-naive.")
    assert first == {
        "session": "random-naive",
        "epoch": 1,
        "channels": ["quotes", "actions"],
        "last_seq": 0,
        "window": [],
        "published": None,
    }
    other = served.attach("file")
    served.events([{"goog": 1}], {"client": "mqtt", "epoch": first["epoch"]})
    second = served.attach("mqtt")
    assert (second["epoch"], second["last_seq"]) == (2, 1)
    with pytest.raises(StaleEpoch, match="attach"):
        served.events([{"goog": 1}], {"client": "mqtt", "epoch": first["epoch"]})
    with pytest.raises(StaleEpoch):
        served.confirm("mqtt", 1, "mqtt:1:5", None)
    assert served.describe()["last_seq"] == 1
    served.events([{"goog": 1}], {"client": "file", "epoch": other["epoch"], "acked": "file:1:1", "published": None})
    assert served.describe()["clients"] == {"mqtt": 2, "file": 1}


@pytest.mark.parametrize(
    "call",
    [
        lambda served: served.attach(""),
        lambda served: served.attach(7),
        lambda served: served.events([], {"client": "x"}),
        lambda served: served.events([], 3),
        lambda served: served.confirm("x", True),
        lambda served: served.confirm("x", 0, 7),
        lambda served: served.confirm("x", 0, 1, 2),
        lambda served: served.decisions(-1),
        lambda served: served.decisions("0"),
        lambda served: served.decisions(0, True),
    ],
)
def test_arguments_of_nonsense_are_refused_by_name(service: Any, tmp_path: Path, call: Any) -> None:
    with pytest.raises(BadCall, match="expected"):
        call(service(tmp_path))


def test_decisions_are_given_again_from_a_sequence_number(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path, flat={"threshold": 0})
    made = [record for n in range(1, 8) for record in served.event({"goog": n}) if record["type"] == "decision"]
    assert served.decisions() == made
    assert served.decisions(3, 2) == [record for record in made if record["seq"] > 3][:2]
    assert served.decisions(0, 0) == []


class Crowd:
    """Decides as often as each event says."""

    def event(self, data: dict[str, Any]) -> list[Signal]:
        return [Signal(data["sid"], "buy", data["quote"])] * int(data.get("times", 1))


class Loud:
    """Bets a little, with many words."""

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(cash=0.01, reason="because " * 40)


@pytest.fixture
def crowded(opened: Any, tmp_path: Path) -> Service:
    file = tmp_path / "intuition.toml"
    file.write_text('[algorithm]\nname = "crowd"\n[portfolio]\nname = "loud"\n')
    shelf: Any = Shelf(crowd=Crowd, loud=Loud)
    served: Service = opened(Service(load_config(file, environment={}), shelf))
    return served


def made_of(served: Service, *times: int) -> list[dict[str, Any]]:
    replies = [served.event({"sid": "GOOG", "quote": 10, "ts": n, "times": many}) for n, many in enumerate(times)]
    return [record for reply in replies for record in reply if record["type"] == "decision"]


def pages(served: Service, limit: int, key: str) -> list[list[dict[str, Any]]]:
    """Read as a caller does: go on from the last one, until there is nothing more."""
    found: list[list[dict[str, Any]]] = []
    while page := served.decisions(found[-1][-1][key] if found else 0, limit):
        found.append(page)
    return found


@pytest.mark.parametrize("key", ["seq", "id"])
def test_an_answer_is_never_too_large_to_be_sent_and_no_decision_is_lost_on_who_goes_on(
    crowded: Service, key: str
) -> None:
    made = made_of(crowded, 900, 1, 900, 40, 700, 0, 1, 1)
    got = pages(crowded, 10_000, key)
    assert [record for page in got for record in page] == made
    assert len(got) > 1
    assert all(len(msgpack.packb(page)) < MAX_MESSAGE * 0.9 for page in got)
    assert crowded.describe()["limits"]["decisions"] == 10_000


def test_decisions_of_one_event_are_never_parted_by_the_limit(crowded: Service) -> None:
    made = made_of(crowded, 3, 3, 1, 0, 5)
    got = pages(crowded, 2, "seq")
    assert [record for page in got for record in page] == made
    assert [len(page) for page in got] == [3, 3, 6]


def test_an_event_of_more_decisions_than_an_answer_carries_is_read_by_id(crowded: Service) -> None:
    made = made_of(crowded, 1, 2500)
    (first,) = crowded.decisions(0)
    with pytest.raises(TooManyDecisions, match=made[1]["id"]):
        crowded.decisions(first["seq"])
    got = pages(crowded, 10_000, "id")
    assert [record for page in got for record in page] == made


def test_the_outbox_gives_what_an_answer_carries(crowded: Service) -> None:
    epoch = crowded.attach("c")["epoch"]
    options = {"client": "c", "epoch": epoch}
    payloads = [{"sid": "GOOG", "quote": 10, "ts": n, "times": 500} for n in range(5)]
    made = [record for reply in crowded.events(payloads, options) for record in reply]
    got: list[dict[str, Any]] = []
    while records := crowded.outbox("c", epoch, 10_000):
        assert len(msgpack.packb(records)) < MAX_MESSAGE * 0.9
        got += records
        crowded.confirm("c", epoch, None, records[-1]["id"])
    assert got == made


def test_the_account_adds_up(service: Any, tmp_path: Path) -> None:
    served = service(tmp_path, flat={"threshold": 0})
    for n in range(1, 30):
        served.event({"goog": n})
    account = served.account()
    value = sum(Decimal(position["value"]) for position in account["positions"].values())
    assert Decimal(account["equity"]) == Decimal(account["cash"]) + Decimal(account["reserved"]) + value


def test_status_can_be_read_while_a_part_is_busy(opened: Any, tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Contrarian):
        def event(self, data: dict[str, Any]) -> None:
            entered.set()
            assert leave.wait(20)

    file = tmp_path / "intuition.toml"
    file.write_text('[algorithm]\nname = "slow"\n')
    shelf: Any = Shelf(slow=Slow)
    served = opened(Service(load_config(file, environment={}), shelf))
    writer = threading.Thread(target=served.event, args=({"goog": 1},))
    writer.start()
    assert entered.wait(20)
    assert (served.describe()["last_seq"], served.account()["equity"], served.decisions()) == (0, "10000", [])
    leave.set()
    writer.join(20)
    assert served.describe()["last_seq"] == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["sid", "quote", "ts", "channel", "goog", "id", "open"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(batch=st.lists(json_values, max_size=6))
def test_whatever_a_caller_sends_gets_an_entry_each_and_the_next_quote_is_served(
    tmp_path_factory: pytest.TempPathFactory, batch: list[Any]
) -> None:
    with closing(new_service(tmp_path_factory.mktemp("any"), algorithm__name="contrarian")) as served:
        replies = served.events(batch)
        assert len(replies) == len(batch)
        for reply in replies:
            assert isinstance(reply, list) or reply["error"]["name"] == "BadData"
        assert msgspec.json.decode(msgspec.json.encode(replies)) == replies
        assert isinstance(served.event({"goog": 3.45}), list)


# -- what people decide


def two_algorithms(tmp_path: Path, cash: str = "1000") -> Config:
    file = tmp_path / "intuition.toml"
    file.write_text(
        f'cash = "{cash}"\nseed = 1\n'
        'portfolio.name = "fixed"\nportfolio.params = {cash = "100"}\n'
        '[[algorithms]]\nname = "one"\nuse = "buy-and-hold"\nshare = 0.6\nparams = {symbols = ["A"]}\n'
        '[[algorithms]]\nname = "two"\nuse = "buy-and-hold"\nparams = {symbols = ["B"]}\n'
    )
    return load_config(file, environment={})


TIMES = itertools.count(1)


def quoted(sid: str, quote: float) -> dict[str, Any]:
    return {"sid": sid, "quote": quote, "ts": next(TIMES)}


def test_several_algorithms_share_one_account(opened: Any, tmp_path: Path) -> None:
    service = opened(Service(two_algorithms(tmp_path), discover()))
    account = service.account()
    assert (account["cash"], account["algorithms"]["one"]["cash"], account["algorithms"]["two"]["cash"]) == (
        "1000",
        "600",
        "400",
    )
    [decision] = service.event(quoted("A", 10.0))
    assert (decision["algorithm"], decision["cash"]) == ("one", "100")
    service.event(quoted("A", 20.0))
    account = service.account()
    assert account["positions"]["A"]["quantity"] == account["algorithms"]["one"]["positions"]["A"]["quantity"] == "5"
    [record] = service.shares({"one": 0.5, "two": "0.5"})
    assert [line["share"] for line in service.describe()["composition"]["algorithms"]] == ["0.5", "0.5"]
    assert record["moved"] == {"one": "-100", "two": "100"}
    assert service.account()["algorithms"]["two"]["equity"] == "500"
    assert service.account()["equity"] == "1000"


def test_changes_of_the_account_bring_one_answer_to_the_next(opened: Any, tmp_path: Path) -> None:
    service = opened(Service(two_algorithms(tmp_path), discover()))
    account_changes = service.methods()["account_changes"].function
    kept = account_changes()
    assert kept == service.account()
    for quote in (10.0, 20.0, 30.0, 25.0, 40.0):
        service.event(quoted("A", quote))
        changes = account_changes(kept["seq"])
        assert (changes["since"], changes["seq"]) == (kept["seq"], service.account()["seq"])
        parts = zip(changes["algorithms"].values(), kept["algorithms"].values(), strict=True)
        for told, known in ((changes, kept), *parts):
            positions = {sid: held for sid, held in known["positions"].items() if sid not in told["closed"]}
            for sid, held in positions.items():
                held["mark"], held["value"] = quote, service.account()["positions"][sid]["value"]
            told["positions"] = {**positions, **told["positions"]}
            del told["since"], told["closed"]
        kept = changes
        whole = service.account()
        assert {**kept, "algorithms": None} == {**whole, "algorithms": None}
        assert list(kept["algorithms"]) == list(whole["algorithms"])
    assert "since" not in account_changes(kept["seq"] + 1)  # none of the answers
    with pytest.raises(BadCall, match="since as a whole number from 0"):
        account_changes("much")


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({"three": 0.1}, "no algorithm is called `three`; there are one, two"),
        ({"one": 0.7}, "more than 1"),
        ({"one": "much"}, "a number from 0 to 1"),
        ({"one": -0.1}, "from 0 to 1"),
        ({}, "expected a share for each"),
        ("half", "expected a share for each"),
    ],
)
def test_shares_that_cannot_be_are_refused(opened: Any, tmp_path: Path, shares: Any, problem: str) -> None:
    service = opened(Service(two_algorithms(tmp_path), discover()))
    with pytest.raises(IntuitionError, match=problem):
        service.shares(shares)
    assert service.describe()["last_seq"] == 0


def test_the_kill_switch_cancels_refuses_and_survives(tmp_path: Path) -> None:
    def journal(name: str) -> Journal:
        return Journal(tmp_path / "session.journal")

    service = Service(two_algorithms(tmp_path), discover(), journal=journal)
    service.event(quoted("A", 10.0))
    rejected, switched = service.kill("the feed is wrong")
    assert "the feed is wrong" in rejected["reason"]
    assert (switched["type"], switched["action"], switched["by"]) == ("control", "kill", "rpc")
    [refused] = service.event(quoted("B", 10.0))
    assert (refused["type"], refused["reason"]) == ("rejection", "the kill switch is on: the feed is wrong")
    service.close()
    again = Service(two_algorithms(tmp_path), discover(), journal=journal)
    assert again.describe()["killed"] == "the feed is wrong"
    again.clear("mended")
    assert again.describe()["killed"] is None
    with pytest.raises(IntuitionError, match="is not on"):
        again.clear("twice")
    for reason in ("", " ", "\n", 7, "x" * 501):
        with pytest.raises(IntuitionError, match="say why"):
            again.kill(reason)
    again.close()


def test_a_service_that_cannot_go_on_lets_its_journal_go(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with closing(Service(two_algorithms(tmp_path), discover(), journal=lambda _name: Journal(path))) as service:
        service.event(quoted("A", 10.0))
    (tmp_path / "other").mkdir()
    config = two_algorithms(tmp_path / "other", cash="777")
    journal = Journal(path)
    with pytest.raises(CompositionChanged):
        Service(config, discover(), journal=lambda _name: journal)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        journal.meta()


def test_the_kill_switch_can_sell_all(opened: Any, tmp_path: Path) -> None:
    service = opened(Service(two_algorithms(tmp_path), discover()))
    service.event(quoted("A", 10.0))
    service.event(quoted("A", 10.0))
    switched, order = service.kill("enough", True)
    assert (switched["flatten"], order["side"], order["quantity"]) == (True, "sell", "10")
    [fill] = service.event(quoted("A", 11.0))
    assert (fill["type"], fill["profit"]) == ("fill", "10")
    assert service.account()["positions"] == {}
    [only] = service.kill("nothing held", True)
    assert only["type"] == "control"
