"""What actuators were found at: on the disk before the first change, and given back after every end."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent import control as module
from edgeagent import originals
from edgeagent_sdk.driver import Actuator
from edgeagent_sdk.messages import Outcome
from tests.services import wait_until

from .test_control import Desk, Leased, Plain, World, void


class Lasting(Plain):
    """Keeps what it is told over a restart of the machine."""

    survives_reboot = True


class Rounding(Plain):
    """Makes something else of what it is told."""

    def set(self, value: float) -> None:
        super().set(round(value / 7) * 7)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 0.1)
    monkeypatch.setattr(module, "_TURN_S", 0.1)


@contextmanager
def running(
    path: Path, world: World, kind: Callable[[World], Actuator] = Plain, **more: Any
) -> Iterator[Desk]:
    made = Desk(kind, path, world, **more)
    try:
        yield made
    finally:
        made.stop()


class Bounded(Plain):
    """Can be set no higher than it was found at when it was opened."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.info = self.info._replace(maximum=world.value)


def file(path: Path) -> Path:
    return path / "originals-psu.json"


def left_behind(path: Path, value: float = 300.0, ours: float = 200.0, boot: str = "boot") -> World:
    """The world after an agent that was killed under a lease."""
    file(path).write_text(json.dumps({"limit": {"value": value, "ours": [ours], "boot": boot}}))
    world = World()
    world.value = ours
    return world


def test_it_is_on_the_disk_before_the_first_change_and_gone_in_the_end(tmp_path: Path) -> None:
    world = World()
    saved: list[Any] = []

    class Watched(Plain):
        def set(self, value: float) -> None:
            saved.append(json.loads(file(tmp_path).read_text())["limit"])
            super().set(value)

    with running(tmp_path, world, Watched) as desk:
        for value in (200.0, 200.0, 250.0):
            desk.cap(value)
        assert [(row["value"], row["ours"]) for row in saved] == [
            (300.0, [200.0]),
            (300.0, [200.0]),
            (300.0, [200.0, 250.0]),
        ], "either value of ours shows our hand, whenever the power fails"
        desk.release()
    assert world.value == 300.0 and not file(tmp_path).exists()


@pytest.mark.parametrize(
    ("kind", "boot", "at", "holds", "events"),
    [
        (Plain, "boot", 200.0, 300.0, ["actuator-restored"]),
        (Lasting, "boot", 200.0, 300.0, ["actuator-restored"]),
        (Lasting, "another", 200.0, 300.0, ["actuator-restored"]),
        (Plain, "another", 200.0, 200.0, ["actuator-left"]),
        (Plain, "boot", 450.0, 450.0, ["actuator-left"]),
        (Lasting, "another", 450.0, 450.0, ["actuator-left"]),
        (Plain, "boot", 300.0, 300.0, []),
    ],
)
def test_the_next_start_gives_back_what_is_still_ours(
    tmp_path: Path, kind: Any, boot: str, at: float, holds: float, events: list[str]
) -> None:
    world = left_behind(tmp_path)
    world.value = at
    with running(tmp_path, world, kind, boot=boot) as desk:
        wait_until(lambda: not file(tmp_path).exists(), "it is settled")
        assert (world.value, desk.reports.kinds) == (holds, events)
        assert desk.cap(210.0)[0] is Outcome.APPLIED
    assert world.value == holds, "what was found then is the original now"


def test_a_device_whose_limits_follow_from_what_it_is_at_is_opened_again(tmp_path: Path) -> None:
    with running(tmp_path, left_behind(tmp_path), Bounded) as desk:
        assert desk.cap(290.0)[0] is Outcome.APPLIED


def test_what_cannot_be_given_back_at_the_start_is_given_back_later(tmp_path: Path) -> None:
    world = left_behind(tmp_path)
    world.trouble = "the bus is stuck"
    with running(tmp_path, world) as desk:
        wait_until(lambda: desk.told("actuator-fault"), "the trouble")
        assert (
            "limit: cannot be set back to what it was found at: the bus is stuck" in desk.reports.messages[0]
        )
        time.sleep(0.3)
        world.trouble = ""
        wait_until(lambda: desk.told("actuator-restored"), "it is given back")
        assert world.value == 300.0
        assert desk.reports.kinds == ["actuator-fault", "actuator-restored"]


