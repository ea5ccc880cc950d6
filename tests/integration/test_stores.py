"""One table of cases against every store: what is written comes back, once, and refusals are in words."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent_central.stores.base import (
    Query,
    Series,
    Store,
    StoreDown,
    StoreMisconfigured,
    StoreRejected,
    TooMuch,
)
from edgeagent_central.stores.influx1 import Influx1Options, Influx1Store
from edgeagent_central.stores.influx2 import Influx2Options, Influx2Store
from edgeagent_central.stores.sqlite import SqliteOptions, SqliteStore
from tests.services import free_port, influxd, victoria, wait_until

S = 10**9


@contextmanager
def _sqlite(directory: Path) -> Iterator[Store]:
    yield SqliteStore(SqliteOptions(path=str(directory / "store.db")))


@contextmanager
def _influx1(directory: Path) -> Iterator[Store]:
    with influxd(directory) as server:
        yield Influx1Store(Influx1Options(url=server.url, database="made-by-us"))


@contextmanager
def _victoria(directory: Path) -> Iterator[Store]:
    with victoria(directory) as server:

        class Flushed(Influx2Store):
            """Shows at once what was written; by itself VictoriaMetrics takes ten seconds."""

            def write(self, payloads: Sequence[bytes]) -> None:
                super().write(payloads)
                server.flush()

        yield Flushed(Influx2Options(url=server.url))


STORES = {"sqlite": _sqlite, "influxdb 1.x": _influx1, "victoria-metrics": _victoria}


@pytest.fixture(scope="module", params=list(STORES.values()), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Each store in turn, for real."""
    with request.param(tmp_path_factory.mktemp("store")) as made:
        yield made
        made.close()


def line(quantity: str, channel: str, value: float, time_ns: int, node: str = "n1") -> bytes:
    return f"{quantity},channel={channel},device=d,node={node},site=s value={value!r} {time_ns}\n".encode()


