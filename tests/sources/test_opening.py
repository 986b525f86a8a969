from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.errors import BadParameter, IntuitionError, PartFailed
from intuition_core.sources.opening import UnknownData, open_source, reader_of, shown
from intuition_core.sources.reading import BadEvent, MergedReader, SourceReader


class Listed:
    def __init__(self, *events: Any) -> None:
        self._events = events

    def events(self) -> Iterator[Any]:
        yield from self._events


class Batched:
    def __init__(self, *batches: list[dict[str, Any]]) -> None:
        self._batches = batches

    def events(self) -> Iterator[Any]:
        raise AssertionError("the batches are faster")

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        yield from self._batches


class Broken:
    def events(self) -> Iterator[Any]:
        yield {"sid": "A", "quote": 1, "ts": 1}
        raise KeyError("close")


def quote(ts: int, sid: str = "A") -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": 1.0, "ts": ts}


def opened(source: Any, **how: Any) -> SourceReader:
    return SourceReader("listed", "source listed (test 1)", source, "data.csv", **how)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("prices.csv", "csv"),
        ("a.b/PRICES.CSV.GZ", "csv"),
        ("prices.2020.parquet", "parquet"),
        ("prices.sqlite", "sql"),
        ("prices.txt.lz4", "csv"),
        ("actions.jsonl", "jsonl"),
        ("events.NDJSON.zst", "jsonl"),
        ("postgresql://localhost/prices", "sql"),
        ("wss://feed.example/stream", "websocket"),
    ],
)
def test_the_data_tells_its_source(data: str, name: str) -> None:
    assert reader_of(data) == name


@pytest.mark.parametrize("data", ["prices", "prices.gz", "prices.xlsx", ""])
def test_other_data_is_told_of(data: str) -> None:
    with pytest.raises(UnknownData, match=r"known endings: .*\.csv, .*\.jsonl, .*name it by --source"):
        reader_of(data)


def test_a_folder_and_a_pattern_are_read_by_what_is_in_them(tmp_path: Path) -> None:
    for name in ("A.csv", "B.csv.gz", "C.zip", ".hidden.parquet", "notes.md"):
        (tmp_path / name).touch()
    assert reader_of(str(tmp_path)) == "csv"
    assert reader_of(f"{tmp_path}/*.zip") == "csv"
    assert reader_of(f"{tmp_path}/[AB]*") == "csv"
    (tmp_path / "D.feather").touch()
    assert reader_of(f"{tmp_path}/D*") == "parquet"
    with pytest.raises(UnknownData, match=r"it has files for `csv` and `parquet`\); name it by --source") as caught:
        reader_of(str(tmp_path))
    assert caught.value.sources == ("csv", "parquet")


def test_events_are_normalised() -> None:
    [first, second] = opened(Listed({"goog": "3.5", "ts": 1}, {"sid": "A", "quote": 2, "ts": 1, "note": "x"})).events()
    assert first == {"channel": "quotes", "sid": "goog", "quote": 3.5, "ts": 1}
    assert second == {"channel": "quotes", "sid": "A", "quote": 2.0, "ts": 1, "note": "x"}


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"sid": "A", "quote": 1}, "ts: missing"),
        ({"sid": "A", "quote": 1, "ts": 1}, "before the last one, 2"),
        ({"sid": "A", "quote": float("nan"), "ts": 3}, "finite"),
        ({"sid": "A", "quote": -1, "ts": 3}, "above zero"),
        ("nonsense", "expected an object"),
    ],
)
def test_a_bad_event_is_told_by_its_number(event: Any, problem: str) -> None:
    source = opened(Listed({"sid": "A", "quote": 1, "ts": 2}, event))
    with pytest.raises(BadEvent, match=f"event 2 of listed: data.csv: .*{problem}"):
        list(source.batches())


def test_negative_prices_pass_where_they_may() -> None:
    [event] = opened(Listed({"sid": "A", "quote": -37.63, "ts": 2}), negative_prices=True).events()
    assert event["quote"] == -37.63


def test_what_a_source_raises_is_told_with_its_name() -> None:
    with pytest.raises(PartFailed, match=r"source listed \(test 1\)\.events: KeyError: 'close'"):
        list(opened(Broken()).batches())


def rate(ts: int) -> dict[str, Any]:
    return {"channel": "rates", "sid": "EUR/USD", "quote": 1.25, "ts": ts}


