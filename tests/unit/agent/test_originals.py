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

import msgspec
import pytest

from edgeagent import control as module
from edgeagent import originals
from edgeagent.config import DeviceConfig
from edgeagent.fingerprint import fingerprint
from edgeagent_sdk.driver import Actuator, Options
from edgeagent_sdk.messages import Outcome
from tests import desk as desk_module
from tests.services import wait_until

from .test_control import Desk, Device, Leased, Plain, World, void


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
    row = {"value": value, "ours": [ours], "boot": boot}
    device = fingerprint("psu", Options()).device
    file(path).write_text(json.dumps({"device": device, "actuators": {"limit": row}}))
    world = World()
    world.value = ours
    return world


def test_it_is_on_the_disk_before_the_first_change_and_gone_in_the_end(tmp_path: Path) -> None:
    world = World()
    saved: list[Any] = []

    class Watched(Plain):
        def set(self, value: float) -> None:
            saved.append(json.loads(file(tmp_path).read_text())["actuators"]["limit"])
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
        b'{"device": "", "actuators": {"limit": {}}}',
        b'{"device": "", "actuators": {"limit": {"value": "x"}}}',
        b'{"device": "", "actuators": {"limit": {"value": 300.0, "ours": [], "boot": ""}}}',
        b'{"limit": {"value": 300.0, "ours": [200.0], "boot": "boot"}}',
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
        assert desk.reports.messages[-1].endswith(f"; free some room there, or make {tmp_path} writable")
        obstacle.rmdir()
        assert desk.cap(200.0)[0] is Outcome.APPLIED


def test_a_disk_that_takes_nothing_is_told_once_until_it_does(tmp_path: Path) -> None:
    with running(tmp_path, World()) as desk:
        obstacle = tmp_path / f".originals-psu.json.{os.getpid()}"
        for told in (1, 2):
            obstacle.mkdir()
            for _ in range(3):
                assert desk.cap(200.0)[0] is Outcome.REFUSED
            assert desk.reports.kinds.count("originals-unsaved") == told
            obstacle.rmdir()
            assert desk.cap(200.0)[0] is Outcome.APPLIED
            desk.release()
            wait_until(lambda: not file(tmp_path).exists(), "it is given back")


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


class Address(Options):
    """Where a device is, and what does not tell one from another."""

    port: int = 502
    unit: int = 1
    password: str = ""
    password_file: str = ""


class Unit(Device):
    """Says who it is."""

    def __init__(self, world: World, identity: str = "") -> None:
        super().__init__(world, Plain)
        self.says = identity

    def open(self) -> Any:
        self.identity = self.says
        return super().open()


def unit(world: World, options: Options, identity: str = "", **keys: Any) -> DeviceConfig:
    keys = {"name": "psu", "driver": "pdu"} | keys
    return DeviceConfig(
        interval_s=0.05, sensor=lambda host, _: Unit(world, identity), options=options, **keys
    )


@contextmanager
def at_work(path: Path, config: DeviceConfig) -> Iterator[desk_module.Desk]:
    made = desk_module.Desk(config, "limit", path)
    try:
        yield made
    finally:
        made.stop()


def killed(path: Path, config: DeviceConfig, world: World) -> bytes:
    """What an agent that is killed under a lease leaves on the disk, and in the device."""
    with at_work(path, config) as desk:
        assert desk.cap(200.0).outcome is Outcome.APPLIED
        left = file(path).read_bytes()
    file(path).write_bytes(left)
    world.value = 200.0
    return left


@pytest.mark.parametrize(
    "other",
    [
        {"options": Address(port=503)},
        {"options": Address(unit=2)},
        {"options": Address(), "driver": "ups"},
        {"options": Address(), "identity": "serial number 2"},
    ],
)
def test_what_one_device_was_found_at_is_never_given_to_another(tmp_path: Path, other: Any) -> None:
    first, second = World(), World()
    left = killed(tmp_path, unit(first, Address(), "serial number 1"), first)
    second.value = 200.0  # by its own operator
    with at_work(tmp_path, unit(second, **({"identity": "serial number 1"} | other))) as desk:
        wait_until(lambda: desk.told("originals-foreign"), "its event")
        assert "that one was left with limit at 200 (found at 300)" in desk.reports.messages[0]
        outcome, _, why = desk.cap(210.0)
        assert outcome is Outcome.REFUSED and "is of another device" in why and "delete the file" in why
        time.sleep(0.3)
    assert second.calls == [] and second.value == 200.0 and file(tmp_path).read_bytes() == left
    assert desk.reports.kinds == ["originals-foreign"]
    with at_work(tmp_path, unit(first, Address(), "serial number 1")) as desk:
        wait_until(lambda: desk.told("actuator-restored"), "the first one is back")
        assert first.value == 300.0 and not file(tmp_path).exists()


def test_a_device_that_does_not_say_who_it_is_this_once_is_not_taken_for_another(tmp_path: Path) -> None:
    world = World()
    left = killed(tmp_path, unit(world, Address(), "serial number 1"), world)
    with at_work(tmp_path, unit(world, Address())) as desk:
        wait_until(lambda: desk.told("originals-withheld"), "its event")
        outcome, _, why = desk.cap(210.0)
        assert outcome is Outcome.REFUSED and "calls itself serial number 1" in why
    assert world.value == 200.0 and file(tmp_path).read_bytes() == left
    with at_work(tmp_path, unit(world, Address(), "serial number 1")) as desk:
        wait_until(lambda: desk.told("actuator-restored"), "it is back")