def test_an_original_of_another_boot_is_none_for_a_new_lease(tmp_path: Path) -> None:
    world = left_behind(tmp_path, boot="another")
    world.value = float("nan")  # it cannot be told yet
    with running(tmp_path, world) as desk:
        wait_until(lambda: desk.told("actuator-fault"), "the trouble")
        world.value = 320.0
        desk.cap(210.0)
        assert desk.release()[1]["value"] == 320.0


def test_an_original_of_an_earlier_run_stays_the_original_under_a_new_lease(tmp_path: Path) -> None:
    world = left_behind(tmp_path)
    world.trouble = "the bus is stuck"
    with running(tmp_path, world) as desk:
        wait_until(lambda: desk.told("actuator-fault"), "the trouble")
        world.trouble = ""
        desk.cap(210.0)
        desk.release()
        assert world.value == 300.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b'{"limit": {}}',
        b'{"limit": {"value": "x"}}',
        b'{"limit": {"value": 300.0, "ours": [], "boot": ""}}',
    ],
)
def test_a_damaged_file_stops_changes_until_somebody_has_looked(tmp_path: Path, content: bytes) -> None:
    file(tmp_path).write_bytes(content)
    world = World()
    with running(tmp_path, world) as desk:
        wait_until(lambda: desk.told("originals-damaged"), "its event")
        outcome, _, why = desk.cap(200.0)
        assert outcome is Outcome.REFUSED and "is damaged" in why and "delete the file" in why
        assert world.calls == [] and file(tmp_path).read_bytes() == content
        file(tmp_path).unlink()
        assert desk.cap(200.0)[0] is Outcome.APPLIED


def test_nothing_is_changed_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    world = World()
    with running(tmp_path, world) as desk:
        obstacle = tmp_path / f".originals-psu.json.{os.getpid()}"
        obstacle.mkdir()
        outcome, _, why = desk.cap(200.0)
        assert outcome is Outcome.REFUSED and "its original value cannot be saved first" in why
        assert world.calls == [] and desk.told("originals-unsaved")
        obstacle.rmdir()
        assert desk.cap(200.0)[0] is Outcome.APPLIED


def test_a_disk_that_hangs_does_not_hold_up_the_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.3)
    works = threading.Event()
    monkeypatch.setattr(originals, "_sync", lambda directory: void(works.wait(10)))
    world = World()
    with running(tmp_path, world) as desk:
        outcome, _, why = desk.cap(200.0)
        assert (outcome, why) == (Outcome.REFUSED, "psu does not take it: its driver hangs")
        assert world.calls == []
        works.set()
        wait_until(lambda: not file(tmp_path).exists(), "what came too late is taken back")
        assert world.value == 300.0


def test_what_another_sets_between_the_last_look_and_the_end_is_left_to_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 60.0)
    world = World()
    with running(tmp_path, world) as desk:
        desk.cap(200.0)
        world.value = 450.0
        assert desk.release()[1]["value"] == 450.0
        assert desk.reports.kinds == ["lease-began", "lease-ended", "actuator-left"]
        assert desk.reports.messages[-1] == (
            "limit: is 450 and does not get its 300 back: somebody else has set it"
        )


def test_a_refused_cap_does_not_make_our_own_value_a_strangers(tmp_path: Path) -> None:
    world = World()
    with running(tmp_path, world) as desk:
        desk.cap(200.0)
        world.trouble = "out of order"
        for value in (210.0, 220.0, 230.0):
            assert desk.cap(value)[0] is Outcome.REFUSED
        world.trouble = ""
        assert desk.release()[1]["value"] == 300.0


