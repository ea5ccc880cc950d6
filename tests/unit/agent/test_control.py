"""Leases on actuators of devices that obey, refuse, hang, forget, or are meddled with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeagent import control as module
from edgeagent import grip
from edgeagent.config import DeviceConfig
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Actuator, ActuatorInfo, Host, LeasedActuator, Occurrence, Options, Sensor
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.messages import Outcome, Severity
from tests import desk as desk_module
from tests.services import wait_until

INFO = ActuatorInfo("limit", "power", 100.0, 500.0)


def void(_: object) -> None:
    """Forget it."""


class World:
    """What a device is like, as the test wishes.

    Attributes:
        value: what it holds, or falls back to.
        guard: what it does instead of what it was told.
        trouble: why it cannot be set now.
        calls: what was asked of it, in order.
    """

    def __init__(self) -> None:
        self.value = 300.0
        self.lease: tuple[float, float] | None = None
        self.guard: float | None = None
        self.trouble = ""
        self.unreachable = ""
        self.calls: list[tuple[str, float]] = []
        self.threads: set[str] = set()
        self.free = threading.Event()
        self.free.set()
        self.news: list[Occurrence] = []

    def call(self, what: str, value: float = 0.0) -> None:
        self.threads.add(threading.current_thread().name)
        self.free.wait()
        if self.trouble:
            raise DriverError(self.trouble)
        self.calls.append((what, value))

    @property
    def holds(self) -> float:
        if self.guard is not None:
            return self.guard
        if self.lease and time.monotonic() < self.lease[1]:
            return self.lease[0]
        return self.value


class Plain(Actuator):
    """Keeps what it is told for ever."""

    info = INFO

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self) -> float:
        self.world.free.wait()
        return self.world.holds

    def set(self, value: float) -> None:
        self.world.call("set", value)
        self.world.value = value


class Leased(LeasedActuator):
    """Forgets by itself."""

    info = INFO
    ttl_s = 3.0

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self) -> float:
        self.world.free.wait()
        return self.world.holds

    def holder(self) -> str:
        return "the guard" if self.world.guard is not None else ""

    def hold(self, value: float, ttl_s: float) -> None:
        self.world.call("hold", ttl_s)
        self.world.lease = (value, time.monotonic() + ttl_s)

    def release(self) -> None:
        self.world.call("release")
        self.world.lease = None


class Device(Sensor):
    """One channel and one actuator."""

    def __init__(self, world: World, kind: Callable[[World], Actuator]) -> None:
        super().__init__(Host(), Options())
        self.world, self.kind = world, kind

    def open(self) -> Sequence[Channel]:
        if self.world.unreachable:
            raise DriverError(self.world.unreachable, retry_s=0.02)
        self.actuator = self.kind(self.world)
        return [Channel("in", "power")]

    def read(self) -> Sequence[Value]:
        self.world.free.wait()
        if self.world.unreachable:
            raise DriverError(self.world.unreachable, retry_s=0.02)
        return [1.0]

    def actuators(self) -> Sequence[Actuator]:
        return [self.actuator]

    def occurrences(self) -> Sequence[Occurrence]:
        news, self.world.news = self.world.news, []
        return news


class Desk(desk_module.Desk):
    """Control over a device of that world.

    Args:
        keys: of its configuration.
    """

    def __init__(
        self,
        kind: Callable[[World], Actuator],
        state_dir: Path,
        world: World | None = None,
        *,
        boot: str = "boot",
        **keys: Any,
    ) -> None:
        self.world = world or World()
        config = DeviceConfig(
            name="psu",
            driver="psu",
            interval_s=0.05,
            stale_after_s=0.5,
            sensor=lambda host, options: Device(self.world, kind),
            options=Options(),
            **keys,
        )
        super().__init__(config, "limit", state_dir, boot=boot)

    def stop(self) -> None:
        self.world.free.set()
        super().stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 0.1)
    monkeypatch.setattr(module, "_TURN_S", 0.1)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(getattr(request, "param", Leased), tmp_path)
    yield made
    made.stop()


both = pytest.mark.parametrize("desk", [Plain, Leased], indirect=True)
plain = pytest.mark.parametrize("desk", [Plain], indirect=True)


@both
def test_a_cap_holds_until_it_is_released(desk: Desk) -> None:
    outcome, holds, why = desk.cap(200.0, 60.0)
    assert (outcome, why, desk.world.holds) == (Outcome.APPLIED, "", 200.0)
    assert holds["value"] == 200.0 and 59 < holds["lease_s"] <= 60
    outcome, holds, _ = desk.release()
    assert (outcome, holds["value"], holds["lease_s"], desk.world.holds) == (
        Outcome.APPLIED,
        300.0,
        0.0,
        300.0,
    )
    assert desk.reports.kinds == ["lease-began", "lease-ended"]


@both
def test_a_lease_ends_by_itself_in_time(desk: Desk) -> None:
    desk.cap(200.0, 0.5)
    begun = time.monotonic()
    wait_until(lambda: desk.world.holds == 300.0, "the end")
    assert time.monotonic() - begun > 0.3
    wait_until(lambda: desk.told("lease-ended"), "its event")


@both
def test_a_lease_is_renewed_and_changed(desk: Desk) -> None:
    for value in (200.0, 200.0, 250.0):
        assert desk.cap(value, 0.5)[0] is Outcome.APPLIED
        time.sleep(0.3)
        assert desk.world.holds == value
    assert desk.reports.kinds == ["lease-began", "lease-began"], "a renewal is no news"


def test_every_call_comes_on_the_devices_own_thread(desk: Desk) -> None:
    desk.cap()
    desk.release()
    assert desk.world.threads == {"device-psu"}


@pytest.mark.parametrize(
    ("value", "lease_s", "held", "why"),
    [
        (99.0, 60.0, 100.0, "99 is outside 100 to 500"),
        (1e12, 60.0, 500.0, "1e+12 is outside 100 to 500"),
        (200.0, 1e9, 200.0, "a lease lasts 3600 s at most"),
    ],
)
def test_what_goes_too_far_is_clamped_and_told(
    desk: Desk, value: float, lease_s: float, held: float, why: str
) -> None:
    outcome, holds, reason = desk.cap(value, lease_s)
    assert (outcome, holds["value"], reason) == (Outcome.CLAMPED, held, why)
    assert holds["lease_s"] <= 3600


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"device": "pus"}, "no device 'pus'; did you mean 'psu'?"),
        ({"actuator": "limits"}, "psu has no actuator 'limits'; did you mean 'limit'?"),
        ({"value": float("nan")}, "a finite value"),
        ({"value": float("inf")}, "a finite value"),
        ({"lease_s": 0.0}, "a time above 0"),
        ({"lease_s": -1.0}, "a time above 0"),
        ({"lease_s": 0.001}, "0.001 s are too short for a lease: it lasts 0.1 s at least"),
        ({"lease_s": float("nan")}, "a finite value"),
        ({"value": "full"}, "Expected `float`"),
        ({"value": True}, "Expected `float`"),
        ({"watts": 3}, "unknown field `watts`"),
        ({"lease_s": None}, "Expected `float`"),
    ],
)
def test_what_can_never_be_taken_is_refused(desk: Desk, change: dict[str, Any], why: str) -> None:
    body = {"device": "psu", "actuator": "limit", "value": 200.0, "lease_s": 1.0} | change
    with pytest.raises(EdgeError, match=why.replace("?", r"\?")):
        desk.control.cap(body, desk.answer)
    assert desk.world.calls == []


@both
def test_a_device_that_refuses_leaves_what_held_before(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.trouble = "out of order"
    outcome, _, why = desk.cap(400.0)
    assert (outcome, why) == (Outcome.REFUSED, "out of order")
    desk.world.trouble = ""
    time.sleep(0.3)
    assert desk.world.holds == 200.0
    assert desk.release()[1]["value"] == 300.0


@both
def test_of_two_caps_at_once_the_later_counts(desk: Desk) -> None:
    """If neither can be taken, what held before both of them holds on."""
    desk.cap(200.0)
    for trouble, holds in (("out of order", 200.0), ("", 400.0)):
        desk.world.free.clear()
        desk.world.trouble, count = trouble, len(desk.answers)
        for value in (300.0, 400.0):
            body = {"device": "psu", "actuator": "limit", "value": value, "lease_s": 60.0}
            desk.control.cap(body, desk.answer)
        desk.world.free.set()
        wait_until(lambda count=count: len(desk.answers) == count + 2, "both answers")  # type: ignore[misc]
        assert desk.answers[-2][2] == "another cap came after it"
        assert desk.answers[-1][2] == trouble
        desk.world.trouble = ""
        wait_until(lambda holds=holds: desk.world.holds == holds, "what counts")  # type: ignore[misc]


def test_a_first_cap_that_is_refused_leaves_nothing(desk: Desk) -> None:
    desk.world.trouble = "out of order"
    assert desk.cap()[0] is Outcome.REFUSED
    desk.world.trouble = ""
    time.sleep(0.3)
    assert [what for what, _ in desk.world.calls if what == "hold"] == []
    assert desk.reports.kinds == []


def test_a_driver_that_hangs_is_answered_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.3)
    desk.world.free.clear()
    outcome, _, why = desk.cap()
    assert (outcome, why) == (Outcome.REFUSED, "psu does not take it: its driver hangs")
    desk.world.free.set()
    wait_until(lambda: ("release", 0.0) in desk.world.calls, "what came too late is taken back")
    assert desk.world.holds == 300.0


@both
def test_a_cap_that_is_over_before_it_is_taken_leaves_what_held_before(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.free.clear()
    outcome, _, why = desk.cap(400.0, 0.2)
    desk.world.free.set()
    assert (outcome, why) == (Outcome.REFUSED, "its time was over before the device had taken it")
    count = len(desk.world.calls)
    wait_until(lambda: len(desk.world.calls) > count, "it is held on to")
    assert desk.world.holds == 200.0
    assert desk.reports.kinds == ["lease-began"]
    assert desk.release()[1]["value"] == 300.0


class Sluggish(Plain):
    """It takes its time before it is at 400."""

    def set(self, value: float) -> None:
        time.sleep(0.6 if value == 400.0 else 0.0)
        super().set(value)


@pytest.mark.parametrize("on_revert", ["reapply", "yield"])
def test_what_was_given_up_and_comes_all_the_same_is_nobody_elses_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_revert: str
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.2)
    desk = Desk(Sluggish, tmp_path, on_revert=on_revert)
    desk.cap(200.0)
    assert desk.cap(400.0)[2] == "psu does not take it: its driver hangs"
    wait_until(lambda: ("set", 400.0) in desk.world.calls, "it comes too late")
    wait_until(lambda: desk.world.value == 200.0, "what holds is back")
    time.sleep(0.3)
    desk.stop()
    assert desk.reports.kinds == ["lease-began", "lease-ended"]
    assert desk.reports.messages[-1] == "limit: its lease on 200 ended: the agent ends"


def test_what_was_given_up_meanwhile_is_not_set() -> None:
    world = World()
    with pytest.raises(DriverError, match="given up"):
        grip.take(200.0, time.monotonic_ns() + 10**9, wanted=lambda: False)(Plain(world))
    assert world.calls == []


def test_a_device_that_forgets_is_told_again_only_while_its_readings_are_fresh(desk: Desk) -> None:
    desk.cap(200.0)
    wait_until(lambda: len(desk.world.calls) > 3, "it is held on to")
    desk.world.free.clear()  # the driver hangs, and nothing is read any more
    time.sleep(0.7)
    count = len(desk.world.calls)
    time.sleep(0.5)
    assert len(desk.world.calls) == count
    desk.world.free.set()
    wait_until(lambda: len(desk.world.calls) > count + 3, "it is held on to again")


def test_a_device_is_never_told_to_hold_past_the_end(desk: Desk) -> None:
    desk.cap(200.0, 1.0)
    wait_until(lambda: desk.told("lease-ended"), "the end")
    ttls = [ttl for what, ttl in desk.world.calls if what == "hold"]
    assert len(ttls) > 3 and ttls == sorted(ttls, reverse=True) and ttls[0] <= 1.0


@pytest.mark.parametrize("kind", [Plain, Leased])
def test_what_is_over_is_neither_taken_nor_refreshed(kind: Callable[[World], Actuator]) -> None:
    world = World()
    over_ns = time.monotonic_ns() - 1
    with pytest.raises(DriverError, match="was over"):
        grip.take(200.0, over_ns)(kind(world))
    assert grip.refresh(200.0, over_ns)(kind(world)).value == 300.0
    assert world.calls == []


def test_the_control_hangs_and_the_device_lets_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leased, "ttl_s", 0.4)
    desk.cap(200.0)
    hang = threading.Event()
    desk.control._inbox.put(lambda: void(hang.wait(5)))
    wait_until(lambda: desk.world.holds == 300.0, "the device's own end of the lease")
    assert desk.control.silent_s > 0.2
    hang.set()
    wait_until(lambda: desk.world.holds == 200.0, "it is held again")


def test_a_hand_other_than_ours_is_reported_once_and_named(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.guard = 500.0
    wait_until(lambda: desk.told("actuator-reverted"), "the guard's hand shows")
    assert "is 500, although a lease holds it at 200: the guard" in desk.reports.messages[-1]
    outcome, holds, why = desk.cap(210.0)
    assert (outcome, holds["value"], holds["by"]) == (Outcome.CLAMPED, 500.0, "the guard")
    assert why == "what decides is the guard"
    desk.world.guard = None
    wait_until(lambda: desk.told("actuator-recovered"), "ours is back")
    assert desk.reports.kinds.count("actuator-reverted") == 1
    assert desk.world.holds == 210.0


@plain
def test_a_value_changed_by_somebody_else_is_set_again(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.value = 450.0
    wait_until(lambda: desk.told("actuator-reverted") and desk.world.value == 200.0, "it is set again")
    assert "somebody else has set it" in desk.reports.messages[-1]
    wait_until(lambda: desk.told("actuator-recovered"), "and seen to hold")


@plain
def test_what_an_unreachable_device_held_is_given_back_later(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.trouble = "the bus is stuck"
    assert desk.release()[2] == "the device could not be told: the bus is stuck"
    assert desk.world.value == 200.0
    desk.world.trouble = ""
    wait_until(lambda: desk.world.value == 300.0, "the original value is back")
    desk.world.value = 310.0
    time.sleep(0.3)
    assert desk.world.value == 310.0, "and then it is nobody's"


@plain
def test_the_original_is_what_was_found_first(desk: Desk) -> None:
    for value in (200.0, 250.0):
        desk.cap(value)
    desk.release()
    assert desk.world.value == 300.0


def test_a_device_that_comes_back_is_held_again(desk: Desk) -> None:
    desk.cap(200.0)
    desk.world.unreachable = "unplugged"
    wait_until(lambda: desk.told("device-fault"), "the loss")
    desk.world.lease = None
    assert desk.release()[2].startswith("the device could not be told: psu cannot be reached: unplugged")
    assert desk.cap()[2] == "psu cannot be reached: unplugged"
    desk.world.unreachable = ""
    wait_until(lambda: desk.told("device-recovered"), "the return")
    desk.cap(200.0)
    desk.world.unreachable = "unplugged"
    time.sleep(0.2)
    desk.world.lease = None
    desk.world.unreachable = ""
    wait_until(lambda: desk.world.holds == 200.0, "it is held again")


@both
@pytest.mark.parametrize("how", ["stop", "reload"])
def test_the_end_of_the_agent_or_of_the_device_lets_go(desk: Desk, how: str) -> None:
    desk.cap(200.0)
    if how == "stop":
        desk.stop()
    else:
        desk.reload()
    assert desk.world.holds == 300.0
    assert "ended: " in desk.reports.messages[-1]


def test_what_happened_in_a_device_becomes_events(desk: Desk) -> None:
    desk.world.news = [Occurrence("fan-stalled", "fan 1 stands still", Severity.ERROR, "fan1", 2.0)]
    wait_until(lambda: desk.told("fan-stalled"), "the event")
    assert desk.reports.messages == ["fan 1 stands still"]