@given(
    events=st.lists(
        st.builds(quote, st.integers(0, 20), st.sampled_from("ABC")) | st.builds(rate, st.integers(0, 20)), max_size=30
    ),
    start=st.none() | st.integers(0, 20),
    end=st.none() | st.integers(0, 20),
    symbols=st.sets(st.sampled_from("ABCD")),
    size=st.integers(1, 7),
)
def test_only_what_is_asked_for_is_given(
    events: list[dict[str, Any]], start: int | None, end: int | None, symbols: set[str], size: int
) -> None:
    events.sort(key=lambda event: event["ts"])
    expected = [
        event
        for event in events
        if (start is None or event["ts"] >= start)
        and (end is None or event["ts"] < end)
        and (not symbols or event["sid"] in symbols or event["channel"] == "rates")
    ]
    how = {"start": start, "end": end, "symbols": tuple(symbols)}
    batches = [events[at : at + size] for at in range(0, len(events), size)]
    for source in (Listed(*events), Batched(*batches)):
        assert list(opened(source, **how).events()) == expected
        given_in_lists = list(opened(source, **how).batches())
        assert [event for batch in given_in_lists for event in batch] == expected
        assert all(given_in_lists)


class FakeCatalogue:
    """Holds some sources, of which one is ``mine``."""

    def __init__(self, factory: Any = None, **others: Any) -> None:
        self._factories = {"mine": factory, **others}

    def find(self, kind: str, ref: str) -> Any:
        assert kind == "source"
        assert ref in self._factories
        return type("Plugin", (), {"name": ref, "distribution": f"{ref}-dist", "version": "1"})

    def load(self, kind: str, ref: str) -> Any:
        return self._factories[ref]


def asking(**fields: Any) -> type:
    class Asking:
        Params = msgspec.defstruct("Params", [(name, type_, None) for name, type_ in fields.items()])

        def initialize(self, params: Any) -> None:
            self.params = msgspec.structs.asdict(params)

        def events(self) -> Iterator[Any]:
            yield quote(5)
            yield quote(6, "B")

    return Asking


def open_any(catalogue: FakeCatalogue, name: str | None = None, **how: Any) -> SourceReader | MergedReader:
    return open_source(catalogue, name, **how)  # type: ignore[arg-type]  # all that is asked of it


def open_mine(factory: Any, **how: Any) -> SourceReader:
    source = open_any(FakeCatalogue(factory), "mine", **how)
    assert isinstance(source, SourceReader), "one source has nothing between it and its reader"
    return source


def test_a_source_that_can_leave_out_does() -> None:
    factory = asking(path=tuple[str, ...] | None, start=int | None, symbols=tuple[str, ...] | None)
    source = open_mine(factory, data=["x.csv"], start=6, end=7, symbols=["A"])
    assert source._source.params == {"path": ("x.csv",), "start": 6, "symbols": ("A",)}
    assert [event["ts"] for event in source.events()] == [5, 6], "only the end was left to us"


def test_an_address_goes_to_the_parameter_for_it() -> None:
    assert open_mine(asking(url=str | None), data=["prices.db"])._source.params == {"url": "sqlite:///prices.db"}
    assert open_mine(asking(url=str | None), data=["pg://x/y"])._source.params == {"url": "pg://x/y"}
    with pytest.raises(BadParameter, match="no `path` and no `url`"):
        open_mine(asking(limit=int | None), data=["a.xyz"])
    with pytest.raises(BadParameter, match="no `path` and no `url`"):
        open_mine(asking(limit=int | None), data=["a.db"], beside=False)


# -- several


class Recorded:
    """What each kind of source was given, and the events that it has under each name."""

    def __init__(self, **events: Sequence[dict[str, Any]]) -> None:
        self.events = events
        self.params: list[tuple[str, dict[str, Any]]] = []

    def source(self, kind: str, **fields: Any) -> type:
        recorded = self

        class Source:
            Params = msgspec.defstruct("Params", [(name, type_, None) for name, type_ in fields.items()])

            def initialize(self, params: Any) -> None:
                given = {key: value for key, value in msgspec.structs.asdict(params).items() if value is not None}
                recorded.params.append((kind, given))
                paths = given.get("path") or (given.get("url", kind),)
                self._events = [event for path in paths for event in recorded.events[path.partition(".")[0]]]

            def events(self) -> Iterator[Any]:
                yield from self._events

        return Source

    @property
    def catalogue(self) -> FakeCatalogue:
        return FakeCatalogue(
            csv=self.source("csv", path=tuple[str, ...] | None, close=str | None, symbols=tuple[str, ...] | None),
            jsonl=self.source("jsonl", path=tuple[str, ...] | None, channel=str | None),
            sql=self.source("sql", url=str | None, table=str | None),
            sample=self.source("sample", adjusted=bool | None),
        )