def test_a_device_that_says_who_it_is_under_a_lease_keeps_the_lease_and_its_original(
    tmp_path: Path,
) -> None:
    world = World()
    device = Unit(world)
    config = msgspec.structs.replace(unit(world, Address()), sensor=lambda host, _: device)
    with at_work(tmp_path, config) as desk:
        desk.cap(200.0)
        device.says, world.unreachable = "serial number 1", "the cable was pulled"
        wait_until(lambda: desk.told("device-fault"), "it is gone")
        world.unreachable = ""
        wait_until(lambda: device.identity != "", "it is opened again")
        time.sleep(0.3)
        assert world.value == 200.0 and "actuator-restored" not in desk.reports.kinds
        desk.cap(250.0)
        assert json.loads(file(tmp_path).read_bytes())["identity"] == "serial number 1"
        assert desk.release().holds["value"] == 300.0
    assert not file(tmp_path).exists()


def test_a_device_put_in_anothers_place_at_a_reload_gets_nothing_either(tmp_path: Path) -> None:
    first, second = World(), World()
    second.value = 200.0
    with at_work(tmp_path, unit(first, Address())) as desk:
        desk.cap(200.0)
        first.trouble = "the bus is stuck"
        desk.reload(unit(second, Address(port=503)))
        wait_until(lambda: desk.told("originals-foreign"), "its event")
        time.sleep(0.3)
        assert second.calls == [] and file(tmp_path).exists()
        first.trouble = ""
        desk.reload(unit(first, Address()))
        wait_until(lambda: first.value == 300.0, "the first one is back")
        wait_until(lambda: not file(tmp_path).exists(), "it is settled")
        wait_until(lambda: bool(desk.devices.sampler("psu").actuators), "it is open again")
        assert desk.cap(210.0).outcome is Outcome.APPLIED


def test_a_secret_that_has_changed_makes_no_other_device_and_is_not_on_the_disk(tmp_path: Path) -> None:
    world = World()
    left = killed(tmp_path, unit(world, Address(password="tomato")), world)
    assert b"tomato" not in left
    with at_work(tmp_path, unit(world, Address(password="potato"))) as desk:
        wait_until(lambda: desk.told("actuator-restored"), "it is back")


def test_originals_whose_device_is_not_configured_are_told(tmp_path: Path) -> None:
    left_behind(tmp_path)
    orphan = tmp_path / "originals-rack.json"
    file(tmp_path).rename(orphan)
    with running(tmp_path, World()) as desk:
        desk.reload(desk.config)
        assert desk.reports.kinds == ["originals-orphaned"]
        (words,) = desk.reports.messages
        assert str(orphan) in words and "configure it under that name again" in words
        assert orphan.exists()


class Pair(Device):
    """Two limits, of which the lower never exceeds the upper; the kernel's frequencies are like that."""

    def __init__(self, world: World) -> None:
        super().__init__(world, Plain)
        self.at = {"low": 200.0, "high": 300.0}

    def actuators(self) -> Any:
        return [Bound(self.world, self.at, name) for name in self.at]


class Bound(Plain):
    """One of them."""

    def __init__(self, world: World, at: dict[str, float], name: str) -> None:
        super().__init__(world)
        self.at, self.info = at, self.info._replace(name=name)

    def get(self) -> float:
        return self.at[self.info.name]

    def set(self, value: float) -> None:
        self.world.call(self.info.name, value)
        bound = min(value, self.at["high"]) if self.info.name == "low" else max(value, self.at["low"])
        self.at[self.info.name] = bound


@pytest.mark.parametrize("way", ["end", "kill"])
@pytest.mark.parametrize("lent", [[("low", 100.0), ("high", 150.0)], [("high", 450.0), ("low", 400.0)]])
def test_limits_that_lean_on_each_other_go_back_in_the_reverse_order(
    tmp_path: Path, way: str, lent: list[tuple[str, float]]
) -> None:
    pair = Pair(World())
    config = DeviceConfig(
        name="psu", driver="cpu", interval_s=0.05, sensor=lambda host, _: pair, options=Options()
    )
    with at_work(tmp_path, config) as desk:
        for name, value in lent:
            count = len(desk.answers)
            body = {"device": "psu", "actuator": name, "value": value, "lease_s": 60.0}
            desk.control.cap(body, desk.answer)
            assert desk.wait(count).outcome is Outcome.APPLIED
        left, capped = file(tmp_path).read_bytes(), dict(pair.at)
    if way == "kill":
        file(tmp_path).write_bytes(left)
        pair.at.update(capped)
        with at_work(tmp_path, config) as desk:
            wait_until(lambda: not file(tmp_path).exists(), "it is settled")
    assert pair.at == {"low": 200.0, "high": 300.0} and "actuator-left" not in desk.reports.kinds


def test_a_device_that_hangs_is_asked_to_let_go_once_not_each_turn(tmp_path: Path) -> None:
    world = World()
    with running(tmp_path, world) as desk:
        desk.cap(200.0)
        world.free.clear()
        desk.control.release({"device": "psu", "actuator": "limit"}, desk.answer)
        time.sleep(1.0)  # ten turns
        assert desk.devices.sampler("psu")._orders.qsize() <= 2
        world.free.set()
        wait_until(lambda: not file(tmp_path).exists(), "it is given back")
        assert world.value == 300.0


def test_what_another_device_held_up_is_not_taken_for_the_new_ones_original(tmp_path: Path) -> None:
    first, second = World(), World()
    second.value = 300.0
    with at_work(tmp_path, unit(first, Address())) as desk:
        first.free.clear()
        body = {"device": "psu", "actuator": "limit", "value": 200.0, "lease_s": 60.0}
        desk.control.cap(body, desk.answer)
        time.sleep(0.1)
        desk.reload(unit(second, Address(port=503)))
        wait_until(lambda: bool(desk.devices.sampler("psu").actuators), "the second one is open")
        first.free.set()
        time.sleep(0.3)
        assert first.calls == second.calls == [] and not file(tmp_path).exists()
