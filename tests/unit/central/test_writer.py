"""The writer against a store that fails in every way; the real stores are in tests/integration."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from edgeagent_central.check import Bad, Checked
from edgeagent_central.fleet import Node
from edgeagent_central.stores.base import Query, Series, Store, StoreDown, StoreRejected
from edgeagent_central.writer import Arrival, Writer
from edgeagent_sdk.names import Identity
from tests.services import wait_until


class Shelf(Store):
    """Keeps lines in memory; refuses those with `bad`, and everything while `down`.

    With `tells` it says which they are, and keeps the others, as an InfluxDB does.
    """

    tells = False

    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[bytes] = []
        self.down = 0
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, payloads: Sequence[bytes]) -> None:
        self.gate.wait()
        self.calls += 1
        if self.down:
            self.down -= 1
            raise StoreDown("down", 0.01)
        lines = b"".join(payloads).splitlines()
        if any(b"bad" in line for line in lines):
            if self.tells:
                self.lines += [line for line in lines if b"bad" not in line]
                raise StoreRejected("it is bad", [line for line in lines if b"bad" in line])
            raise StoreRejected("it is bad")
        self.lines += lines

    def query(self, query: Query) -> list[Series]:
        return []


class Bench:
    """A writer on a shelf, and what it reported."""

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.shelf = Shelf()
        self.stored: list[Arrival] = []
        self.bad: list[bytes] = []
        self.rooms = 0
        self.writer = Writer(self.shelf, max_bytes, self.stored.extend, self._bad, self._room)
        self.writer.start()

    def _bad(self, node: Node, bad: list[Bad]) -> None:
        self.bad += [item.line for item in bad]

    def _room(self) -> None:
        self.rooms += 1

    def offer(self, payload: bytes) -> bool:
        node = Node(Identity("s", "n"))
        return self.writer.offer(Arrival(node, Checked(None, payload, (), (), (), [], True), 1, 1))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.shelf.gate.set()
    made.writer.stop(5)


def test_what_gathers_during_one_write_goes_in_the_next(bench: Bench) -> None:
    bench.shelf.gate.clear()
    for i in range(50):
        bench.offer(f"{i}\n".encode())
    bench.shelf.gate.set()
    wait_until(lambda: len(bench.stored) == 50, "50 batches")
    assert bench.shelf.lines == [str(i).encode() for i in range(50)]
    assert bench.shelf.calls <= 3


def test_nothing_is_reported_as_stored_while_the_store_is_down(bench: Bench) -> None:
    bench.shelf.down = 5
    bench.offer(b"1\n")
    wait_until(lambda: bool(bench.stored), "stored after all")
    assert bench.shelf.calls == 6
    assert bench.writer.trouble == ""


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize(
    "payloads",
    [
        [b"bad\n"],
        [b"1\nbad\n2\n"],
        [b"1\n", b"bad\n", b"2\n"],
        [b"bad\nbad\n1\n", b"2\nbad\n"],
        [b"1\n" * 20 + b"bad\n" + b"2\n" * 20],
        [b"power,n=1 1\npower,n=1 bad\nenergy,n=1 1\n" * 9, b"power,n=2 bad\nenergy,n=2 bad\n"],
    ],
)
def test_only_the_bad_lines_are_refused(bench: Bench, payloads: list[bytes], tells: bool) -> None:
    bench.shelf.tells = tells
    bench.shelf.gate.clear()
    for payload in payloads:
        bench.offer(payload)
    bench.shelf.gate.set()
    wait_until(lambda: len(bench.stored) == len(payloads), "all are dealt with")
    everything = b"".join(payloads).splitlines()
    assert set(bench.shelf.lines) == {line for line in everything if b"bad" not in line}
    assert sorted(bench.bad) == sorted(line for line in everything if b"bad" in line)


def test_too_much_is_turned_away_and_asked_for_again_later() -> None:
    bench = Bench(max_bytes=100)
    bench.shelf.gate.clear()
    assert bench.offer(b"x" * 60)
    assert not bench.offer(b"x" * 60)
    assert bench.rooms == 0
    bench.shelf.gate.set()
    wait_until(lambda: bench.rooms == 1, "room again")
    assert bench.writer.waiting_bytes == 0
    bench.writer.stop(5)


def test_stopping_while_the_store_is_down_reports_nothing_as_stored() -> None:
    bench = Bench()
    bench.shelf.down = 1_000_000
    bench.offer(b"1\n")
    wait_until(lambda: bench.writer.trouble != "", "trouble")
    bench.writer.stop(5)
    assert not bench.writer.is_alive()
    assert bench.stored == []
