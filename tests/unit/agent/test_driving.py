"""Actuators that are driven: bounded by ranks, once on the disk, given back, whoever fails or meddles."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent import control as control_module
from edgeagent import driving as module
from edgeagent.driving import GOVERNOR, GUARD, Rank
from edgeagent.originals import Originals
from edgeagent.reach import Handle
from edgeagent_sdk.messages import Outcome
from tests.services import wait_until

from .test_control import Desk, Leased, Plain, World


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_REFRESH_S", 0.1)
    monkeypatch.setattr(control_module, "_TURN_S", 0.1)
    monkeypatch.setattr(module, "_REFRESH_S", 0.1)
    monkeypatch.setattr(module, "_RETRY_S", 0.1)


#: What the actuator is at before anybody steers it.
FOUND = 480.0


def at_first() -> World:
    world = World()
    world.value = FOUND
    return world


@contextmanager
def running(state_dir: Path, world: World | None = None, kind: Any = Plain, **keys: Any) -> Iterator[Desk]:
    made = Desk(kind, state_dir, world or at_first(), **keys)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    with running(tmp_path, kind=getattr(request, "param", Plain)) as made:
        yield made


both = pytest.mark.parametrize("desk", [Plain, Leased], indirect=True)


def handle(desk: Desk, rank: Rank = GOVERNOR, device: str = "") -> Handle:
    (found,) = desk.control.reach(rank, device).find("*/limit")
    return found


def at(desk: Desk, value: float) -> None:
    wait_until(lambda: desk.world.holds == value, f"it is at {value}, not {desk.world.holds}")


def file(path: Path) -> Path:
    return path / "originals-psu.json"


@both
def test_it_is_driven_and_given_back(desk: Desk) -> None:
    drive = handle(desk)
    for value in (200.0, 250.0, 150.0):
        drive.drive(value)
        at(desk, value)
    wait_until(lambda: drive.state.value == 150.0, "it is read back")
    drive.let_go()
    at(desk, FOUND)
    assert desk.reports.kinds == [], "what happens ten times a second is no news"


@pytest.mark.parametrize(("asked", "held"), [(20.0, 100.0), (1e12, FOUND)])
def test_it_is_driven_within_its_limits(desk: Desk, asked: float, held: float) -> None:
    handle(desk).drive(asked)
    at(desk, held)


def test_the_disk_is_written_once(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    put = Originals.put

    def watched(*args: Any, **more: Any) -> None:
        written.append(args)
        put(*args, **more)

    monkeypatch.setattr(Originals, "put", watched)
    drive = handle(desk)
    for value in (200.0, 210.0, 220.0, 230.0):
        drive.drive(value)
        at(desk, value)
    desk.cap(180.0)
    for value in (170.0, 160.0):
        drive.drive(value)
        at(desk, value)
    (row,) = json.loads(file(tmp_path).read_text())["actuators"].values()
    assert (row["value"], row["driven"]) == (FOUND, [100.0, 500.0]) and len(written) == 1


def test_it_is_on_the_disk_before_the_first_change(tmp_path: Path) -> None:
    saved: list[Any] = []

    class Watched(Plain):
        def set(self, value: float) -> None:
            saved.append(json.loads(file(tmp_path).read_text())["actuators"]["limit"]["value"])
            super().set(value)

    with running(tmp_path, kind=Watched) as desk:
        handle(desk).drive(200.0)
        at(desk, 200.0)
        assert saved == [FOUND]
    assert desk.world.value == FOUND and not file(tmp_path).exists()


@pytest.mark.parametrize(
    ("at_", "boot", "holds", "kinds"),
    [
        (137.0, "boot", FOUND, ["actuator-restored"]),
        (FOUND, "boot", FOUND, []),
        (600.0, "boot", 600.0, ["actuator-left"]),
        (137.0, "another", 137.0, ["actuator-left"]),
    ],
)
def test_the_next_start_gives_back_whatever_it_was_driven_to(
    tmp_path: Path, at_: float, boot: str, holds: float, kinds: list[str]
) -> None:
    with running(tmp_path) as desk:
        handle(desk).drive(200.0)
        at(desk, 200.0)
        left = file(tmp_path).read_bytes()
    file(tmp_path).write_bytes(left)
    world = World()
    world.value = at_
    with running(tmp_path, world, boot=boot) as desk:
        wait_until(lambda: not file(tmp_path).exists(), "it is settled")
        assert (world.value, desk.reports.kinds) == (holds, kinds)


@both
def test_a_lease_bounds_it_and_is_never_overridden(desk: Desk) -> None:
    drive = handle(desk)
    drive.drive(400.0)
    at(desk, 400.0)
    assert desk.cap(250.0)[0] is Outcome.APPLIED
    wait_until(lambda: drive.state.ceiling == 250.0, "the governor is told")
    assert drive.state.whose == "a lease"
    drive.drive(450.0)
    time.sleep(0.3)
    assert desk.world.holds == 250.0
    drive.drive(200.0)
    at(desk, 200.0)
    drive.drive(450.0)
    at(desk, 250.0)
    said = desk.release()
    assert (said.outcome, said.holds["value"]) == (Outcome.APPLIED, 450.0)
    wait_until(lambda: drive.state.ceiling > 1e9, "the governor is told")
    drive.let_go()
    at(desk, FOUND)


@both
def test_a_lease_above_what_it_is_driven_to_says_so(desk: Desk) -> None:
    handle(desk).drive(200.0)
    at(desk, 200.0)
    said = desk.cap(400.0, 0.5)
    assert (said.outcome, said.holds["value"]) == (Outcome.CLAMPED, 200.0)
    assert said.why == "the governor keeps it at 200"
    wait_until(lambda: desk.told("lease-ended"), "its end")
    assert desk.world.holds == 200.0 and "actuator-reverted" not in desk.reports.kinds


def test_a_fallback_bounds_it_as_its_lease_did(tmp_path: Path) -> None:
    with running(tmp_path, fallback={"limit": 180.0}) as desk:
        drive = handle(desk)
        drive.drive(400.0)
        at(desk, 400.0)
        desk.cap(250.0, 0.3)
        at(desk, 180.0)
        assert drive.state.ceiling == 180.0
        desk.release()
        at(desk, 400.0)


@both
def test_the_guard_bounds_a_lease_and_the_governor(desk: Desk) -> None:
    governor, guard = handle(desk), handle(desk, GUARD)
    governor.drive(400.0)
    guard.drive(150.0, insist=True)
    at(desk, 150.0)
    wait_until(lambda: (governor.state.ceiling, governor.state.whose) == (150.0, "the guard"), "it is told")
    said = desk.cap(250.0)
    assert said.outcome is Outcome.CLAMPED and said.why == "the guard keeps it at 150"
    assert desk.world.holds == 150.0
    guard.let_go()
    at(desk, 250.0)


def test_of_two_governors_the_lower_counts_and_both_know(desk: Desk) -> None:
    one, other = handle(desk, device="one"), handle(desk, device="other")
    one.drive(300.0)
    at(desk, 300.0)
    other.drive(200.0)
    at(desk, 200.0)
    one.drive(350.0)
    wait_until(lambda: other.state.ceiling == 350.0, "the wish of one has come in")
    assert desk.world.holds == 200.0
    assert (one.state.ceiling, one.state.whose) == (200.0, "other")
    other.let_go()
    at(desk, 350.0)
    one.let_go()
    at(desk, FOUND)


def test_what_is_not_renewed_is_given_back_but_a_guard_s(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = GOVERNOR._replace(lapse_s=0.3)
    handle(desk, brief).drive(200.0)
    at(desk, 200.0)
    at(desk, FOUND)
    handle(desk, GUARD).drive(200.0)
    time.sleep(0.6)
    assert desk.world.holds == 200.0


def test_another_hand_is_left_unless_one_insists(desk: Desk) -> None:
    drive = handle(desk)
    drive.drive(200.0)
    at(desk, 200.0)
    time.sleep(0.2)
    desk.world.value = 450.0
    wait_until(lambda: drive.state.found == 450.0, "it is found")
    drive.drive(210.0)
    time.sleep(0.3)
    assert desk.world.value == 450.0 and drive.state.met == 1
    drive.drive(210.0, insist=True)
    at(desk, 210.0)
    desk.world.value = 460.0
    at(desk, 210.0)
    assert drive.state.met > 1
    wait_until(lambda: drive.state.found is None, "peace")


def test_what_another_hand_has_set_is_not_given_back(desk: Desk) -> None:
    drive = handle(desk)
    drive.drive(200.0)
    at(desk, 200.0)
    time.sleep(0.2)
    desk.world.value = 450.0
    wait_until(lambda: drive.state.found == 450.0, "it is found")
    drive.let_go()
    wait_until(lambda: desk.told("actuator-left"), "its event")
    assert desk.world.value == 450.0
    drive.drive(200.0)
    at(desk, 200.0)
    drive.let_go()
    at(desk, 450.0)


def test_a_refusal_is_told_once_and_tried_again(desk: Desk) -> None:
    drive = handle(desk)
    desk.world.trouble = "device or resource busy"
    for value in (200.0, 210.0, 220.0):
        drive.drive(value)
        time.sleep(0.1)
    wait_until(lambda: drive.state.fault == "device or resource busy", "it is told")
    desk.world.trouble = ""
    at(desk, 220.0)
    wait_until(lambda: not drive.state.fault, "it is told")
    assert desk.reports.kinds == ["actuator-fault", "actuator-recovered"]


def test_a_refusal_is_not_over_when_nothing_has_to_be_set(desk: Desk) -> None:
    drive = handle(desk)
    desk.world.trouble = "permission denied"
    for _ in range(3):
        drive.drive(200.0)
        wait_until(lambda: drive.state.fault == "permission denied", "it is refused")
        drive.drive(FOUND)
        wait_until(lambda: not drive.state.fault, "it is at that already")
    assert desk.reports.kinds == ["actuator-fault"]
    desk.world.trouble = ""
    drive.drive(200.0)
    at(desk, 200.0)
    wait_until(lambda: len(desk.reports.kinds) > 1, "it is told")
    assert desk.reports.kinds == ["actuator-fault", "actuator-recovered"]


def test_a_device_that_hangs_holds_nobody_up_and_gets_the_latest(desk: Desk) -> None:
    drive = handle(desk)
    desk.world.free.clear()
    begun = time.monotonic()
    for value in range(150, 250):
        drive.drive(float(value))
    assert time.monotonic() - begun < 0.5
    time.sleep(0.2)
    desk.world.free.set()
    at(desk, 249.0)
    assert len([what for what, _ in desk.world.calls if what == "set"]) < 5


@both
@pytest.mark.parametrize("how", ["stop", "reload"])
def test_the_end_of_the_agent_or_the_device_gives_back(desk: Desk, how: str) -> None:
    drive = handle(desk)
    drive.drive(200.0)
    at(desk, 200.0)
    if how == "stop":
        desk.stop()
        drive.drive(210.0)
    else:
        desk.reload()
    assert desk.world.holds == FOUND


def test_a_device_that_comes_back_is_driven_on(desk: Desk) -> None:
    drive = handle(desk)
    drive.drive(200.0)
    at(desk, 200.0)
    desk.reload()
    assert desk.world.holds == FOUND
    desk.reload(desk.config)
    wait_until(lambda: bool(desk.devices.sampler("psu").actuators), "the device is open")
    drive.drive(190.0)
    at(desk, 190.0)


def test_who_steers_shows(desk: Desk) -> None:
    handle(desk).drive(200.0)
    at(desk, 200.0)
    count = len(desk.answers)
    desk.control.actuators({}, desk.answer)
    (row,) = desk.wait(count).holds["actuators"]
    assert (row["value"], row["by"]) == (200.0, "the governor")


def test_what_it_was_found_at_is_not_lifted(desk: Desk) -> None:
    drive = handle(desk)
    drive.drive(490.0)
    wait_until(lambda: drive.state.original == FOUND, "it is known")
    assert desk.world.value == FOUND
    drive.drive(200.0)
    at(desk, 200.0)
    drive.drive(490.0)
    at(desk, FOUND)
    assert drive.state.met == 0


def test_a_disk_that_hangs_holds_up_neither_who_drives_nor_the_control(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, put = threading.Event(), Originals.put

    def hung(*args: Any, **more: Any) -> None:
        free.wait(10)
        put(*args, **more)

    monkeypatch.setattr(Originals, "put", hung)
    drive, begun = handle(desk), time.monotonic()
    for value in (200.0, 210.0, 220.0):
        drive.drive(value)
    assert time.monotonic() - begun < 0.5
    time.sleep(0.5)
    assert desk.world.value == FOUND and desk.control.silent_s < 0.4
    free.set()
    at(desk, 220.0)


def test_a_driver_that_hangs_is_told_and_driven_on_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HANGS_S", 0.2)
    drive = handle(desk)
    desk.world.free.clear()
    drive.drive(200.0)
    wait_until(lambda: drive.state.fault == "its driver hangs", "it is told")
    drive.drive(210.0)
    desk.world.free.set()
    at(desk, 210.0)
    wait_until(lambda: not drive.state.fault, "it is told")
    assert desk.reports.kinds[:2] == ["actuator-fault", "actuator-recovered"]