def test_neighbours_of_one_source_are_read_together() -> None:
    recorded = Recorded(a=[], b=[], c=[], d=[])
    assert isinstance(open_any(recorded.catalogue, data=["a.csv", "b.csv.gz"]), SourceReader)
    assert recorded.params == [("csv", {"path": ("a.csv", "b.csv.gz")})]
    recorded.params.clear()
    source = open_any(recorded.catalogue, data=["a.csv", "b.csv", "c.jsonl", "d.csv"])
    assert recorded.params == [
        ("csv", {"path": ("a.csv", "b.csv")}),
        ("jsonl", {"path": ("c.jsonl",)}),
        ("csv", {"path": ("d.csv",)}),
    ]
    assert str(source) == "csv: a.csv, b.csv; jsonl: c.jsonl; csv: d.csv"


def test_addresses_are_read_one_by_one() -> None:
    recorded = Recorded(postgresql=[quote(1)], **{"sqlite:///x": [quote(2)]})
    source = open_any(recorded.catalogue, "sql", data=["x.db", "postgresql.://ann:geheim@h/b"])
    assert [event["ts"] for event in source.events()] == [1, 2]
    assert str(source) == "sql: x.db; sql: postgresql.://h/b"


def test_events_of_equal_time_come_in_the_order_of_the_data() -> None:
    recorded = Recorded(
        actions=[quote(2, "actions"), quote(3, "actions")],
        prices=[quote(1, "prices"), quote(2, "prices"), quote(3, "prices")],
        sample=[quote(2, "sample"), quote(9, "sample")],
    )

    def order(*data: str, name: str | None = None) -> list[str]:
        events = list(open_any(recorded.catalogue, name, data=data).events())
        assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
        return [event["sid"] for event in events]

    assert order("actions.jsonl", "prices.csv") == ["prices", *["actions", "prices"] * 2]
    assert order("prices.csv", "actions.jsonl") == ["prices", *["prices", "actions"] * 2]
    assert order("actions.jsonl", name="sample") == ["actions", "sample", "actions", "sample"]


def test_each_of_several_gets_the_parameters_that_it_takes() -> None:
    recorded = Recorded(a=[], b=[], sample=[])
    given = {"close": "Last", "1.channel": "actions"}
    open_any(recorded.catalogue, data=["a.jsonl", "b.csv"], params=given)
    assert recorded.params == [
        ("jsonl", {"path": ("a.jsonl",), "channel": "actions"}),
        ("csv", {"path": ("b.csv",), "close": "Last"}),
    ]
    recorded.params.clear()
    open_any(recorded.catalogue, "sample", data=["a.jsonl"], params={"adjusted": True})
    assert recorded.params == [("jsonl", {"path": ("a.jsonl",)}), ("sample", {"adjusted": True})]


def test_a_numbered_parameter_sets_a_file_apart() -> None:
    recorded = Recorded(a=[], b=[], c=[])
    open_any(recorded.catalogue, data=["a.csv", "b.csv", "c.csv"], params={"2.close": "Last", "close": "Close"})
    assert recorded.params == [
        ("csv", {"path": ("a.csv",), "close": "Close"}),
        ("csv", {"path": ("b.csv",), "close": "Last"}),
        ("csv", {"path": ("c.csv",), "close": "Close"}),
    ]


