from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.errors import BadParameter, IntuitionError, PartFailed
from intuition_core.sources import BadEvent, Opened, UnknownData, open_source, reader_of, shown


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


def opened(source: Any, **how: Any) -> Opened:
    return Opened("listed", "source listed (test 1)", source, "data.csv", **how)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("prices.csv", "csv"),
        ("a.b/PRICES.CSV.GZ", "csv"),
        ("prices.2020.parquet", "parquet"),
        ("prices.sqlite", "sql"),
        ("postgresql://localhost/prices", "sql"),
        ("wss://feed.example/stream", "websocket"),
    ],
)
def test_the_data_tells_its_source(data: str, name: str) -> None:
    assert reader_of(data) == name


@pytest.mark.parametrize("data", ["prices", "prices.gz", "prices.xlsx", ""])
def test_other_data_is_told_of(data: str) -> None:
    with pytest.raises(UnknownData, match="--source"):
        reader_of(data)


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


@given(
    events=st.lists(st.builds(quote, st.integers(0, 20), st.sampled_from("ABC")), max_size=30),
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
        and (not symbols or event["sid"] in symbols)
    ]
    how = {"start": start, "end": end, "symbols": tuple(symbols)}
    batches = [events[at : at + size] for at in range(0, len(events), size)]
    for source in (Listed(*events), Batched(*batches)):
        assert list(opened(source, **how).events()) == expected
        given_in_lists = list(opened(source, **how).batches())
        assert [event for batch in given_in_lists for event in batch] == expected
        assert all(given_in_lists)


class FakeCatalogue:
    """Holds one source."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def find(self, kind: str, ref: str) -> Any:
        assert (kind, ref) == ("source", "mine")
        return type("Plugin", (), {"name": "mine", "distribution": "mine-dist", "version": "1"})

    def load(self, kind: str, ref: str) -> Any:
        return self._factory


def asking(**fields: Any) -> type:
    class Asking:
        Params = msgspec.defstruct("Params", [(name, type_, None) for name, type_ in fields.items()])

        def initialize(self, params: Any) -> None:
            self.params = msgspec.structs.asdict(params)

        def events(self) -> Iterator[Any]:
            yield quote(5)
            yield quote(6, "B")

    return Asking


def open_mine(factory: Any, **how: Any) -> Opened:
    return open_source(FakeCatalogue(factory), "mine", **how)  # type: ignore[arg-type]  # all that is asked of it


def test_a_source_that_can_leave_out_does() -> None:
    factory = asking(path=tuple[str, ...] | None, start=int | None, symbols=tuple[str, ...] | None)
    source = open_mine(factory, data=["x.csv"], start=6, end=7, symbols=["A"])
    assert source._source.params == {"path": ("x.csv",), "start": 6, "symbols": ("A",)}
    assert [event["ts"] for event in source.events()] == [5, 6], "only the end was left to us"


def test_an_address_goes_to_the_parameter_for_it() -> None:
    assert open_mine(asking(url=str | None), data=["prices.db"])._source.params == {"url": "sqlite:///prices.db"}
    assert open_mine(asking(url=str | None), data=["pg://x/y"])._source.params == {"url": "pg://x/y"}
    with pytest.raises(BadParameter, match="one address"):
        open_mine(asking(url=str | None), data=["a.db", "b.db"])
    with pytest.raises(BadParameter, match="no `path` and no `url`"):
        open_mine(asking(limit=int | None), data=["a.db"])


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