def test_what_a_device_makes_of_a_value_is_ours_as_well(tmp_path: Path) -> None:
    world = World()
    world.value = 301.0
    with running(tmp_path, world, Rounding) as desk:
        assert desk.cap(200.0)[1]["value"] == 203.0
        assert desk.release()[1]["value"] == 301.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_could_not_be_given_back_is_not_changed(tmp_path: Path, value: float) -> None:
    world = World()
    world.value = value
    with running(tmp_path, world) as desk:
        outcome, _, why = desk.cap(200.0)
        assert (outcome, why) == (Outcome.REFUSED, f"says that limit is {value:g}")
        assert world.calls == []


def test_a_lease_that_ends_by_itself_leads_to_the_fallback_and_a_release_to_the_original(
    tmp_path: Path,
) -> None:
    world = World()
    with running(tmp_path, world, fallback={"limit": 150.0}) as desk:
        desk.cap(200.0, 0.2)
        wait_until(lambda: world.value == 150.0, "the fallback")
        assert "its time was over; it goes to its fallback, 150" in desk.reports.messages[-1]
        assert desk.release()[1]["value"] == 300.0
        desk.cap(200.0)
        assert desk.release()[1]["value"] == 300.0
        desk.cap(200.0, 0.2)
        wait_until(lambda: world.value == 150.0, "the fallback")
    assert world.value == 300.0, "and so does the end of the agent"


def test_a_refused_cap_leaves_it_at_its_fallback(tmp_path: Path) -> None:
    world = World()
    with running(tmp_path, world, fallback={"limit": 150.0}) as desk:
        desk.cap(200.0, 0.2)
        wait_until(lambda: world.value == 150.0, "the fallback")
        assert by(desk) == "its fallback"
        world.trouble = "out of order"
        assert desk.cap(400.0)[0] is Outcome.REFUSED
        time.sleep(0.15)
        world.trouble = ""
        time.sleep(0.3)
        assert world.value == 150.0


def by(desk: Desk) -> str:
    """Who decides, by the command `actuators`."""
    count = len(desk.answers)
    desk.control.actuators({}, desk.answer)
    (row,) = desk.wait(count).holds["actuators"]
    return str(row.get("by", row.get("fault")))


def test_who_decides_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.3)
    monkeypatch.setattr(module, "_REFRESH_S", 60.0)
    world = World()
    with running(tmp_path, world) as desk:
        assert by(desk) == ""
        desk.cap(200.0)
        assert by(desk) == "a lease"
        world.value = 450.0
        assert by(desk) == "somebody else"
        world.free.clear()
        assert by(desk) == "its driver hangs"


@pytest.mark.parametrize(
    ("kind", "fallback", "why"),
    [
        (Plain, {"limits": 150.0}, "there is no actuator 'limits'; did you mean 'limit'?"),
        (Plain, {"limit": 50.0}, "limit: 50 is outside 100 to 500"),
        (
            Leased,
            {"limit": 150.0},
            "limit falls back by itself, without us; set its safe state in the device",
        ),
    ],
)
def test_a_fallback_that_cannot_be_used_is_told_and_the_original_comes_back(
    tmp_path: Path, kind: Any, fallback: dict[str, float], why: str
) -> None:
    world = World()
    with running(tmp_path, world, kind, fallback=fallback) as desk:
        wait_until(lambda: desk.told("fallback-unusable"), "its event")
        assert desk.reports.messages == [f"fallback: {why}"]
        desk.cap(200.0, 0.2)
        wait_until(lambda: world.holds == 300.0, "the original")


@pytest.mark.parametrize("kind", [Plain, Leased])
def test_a_lease_that_yields_ends_when_somebody_else_decides(tmp_path: Path, kind: Any) -> None:
    world = World()
    with running(tmp_path, world, kind, on_revert="yield") as desk:
        desk.cap(200.0)
        if kind is Plain:
            world.value = 450.0
        else:
            world.guard = 450.0
        wait_until(lambda: desk.told("lease-ended"), "the end")
        assert world.holds == 450.0 and desk.control.reverts == 1
        assert desk.reports.kinds[:3] == ["lease-began", "actuator-reverted", "lease-ended"]
        assert desk.reports.messages[2].endswith("ended: it yields to who has set it")
