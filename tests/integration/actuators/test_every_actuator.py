"""The rules of the control, kept by every kind of actuator, whatever it is asked and whoever meddles.

Each scenario runs over each kind, through the real driver, and the device is asked from its other side.
IPMI's limit is left out: each order is several runs of ipmitool, which took 25 s in all and is too slow
for the quick turns here; tests/integration/test_driver_ipmi.py has it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

from edgeagent import control as module
from edgeagent.config import DeviceConfig, load_config
from edgeagent.drivers.nvml import library, limits
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Event, Outcome
from tests.desk import Desk
from tests.services import mosquitto, spawn, wait_until

from .plant import Plant
from .plants import LOCAL, PLANTS

_HEAD = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 0.1)
    monkeypatch.setattr(module, "_TURN_S", 0.1)
    monkeypatch.setattr(module, "_ANSWER_S", 1.5)
    monkeypatch.setattr(library, "_RETRY_S", 0.2)
    monkeypatch.setattr(limits, "_SETTLE_S", 0.0)


@pytest.fixture(scope="module", params=PLANTS)
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with PLANTS[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def config(plant: Plant, tmp_path: Path) -> DeviceConfig:
    file = tmp_path / "agent.toml"
    file.write_text(_HEAD.format(home=tmp_path) + plant.table("psu"))
    (device,) = load_config(file).devices
    return device


@pytest.fixture
def desk(plant: Plant, config: DeviceConfig, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(config, plant.actuator, tmp_path, host_root=plant.host_root)
    yield made
    plant.relent()
    made.stop()
    plant.meddle(plant.found)
    plant.relent()


def is_at(plant: Plant, value: float) -> bool:
    return plant.see() == pytest.approx(value)


def test_it_is_lent_renewed_changed_and_released(plant: Plant, desk: Desk) -> None:
    assert is_at(plant, plant.found)
    for value in (plant.low, plant.low, plant.high):
        said = desk.cap(value)
        assert said.outcome is Outcome.APPLIED and said.holds["value"] == pytest.approx(value), said
        assert is_at(plant, value)
    assert desk.release().holds["value"] == pytest.approx(plant.found)
    assert is_at(plant, plant.found)
    leases = [kind for kind in desk.reports.kinds if kind.startswith("lease-")]
    assert leases == ["lease-began", "lease-began", "lease-ended"]


def test_it_ends_by_itself(plant: Plant, desk: Desk) -> None:
    desk.cap(plant.low, 0.4)
    assert is_at(plant, plant.low)
    wait_until(lambda: is_at(plant, plant.found), "the end")


def test_it_is_clamped(plant: Plant, desk: Desk) -> None:
    said = desk.cap(1e12)
    assert said.outcome is Outcome.CLAMPED and said.holds["value"] == pytest.approx(plant.maximum)
    assert is_at(plant, plant.maximum) and "is outside" in said.why


def test_it_is_refused_what_is_no_number(plant: Plant, desk: Desk) -> None:
    for value in (float("nan"), float("-inf")):
        with pytest.raises(EdgeError, match="a finite value"):
            desk.cap(value)
    assert is_at(plant, plant.found)


def test_one_that_cannot_be_reached_refuses_and_is_given_back_later(plant: Plant, desk: Desk) -> None:
    desk.cap(plant.low, 60)
    plant.cut()
    try:
        said = desk.cap(plant.high)
        assert said.outcome is Outcome.REFUSED and said.why and "\n" not in said.why
        released = desk.release()
        assert "could not be told" in released.why or not plant.keeps
    finally:
        plant.mend()
    wait_until(lambda: is_at(plant, plant.found), "it is given back")


def test_another_hand_is_told_and_what_is_lent_set_again(plant: Plant, desk: Desk) -> None:
    desk.cap(plant.low)
    plant.meddle(plant.found)
    wait_until(lambda: desk.told("actuator-reverted"), "its event")
    plant.relent()
    wait_until(lambda: desk.told("actuator-recovered"), "it is held again")
    assert is_at(plant, plant.low) and desk.control.reverts > 0


def test_one_that_yields_leaves_it_to_the_other_hand(plant: Plant, config: DeviceConfig, desk: Desk) -> None:
    desk.reload(msgspec.structs.replace(config, on_revert="yield"))
    wait_until(lambda: bool(desk.devices.sampler("psu").actuators), "the device is open")
    desk.cap(plant.low)
    plant.meddle(plant.found)
    wait_until(lambda: desk.told("lease-ended"), "the end")
    plant.relent()
    time.sleep(0.2)
    assert is_at(plant, plant.found)


def test_it_falls_back_to_what_the_operator_wants(plant: Plant, config: DeviceConfig, desk: Desk) -> None:
    desk.reload(msgspec.structs.replace(config, fallback={plant.actuator: plant.low}))
    wait_until(lambda: bool(desk.devices.sampler("psu").actuators), "the device is open")
    desk.cap(plant.high, 0.4)
    wait_until(lambda: desk.told("lease-ended"), "the end")
    wait_until(lambda: is_at(plant, plant.low if plant.keeps else plant.found), "the fallback")
    assert desk.told("fallback-unusable") != plant.keeps
    desk.release()
    assert is_at(plant, plant.found)


@pytest.mark.parametrize("how", ["reload", "stop"])
def test_a_reload_and_a_stop_give_back(plant: Plant, desk: Desk, how: str) -> None:
    desk.cap(plant.low)
    if how == "reload":
        desk.reload()
    else:
        desk.stop()
    assert is_at(plant, plant.found)


def test_killed_under_leases_the_next_start_gives_all_back(tmp_path: Path) -> None:
    """One agent with all of them; only those that keep what they are told are left as it was killed."""
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(tmp_path, persistence=False))
        plants: dict[str, Plant] = {}
        for name, make in PLANTS.items():
            home = tmp_path if make in LOCAL else tmp_path / name
            home.mkdir(exist_ok=True)
            plants[name] = stack.enter_context(make(home))
        file = tmp_path / "agent.toml"
        file.write_text(
            _HEAD.format(home=tmp_path)
            + f'host_root = "{tmp_path}"\n[broker]\nurl = "{broker.url}"\n[outbox]\ndelivery = "broker"\n'
            + "[agent]\ninterval_s = 0\n"
            + "".join(plant.table(name) for name, plant in plants.items())
        )
        fleet = stack.enter_context(Fleet(broker.url))
        events = listen(fleet)
        agent = [sys.executable, "-m", "edgeagent.daemon", "--config", str(file)]
        environment = {key: value for plant in plants.values() for key, value in plant.environment.items()}
        with spawn(agent, tmp_path, name="agent", environment=environment) as service:
            wait_until(lambda: known(fleet) >= set(plants), "all devices are open")
            for name, plant in plants.items():
                body = {"device": name, "actuator": plant.actuator, "value": plant.low, "lease_s": 600}
                wait_until(partial(taken, fleet, body), f"{name} takes it")
            service.kill()
            for plant in plants.values():
                assert is_at(plant, plant.low) or not plant.keeps
            service.start()
            for name, plant in plants.items():
                wait_until(partial(is_at, plant, plant.found), f"{name} is given back")
            keepers = {name for name, plant in plants.items() if plant.keeps}
            wait_until(lambda: restored(events) == keepers, "their events")
        assert not list((tmp_path / "state").glob("originals-*"))


def known(fleet: Fleet) -> set[str]:
    """The devices whose actuators the agent has told of."""
    return {a.device for node in fleet.nodes().values() if node.describe for a in node.describe.actuators}


def taken(fleet: Fleet, body: dict[str, object]) -> bool:
    return fleet.command("lab", "n1", "cap", body).outcome is Outcome.APPLIED


def listen(fleet: Fleet) -> list[Event]:
    events: list[Event] = []

    def collect() -> None:
        for _, update in fleet.watch():
            if isinstance(update, Event):
                events.append(update)

    threading.Thread(target=collect, daemon=True).start()
    return events


def restored(events: list[Event]) -> set[str]:
    return {event.device for event in list(events) if event.kind == "actuator-restored"}
