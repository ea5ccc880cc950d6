"""The guard's rank waits for no disk: one that hangs, or takes nothing, keeps nobody from being throttled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent.driving import GOVERNOR, GUARD
from edgeagent.originals import Originals
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Outcome
from tests.services import wait_until
from tests.unit.agent.test_control import Desk, Plain
from tests.unit.agent.test_driving import FOUND, at, at_first, handle


class Disk:
    """What becomes of every write of originals."""

    def __init__(self) -> None:
        self.full = False
        self.free = threading.Event()
        self.free.set()

    def write(self) -> None:
        self.free.wait()
        if self.full:
            raise EdgeError("no space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made, write = Disk(), Originals._write

    def watched(originals: Originals, device: str, rows: object) -> None:
        made.write()
        write(originals, device, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Originals, "_write", watched)
    yield made
    made.free.set()


@pytest.fixture
def desk(disk: Disk, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Plain, tmp_path, at_first())
    yield made
    disk.free.set()
    made.stop()


def test_with_a_disk_that_hangs(desk: Desk, disk: Disk) -> None:
    disk.free.clear()
    drive = handle(desk, GUARD)
    drive.drive(200.0, insist=True)
    at(desk, 200.0)
    disk.free.set()
    drive.let_go()
    at(desk, FOUND)


def test_with_a_disk_that_is_full(desk: Desk, disk: Disk) -> None:
    disk.full = True
    assert desk.cap(300.0).outcome is Outcome.REFUSED
    handle(desk, GOVERNOR).drive(300.0)
    drive = handle(desk, GUARD)
    drive.drive(200.0, insist=True)
    at(desk, 200.0)
    drive.let_go()
    handle(desk, GOVERNOR).let_go()
    at(desk, FOUND)


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "is full"])
def test_over_a_lease(desk: Desk, disk: Disk, hangs: bool) -> None:
    assert desk.cap(300.0).outcome is Outcome.APPLIED
    disk.full = not hangs
    if hangs:
        disk.free.clear()
    drive = handle(desk, GUARD)
    drive.drive(200.0, insist=True)
    at(desk, 200.0)
    disk.full = False
    disk.free.set()
    drive.let_go()
    at(desk, 300.0)
    wait_until(lambda: desk.release().outcome is Outcome.APPLIED, "it is released")
    at(desk, FOUND)