@pytest.mark.parametrize(
    ("data", "params", "says"),
    [
        (["a.csv", "b.jsonl"], {"clsoe": 1}, "source csv: .*clsoe.*close"),
        (["a.csv", "b.jsonl"], {"2.close": 1}, "source jsonl: .*close"),
        (["a.csv", "b.jsonl"], {"3.close": 1}, "`3.close`: is for --data number 3, and there are 2"),
        ([], {"1.close": 1}, "`1.close`: is for --data number 1, and there are 0"),
    ],
)
def test_a_parameter_that_no_source_takes_is_refused(data: list[str], params: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        open_any(Recorded(a=[], b=[]).catalogue, data=data, params=params)


def test_symbols_of_several_are_chosen_from_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    recorded = Recorded(a=[quote(1, "A"), quote(2, "X")], b=[rate(1), quote(3, "B"), quote(4, "X")])
    source = open_any(recorded.catalogue, data=["a.csv", "b.jsonl"], symbols=["A", "B", "Z"], start=1, end=4)
    assert [event["sid"] for event in source.events()] == ["EUR/USD", "A", "B"]
    assert recorded.params[0] == ("csv", {"path": ("a.csv",)}), "it would refuse what it has none of"
    assert caplog.messages == ["csv: a.csv; jsonl: b.jsonl: no event is of Z"]


def test_what_is_wrong_with_one_of_several_is_told_with_its_name() -> None:
    recorded = Recorded(a=[quote(1)], b=[quote(2), quote(1)])
    with pytest.raises(BadEvent, match=r"event 2 of jsonl: b\.jsonl: .*before the last one"):
        list(open_any(recorded.catalogue, data=["a.csv", "b.jsonl"]).batches())


class Measured(Batched):
    """Says how many of its batches it has given."""

    given = 0

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        for batch in super().batches():
            self.given += 1
            yield batch

    def progress(self) -> float:
        return self.given / len(self._batches)


def test_progress_of_several_goes_by_how_much_each_has() -> None:
    dense = [[quote(1000 * number + place) for place in range(1000)] for number in range(100)]
    sparse = [[quote(5), quote(99_000)]]
    source = MergedReader([opened(Measured(*sparse)), opened(Measured(*dense))])
    assert source.progress == 0.0
    seen = []
    for batch in source.batches():
        assert batch
        seen.append(source.progress)
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(0.02, abs=0.02)
    assert seen[49] == pytest.approx(0.5, abs=0.02)
    assert seen[-1] == 1.0
    assert MergedReader([opened(Measured(*sparse)), opened(Batched(*dense))]).progress is None


def test_what_goes_wrong_at_the_start_is_told_with_the_source() -> None:
    class Failing:
        def initialize(self, params: Any) -> None:
            raise ZeroDivisionError("no rows")

        def events(self) -> Iterator[Any]:
            yield from ()

    with pytest.raises(PartFailed, match=r"source mine \(mine-dist 1\)\.initialize: ZeroDivisionError: no rows"):
        open_mine(Failing)


def test_the_model_of_a_source_needs_no_name() -> None:
    with pytest.raises(IntuitionError, match="--source"):
        open_source(FakeCatalogue(Listed))  # type: ignore[arg-type]  # it is not asked


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        ("a/prices.csv", "a/prices.csv"),
        ("postgresql://ann:geheim@db:5432/market?password=geheim", "postgresql://db:5432/market"),
        ("postgresql://db/market?user=ann@home&password=geheim", "postgresql://***"),
        ("postgresql://ann:ge/heim@db/market", "postgresql://***"),
        ("postgresql://ann:ge@heim@db/market", "postgresql://db/market"),
        ("wss://feed.example/stream?token=geheim", "wss://feed.example/stream"),
        ("wss://feed.example/stream#geheim", "wss://feed.example/stream"),
        ("sqlite:////data/a@b/prices.db?mode=ro", "sqlite:////data/a@b/prices.db"),
    ],
)
def test_what_is_read_is_shown_without_passwords(data: str, seen: str) -> None:
    assert shown(data) == seen


@given(st.sampled_from(["x://a:", "x://a:b@", "x://a"]), st.text(), st.text())
def test_no_password_is_shown_whatever_it_holds(before: str, noise: str, more: str) -> None:
    for password in (f"geheim{noise}", f"{noise}geheim"):
        assert "geheim" not in shown(f"{before}{password}@db/market{more}")


def test_neither_a_source_nor_its_mistakes_show_a_password() -> None:
    class Poor:
        Params = msgspec.defstruct("Params", [("url", str)])

        def initialize(self, params: Any) -> None:
            assert params.url == "postgresql://ann:geheim@db/market"

        def events(self) -> Iterator[Any]:
            yield {"sid": "A"}

    source = open_mine(Poor, data=["postgresql://ann:geheim@db/market"])
    assert str(source) == "mine: postgresql://db/market"
    with pytest.raises(BadEvent, match="event 1 of mine: postgresql://db/market: "):
        list(source.events())
