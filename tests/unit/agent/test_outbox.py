"""The outbox: nothing leaves it unacknowledged, whatever happens to the process or the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent.outbox import BATCH_MAX_BYTES, Batch, Outbox, OutboxCorrupt, OutboxUnavailable

T = 1_790_000_000 * 10**9
BIG = 1 << 30


def line(i: int, channel: str = "c") -> str:
    return f"count,channel={channel},device=d,node=n,site=s value={float(i)} {T + i * 10**9}\n"


def fill(box: Outbox, batches: range, per_batch: int = 1) -> None:
    for i in batches:
        for k in range(per_batch):
            box.put(line(i, f"c{k}"), 1)
        box.seal("synced", T + i * 10**9)


def lines_of(batches: list[Batch]) -> list[str]:
    return [text for batch in batches for text in (batch.lines or "").splitlines(keepends=True)]


@pytest.fixture(params=["disk", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Both kinds of outbox keep the same promises, but for the file."""
    return tmp_path / "outbox.db" if request.param == "disk" else None


def test_first_in_first_out_and_numbered_from_one(path: Path | None) -> None:
    box = Outbox(path, BIG)
    fill(box, range(5))
    batches = box.after(0, 100)
    assert [batch.seq for batch in batches] == [1, 2, 3, 4, 5]
    assert lines_of(batches) == [line(i, "c0") for i in range(5)]
    assert [batch.seq for batch in box.after(3, 100)] == [4, 5]
    assert box.last == 5


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [(1, 2, [3, 4, 5]), (2, 3, [1, 4, 5]), (5, 99, [1, 2, 3, 4]), (7, 9, [1, 2, 3, 4, 5]), (1, 5, [])],
)
def test_acknowledged_ranges_leave(path: Path | None, first: int, last: int, left: list[int]) -> None:
    box = Outbox(path, BIG)
    fill(box, range(5))
    removed = box.remove(first, last)
    assert sorted(removed + left) == [1, 2, 3, 4, 5]
    assert [batch.seq for batch in box.after(0, 100)] == left
    assert box.depth == len(left)