#: Some days ago, on a round second, so that no store's retention cuts it off.
_starts = itertools.count(int(time.time()) // 10_000 * 10_000 - 500_000, 1_000)


@pytest.fixture
def t() -> int:
    """The beginning of a stretch of time that no other test uses, in ns."""
    return next(_starts) * S


def ask(store: Store, expected: int, query: Query) -> list[Series]:
    """The answer, once it has so many series; VictoriaMetrics takes a moment to show what it has."""
    wait_until(lambda: len(store.query(query)) == expected, f"{expected} series for {query}", 15)
    return store.query(query)


def test_what_is_written_comes_back(store: Store, t: int) -> None:
    store.write([line("power", "a", 1.5, t) + line("power", "a", -2.25, t + S), line("power", "b", 1e-9, t)])
    found = ask(store, 2, Query(t, t + 10 * S, quantity="power"))
    assert {s.channel: s.points for s in found} == {"a": [(t, 1.5), (t + S, -2.25)], "b": [(t, 1e-9)]}
    assert {(s.quantity, s.device, s.node, s.site) for s in found} == {("power", "d", "n1", "s")}


def test_writing_again_changes_nothing(store: Store, t: int) -> None:
    for _ in range(3):
        store.write([line("energy", "again", 5.0, t), line("energy", "again", 6.0, t + S)])
    (found,) = ask(store, 1, Query(t, t + 10 * S, channel="again"))
    assert found.points == [(t, 5.0), (t + S, 6.0)]


@pytest.mark.parametrize(
    ("wanted", "channels"),
    [
        ({"quantity": "voltage"}, {"x", "y"}),
        ({"channel": "x"}, {"x"}),
        ({"node": "n2"}, {"y"}),
        ({"device": "d", "site": "s"}, {"x", "y", "z"}),
        ({"quantity": "voltage", "node": "n1"}, {"x"}),
    ],
)
def test_selection(store: Store, t: int, wanted: dict[str, Any], channels: set[str]) -> None:
    store.write(
        [line("voltage", "x", 1.0, t), line("voltage", "y", 1.0, t, "n2"), line("current", "z", 1.0, t)]
    )
    found = ask(store, len(channels), Query(t, t + S)._replace(**wanted))
    assert {s.channel for s in found} == channels


def test_the_end_is_exclusive_and_the_start_is_not(store: Store, t: int) -> None:
    store.write([line("power", "edge", float(i), t + i * S) for i in range(4)])
    (found,) = ask(store, 1, Query(t + S, t + 3 * S, channel="edge"))
    assert [value for _, value in found.points] == [1.0, 2.0]


def test_steps_average_gauges_and_keep_the_last_of_counters(store: Store, t: int) -> None:
    gauge = [line("power", "step", float(i), t + i * S) for i in range(20)]
    counter = [line("energy", "step", float(i), t + i * S) for i in range(20)]
    store.write([*gauge, *counter])
    found = ask(store, 2, Query(t, t + 20 * S, step_ns=10 * S, channel="step"))
    points = {s.quantity: s.points for s in found}
    assert points == {"power": [(t, 4.5), (t + 10 * S, 14.5)], "energy": [(t, 9.0), (t + 10 * S, 19.0)]}


def test_an_answer_too_long_to_hold_is_refused(store: Store, t: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([b"".join(line("power", f"long{i % 2}", float(i), t + i * S) for i in range(20))])
    ask(store, 1, Query(t, t + 20 * S, channel="long0"))
    monkeypatch.setattr("edgeagent_central.stores.base.POINTS_MAX", 15)
    monkeypatch.setattr("edgeagent_central.stores.sqlite.POINTS_MAX", 15)
    with pytest.raises(TooMuch, match="more than 15 points; ask for less time or a longer step"):
        store.query(Query(t, t + 20 * S, device="d", quantity="power"))
    assert len(store.query(Query(t, t + 20 * S, 10 * S, quantity="power", device="d"))) == 2


def test_an_answer_of_too_many_bytes_is_not_read(
    store: Store, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(store, SqliteStore):
        return  # it speaks no HTTP
    store.write([line("power", "bytes", float(i), t + i * S) for i in range(100)])
    ask(store, 1, Query(t, t + 100 * S, channel="bytes"))
    monkeypatch.setattr("edgeagent_central.stores.http._ANSWER_MAX_BYTES", 200)
    with pytest.raises(TooMuch):
        store.query(Query(t, t + 100 * S, channel="bytes"))
    monkeypatch.undo()
    assert len(store.query(Query(t, t + 100 * S, channel="bytes"))[0].points) == 100


def test_headers_are_taken(store: Store, t: int) -> None:
    header = f'edgeagent_batch,node=n1,site=s boot="b",seq=1i,readings=1i,clock="synced" {t}\n'.encode()
    store.write([header + line("power", "headed", 1.0, t)])
    ask(store, 1, Query(t, t + S, channel="headed"))


def test_quotes_in_a_query_select_nothing_and_break_nothing(store: Store, t: int) -> None:
    for nasty in ("'", '"', "\\", "x' OR '1'='1", "${}", ".*"):
        assert store.query(Query(t, t + S, node=nasty)) == []


def test_a_partial_write_is_a_rejection(tmp_path: Path) -> None:
    with influxd(tmp_path) as server:
        made = Influx1Store(Influx1Options(url=server.url))
        made.write([b'power,channel=a,device=d,node=n1,site=s value="text" 1790000000000000000\n'])
        with pytest.raises(StoreRejected, match="field type conflict") as error:
            made.write(
                [line("power", "a", 1.0, 1790000000000000001), line("voltage", "a", 1.0, 1790000000000000001)]
            )
        assert error.value.lines == [line("power", "a", 1.0, 1790000000000000001).strip()]
        assert len(made.query(Query(1790000000 * S, 1790000001 * S, quantity="voltage"))) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(
            lambda url: Influx1Store(Influx1Options(url=url)), "nothing listens there", id="influx1"
        ),
        pytest.param(lambda url: Influx2Store(Influx2Options(url=url)), "onnection refused", id="influx2"),
    ],
)
def test_a_store_that_is_down_says_where_it_should_be(make: Callable[[str], Store], words: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreDown) as error:
        make(url).write([line("power", "a", 1.0, 1790000000000000000)])
    assert url in str(error.value)
    assert words in str(error.value)


def test_wrong_credentials_are_told(tmp_path: Path) -> None:
    with influxd(tmp_path, auth=True) as server:
        made = Influx1Store(Influx1Options(url=server.url.replace("://", "://nobody:wrong@")))
        with pytest.raises(StoreMisconfigured, match=r"refuses us \(40[13]\).*check user"):
            made.write([line("power", "a", 1.0, 1790000000000000000)])


@pytest.mark.parametrize("url", ["influx", "ftp://x", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(StoreMisconfigured, match="write http://host:port"):
        Influx1Store(Influx1Options(url=url))


def test_retention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = SqliteStore(SqliteOptions(path=str(tmp_path / "s.db"), retention_days=1.0))
    old, new = 1_790_000_000 * S, 1_790_000_000 * S + 86400 * 2 * S
    monkeypatch.setattr("edgeagent_central.stores.sqlite.time.time_ns", lambda: new)
    made.write([line("power", "a", 1.0, old), line("power", "a", 2.0, new)])
    made.tend()
    (found,) = made.query(Query(old, new + 1))
    assert found.points == [(new, 2.0)]


def test_a_full_embedded_store_forgets_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    made = SqliteStore(SqliteOptions(path=str(path), max_bytes=1 << 20))
    begun = time.time_ns() - 86400 * S
    for i in range(40):
        made.write(
            [
                line("power", f"c{c}", 1.0, begun + (i * 200 + k) * 10 * S)
                for c in range(10)
                for k in range(200)
            ]
        )
        made.tend()
    for _ in range(200):
        made.tend()
    found = made.query(Query(0, time.time_ns()))
    last_ns = begun + (40 * 200 - 1) * 10 * S
    assert len(found) == 10 and all(series.points[-1][0] == last_ns for series in found)
    assert len({series.points[0][0] for series in found}) == 1, "all are cut at the same time"
    assert 10_000 < sum(len(series.points) for series in found) < 60_000
    assert path.stat().st_size < 4 << 20
    made.close()


@pytest.mark.parametrize("run_s", [1.5, 4.0])
def test_a_victoria_that_is_killed_has_lost_nothing(tmp_path: Path, run_s: float) -> None:
    """It keeps its newest seconds in memory and the index of new series even longer."""
    with victoria(tmp_path) as server:
        made = Influx2Store(Influx2Options(url=server.url))
        begun, written = time.time_ns(), 0
        made.tend()
        for _ in range(2):
            until_s = time.monotonic() + run_s
            while time.monotonic() < until_s:
                made.write([line("count", "number", float(written), time.time_ns())])
                written += 1
                made.tend()
                time.sleep(0.02)
            server.kill()
            with pytest.raises(StoreDown):
                made.write([line("count", "number", -1.0, time.time_ns())])
            server.start()
            made.tend()
        server.flush()
        (found,) = ask(made, 1, Query(begun, time.time_ns() + S, channel="number"))
        assert {value for _, value in found.points} >= set(map(float, range(written)))
        made.close()