def test_what_was_committed_is_there_after_a_crash(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", BIG)
    fill(box, range(2))
    box.put(line(2), 1)
    box.commit()
    box.put(line(3), 1)  # neither committed nor sealed
    box.close()
    again = Outbox(tmp_path / "outbox.db", BIG)
    assert again.boot == box.boot
    again.seal("synced", T)
    assert lines_of(again.after(0, 10)) == [line(0, "c0"), line(1, "c0"), line(2)]
    assert [batch.seq for batch in again.after(0, 10)] == [1, 2, 3]


def test_numbers_go_on_after_everything_was_acknowledged(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", BIG)
    fill(box, range(3))
    box.remove(1, 3)
    box.close()
    again = Outbox(tmp_path / "outbox.db", BIG)
    fill(again, range(1))
    assert [batch.seq for batch in again.after(0, 10)] == [4]


def test_a_large_pass_becomes_several_batches(path: Path | None) -> None:
    box = Outbox(path, BIG)
    text = "".join(line(i) for i in range(10_000))
    box.put(text, 10_000)
    box.seal("synced", T)
    batches = box.after(0, 100)
    assert len(batches) == -(-len(text) // BATCH_MAX_BYTES)
    assert "".join(batch.lines or "" for batch in batches) == text
    assert sum(batch.readings for batch in batches) == 10_000
    assert all(len(batch.lines or "") <= BATCH_MAX_BYTES for batch in batches)
    assert len({batch.time_ns for batch in batches}) == len(batches)


def test_over_budget_old_data_is_thinned_and_new_data_stays_whole(path: Path | None) -> None:
    box = Outbox(path, 20_000)
    loss = 0
    for i in range(400):
        fill(box, range(i, i + 1), per_batch=5)
        loss += box.thin(()).thinned
    batches = box.after(0, 1000)
    assert box.size_bytes <= 20_000
    assert batches[-1].first == batches[-1].seq == 400
    assert batches[0].seq - batches[0].first > 0, "the oldest batch stands for many"
    kept = sum(batch.readings for batch in batches)
    assert loss == sum(batch.thinned for batch in batches)
    assert kept + loss == 400 * 5
    assert [b.first for b in batches] == [1] + [b.seq + 1 for b in batches[:-1]], "no number is missing"
    times = [int(text.rsplit(" ", 1)[1]) for text in lines_of(batches)]
    assert times == sorted(times)


def test_far_over_budget_the_oldest_is_dropped_and_counted(path: Path | None) -> None:
    box = Outbox(path, 2_000)
    thinned = dropped = 0
    for i in range(2000):
        fill(box, range(i, i + 1))
        loss = box.thin(())
        thinned, dropped = thinned + loss.thinned, dropped + loss.dropped
    kept = sum(batch.readings for batch in box.after(0, 5000))
    assert dropped > 0
    assert kept + thinned + dropped == 2000
    assert box.size_bytes <= 2_000


def test_what_is_on_its_way_is_not_thinned(path: Path | None) -> None:
    box = Outbox(path, 500)
    fill(box, range(50))
    busy = set(range(1, 21))
    box.thin(busy)
    assert [batch.seq for batch in box.after(0, 20)] == sorted(busy)


def test_an_old_acknowledgement_does_not_take_what_was_thinned_since(path: Path | None) -> None:
    box = Outbox(path, 1)
    fill(box, range(10))
    box.max_bytes = box.size_bytes - 1
    box.thin(())
    (batch,) = box.after(0, 10)
    assert (batch.first, batch.seq) == (1, 10)
    assert box.remove(10, 10) == []
    assert box.remove(1, 10) == [10]


def test_many_channels_thin_into_payloads_that_still_fit(path: Path | None) -> None:
    box = Outbox(path, BIG)
    for i in range(10):
        box.put("".join(line(i, f"c{i}-{k}") for k in range(3000)), 3000)
        box.seal("synced", T + i)
    box.max_bytes = 1
    box._thin_once(())
    batches = box.after(0, 100)
    assert all(len(batch.lines or "") <= 2 * BATCH_MAX_BYTES for batch in batches)
    assert sum(batch.readings for batch in batches) == 30_000
    assert [b.first for b in batches] == [1] + [b.seq + 1 for b in batches[:-1]]


def test_held_batches_wait_for_the_clock(path: Path | None) -> None:
    box = Outbox(path, BIG)
    box.put(line(0), 1)
    box.seal("unsynced", 5, held=True)
    fill(box, range(1, 2))
    assert [batch.seq for batch in box.after(0, 10)] == [2]
    assert box.release(str.upper, "stepped", 1000) == 1
    first = box.after(0, 10)[0]
    assert (first.seq, first.time_ns, first.clock, first.lines) == (1, 1005, "stepped", line(0).upper())


DAMAGE = {
    "garbage": lambda data: b"\x5a" * len(data),
    "garbage in the middle": lambda data: data[:4096] + b"\x5a" * (len(data) - 4096),
    "truncated to half": lambda data: data[: len(data) // 2],
    "truncated within the first page": lambda data: data[:100],
    "a text file": lambda data: b"hello, I am not a database\n" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_known_for_what_it_is(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "outbox.db"
    box = Outbox(path, BIG)
    fill(box, range(200), per_batch=20)
    box.close()
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OutboxCorrupt, match=r"outbox\.db"):
        Outbox(path, BIG)


def test_a_rotten_batch_is_told_from_a_sound_one(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    box = Outbox(path, BIG)
    fill(box, range(3))
    box.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE batch SET packed = x'00112233' WHERE seq = 2")
    db.close()
    batches = Outbox(path, BIG).after(0, 10)
    assert [batch.lines is None for batch in batches] == [False, True, False]


def test_a_file_moved_away_is_noticed(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", BIG)
    box.check_file()
    (tmp_path / "outbox.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(OutboxCorrupt, match="moved or deleted"):
        box.check_file()


def test_a_directory_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(OutboxUnavailable, match="unable to open"):
        Outbox(tmp_path / "no" / "outbox.db", BIG)


STEP = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 5)),
    st.tuples(st.sampled_from(["commit", "seal", "crash"]), st.just(0)),
    st.tuples(st.just("ack"), st.integers(0, 30)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps=st.lists(STEP, max_size=60))
def test_any_history_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("box") / "outbox.db"
    box = Outbox(path, BIG)
    produced: list[str] = []  # handed over and safe
    unsafe: list[str] = []  # put, not yet committed
    acknowledged: list[str] = []
    for action, number in steps:
        match action:
            case "put":
                text = "".join(line(len(produced) + len(unsafe) + i) for i in range(number))
                box.put(text, number)
                unsafe += text.splitlines(keepends=True)
            case "commit" | "seal":
                box.commit() if action == "commit" else box.seal("synced", T)
                produced, unsafe = produced + unsafe, []
            case "crash":
                box.close()
                box, unsafe = Outbox(path, BIG), []
            case "ack":
                gone = {b.seq: lines_of([b]) for b in box.after(0, 1000) if b.seq <= number}
                for seq in box.remove(1, number):
                    acknowledged += gone[seq]
    box.seal("synced", T)
    produced += unsafe
    assert sorted(acknowledged + lines_of(box.after(0, 1000))) == sorted(produced)


def test_a_file_without_a_name_is_never_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full, or the process killed, at any moment of the first opening."""

    class Interrupted(sqlite3.Connection):
        left = 0

        def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
            Interrupted.left -= 1
            if Interrupted.left < 0:
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, parameters)

    connect = sqlite3.connect
    for statements in range(12):
        path = tmp_path / f"outbox-{statements}.db"
        Interrupted.left = statements
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Interrupted))
            try:
                Outbox(path, BIG).close()
            except OutboxUnavailable:
                pass
        box = Outbox(path, BIG)
        assert box.boot and box.last == 0
        box.close()
