"""The guard of a real agent over the twin's ``/sys``: it throttles, outranks, and trusts no silence."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.sysfs import SysfsTree
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Event, Outcome, Reply
from edgeagent_sdk.names import Identity
from tests.services import Service, mosquitto, spawn, wait_until

_CPUS = "sys/devices/system/cpu/cpufreq"

#: The board's highest clocks and lowest, in Hz.
_FULL = {"policy0-max": 1.416e9, "policy1-max": 1.8e9}
_LOW_HZ = 408e6

#: The board takes some minutes to get hot; while one reading passes, it gets hotter by some degrees.
_SPEED = 250.0

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
host_root = "{home}"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
batch_s = 0.2
[agent]
interval_s = 0
[[device]]
name = "heat"
driver = "thermal"
interval_s = 0.1
stale_after_s = 1.0
[[device]]
name = "board"
driver = "hwmon"
chip = "chassis"
interval_s = 0.1
[[device]]
name = "cpu"
driver = "cpufreq"
interval_s = 0.1
[[device]]
name = "gpu"
driver = "devfreq"
interval_s = 0.1
"""

_HEAT = """
[[guard]]
name = "heat"
channel = "heat/temperature/*"
limit = 75
release = 68
hold_s = 0.5
stale_s = 1.5
actions = {{ "cpu/*-max" = "lowest", "gpu/*-max" = "lowest" }}
"""

_BREAKER = """
[[guard]]
name = "feed"
channel = "board/power/input"
limit = 12
release = 10
for_s = 1.0
hold_s = 0.5
actions = {{ "cpu/policy1-max" = 1e9 }}
"""


class Site:
    """A board of the twin as files, an agent with guards on it, and a client of the fleet that hears all."""

    def __init__(self, home: Path, broker: Service, guards: str) -> None:
        self.home, self.broker, self.guards = home, broker, guards
        self.events: list[Event] = []
        self.fleet = Fleet(broker.url, data=True)
        site = design.site([kinds.load("rk3399")], [1], seed=1)
        self.tree = SysfsTree(home, site)
        load = Workload(site.servers.shape, 1, mean=0.95, deviation=0.02)
        self.runner = Runner(site, load, [self.tree], speed=_SPEED)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _, update in self.fleet.watch():
            if isinstance(update, Event):
                self.events.append(update)

    @contextmanager
    def agent(self) -> Iterator[Service]:
        config = self.home / "agent.toml"
        config.write_text(_CONFIG.format(home=self.home, url=self.broker.url) + self.guards.format())
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
        with spawn(command, self.home, name="agent") as service:
            wait_until(lambda: self._reads(), "readings of all devices")
            yield service

    def _reads(self) -> bool:
        node = self.fleet.nodes().get(Identity("lab", "n1"))
        return node is not None and {device for _, device, _ in node.latest} >= {
            "heat",
            "cpu",
            "gpu",
            "board",
        }

    def warm(self, celsius: float) -> None:
        """Every part of the board has that temperature, as its sensors tell."""
        for zone in self.home.glob("sys/class/thermal/thermal_zone*/temp"):
            zone.write_text(f"{celsius * 1e3:.0f}\n")

    def draw(self, power_w: float) -> None:
        """The board draws so much, as its sensor tells."""
        (self.home / "sys/class/hwmon/hwmon1/power1_input").write_text(f"{power_w * 1e6:.0f}\n")

    @property
    def clocks_hz(self) -> dict[str, float]:
        """The highest clock of each policy, as the kernel would have it."""
        return {
            f"{policy.parent.name}-max": float(policy.read_text() or "nan") * 1e3
            for policy in self.home.glob(f"{_CPUS}/*/scaling_max_freq")
        }

    def cap(self, actuator: str, value: float) -> Reply:
        body = {"device": "cpu", "actuator": actuator, "value": value, "lease_s": 60}
        return self.fleet.command("lab", "n1", "cap", body)

    def throttled(self) -> bool:
        return set(self.clocks_hz.values()) == {_LOW_HZ}

    def told(self, kind: str) -> list[Event]:
        return [event for event in list(self.events) if event.kind == kind]

    def close(self) -> None:
        self.tree.close()
        self.fleet.close()


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    with mosquitto(tmp_path, persistence=False) as broker:
        made = Site(tmp_path, broker, getattr(request, "param", _HEAT))
        made.warm(40)
        yield made
        made.close()


def test_a_board_under_full_load_is_kept_at_its_limit(site: Site) -> None:
    with site.agent(), site.runner:
        wait_until(lambda: len(site.told("guard-began")) >= 2, "it acts, lets go, and acts again", 60.0)
        began, ended = site.told("guard-began"), site.told("guard-ended")
        actions = {"cpu/policy0-max": 4.08e8, "cpu/policy1-max": 4.08e8, "gpu/gpu-max": 2e8}
        assert began[0].data["limit"] == 75 < began[0].data["value"]
        assert began[0].data["actions"] == actions
        assert "guard heat: heat/temperature/" in began[0].message and "above 75" in began[0].message
        assert ended[0].data["peak"] < 90, "without the guard it is beyond 100"
        assert ended[0].data["lasted_s"] > 0.5


def test_it_outranks_a_lease_which_counts_again_afterwards(site: Site) -> None:
    with site.agent():
        assert site.cap("policy1-max", 1.6e9).outcome is Outcome.APPLIED
        site.warm(76)
        wait_until(site.throttled, "all are at their lowest")
        assert site.cap("policy1-max", 1.2e9).outcome is Outcome.CLAMPED
        assert site.throttled()
        site.warm(50)
        wait_until(lambda: site.clocks_hz == _FULL | {"policy1-max": 1.2e9}, "the lease, and what was found")


@pytest.mark.parametrize("how", ["fault", "hang"])
def test_a_sensor_that_is_not_read_any_more_is_a_reason_to_act(site: Site, how: str) -> None:
    sensor = site.home / "sys/class/thermal/thermal_zone0/temp"
    with site.agent():
        sensor.unlink()
        if how == "hang":
            os.mkfifo(sensor)
        wait_until(site.throttled, "it acts")
        wait_until(lambda: bool(site.told("guard-began")), "its event")
        (began,) = site.told("guard-began")
        assert (began.data["why"], began.data["value"]) == ("stale", 40.0)
        if how == "hang":
            fd = os.open(sensor, os.O_WRONLY)  # the driver comes through, and opens the file anew
            sensor.unlink()
            os.close(fd)
        sensor.write_text("40000\n")
        wait_until(lambda: site.clocks_hz == _FULL, "what was found")


@pytest.mark.parametrize("site", [_HEAT.replace("heat/temperature/*", "gpu/temperature/*")], indirect=True)
def test_a_sensor_that_never_was_is_a_reason_to_act(site: Site) -> None:
    with site.agent():
        wait_until(site.throttled, "it acts")
        wait_until(lambda: bool(site.told("guard-began")), "its event")
        assert "nothing that matches gpu/temperature/* has been read" in site.told("guard-began")[0].message


@pytest.mark.parametrize("site", [_BREAKER], indirect=True)
def test_a_breaker_has_patience(site: Site) -> None:
    with site.agent():
        for power_w in (13, 11, 13, 9):
            site.draw(power_w)
            time.sleep(0.5)
        assert site.clocks_hz == _FULL and not site.told("guard-began")
        site.draw(13)
        wait_until(lambda: site.clocks_hz == _FULL | {"policy1-max": 1e9}, "it acts")
        site.draw(11)
        time.sleep(0.5)
        assert site.clocks_hz["policy1-max"] == 1e9
        site.draw(9)
        wait_until(lambda: site.clocks_hz == _FULL, "what was found")


def test_killed_while_it_acts_the_next_start_gives_back_and_acts_again(site: Site) -> None:
    with site.agent() as agent:
        site.warm(80)
        wait_until(site.throttled, "it acts")
        agent.kill()
        assert site.throttled()
        agent.start()
        wait_until(lambda: len(site.told("guard-began")) == 2, "it acts again")
        wait_until(lambda: len(site.told("actuator-restored")) == 3, "what was found has been given back")
        wait_until(site.throttled, "all are at their lowest")
        site.warm(40)
        wait_until(lambda: site.clocks_hz == _FULL, "what was found")


def test_an_orderly_end_gives_back_at_once(site: Site) -> None:
    with site.agent() as agent:
        site.warm(80)
        wait_until(site.throttled, "it acts")
        assert agent.stop() == 0
        assert site.clocks_hz == _FULL


def test_another_process_is_overruled(site: Site) -> None:
    limit = site.home / _CPUS / "policy1/scaling_max_freq"
    with site.agent():
        site.warm(80)
        wait_until(site.throttled, "it acts")
        limit.write_text("1800000\n")
        wait_until(site.throttled, "it acts on")


def test_a_device_that_hangs_is_told_and_the_others_are_throttled(site: Site) -> None:
    limit = site.home / "sys/class/devfreq/gpu/max_freq"
    with site.agent():
        limit.unlink()
        os.mkfifo(limit)
        site.warm(80)
        wait_until(site.throttled, "the others")
        wait_until(lambda: bool(site.told("guard-powerless")), "its event")
        (event,) = site.told("guard-powerless")
        assert "gpu/gpu-max" in event.message and set(event.data["actions"]) == {"gpu/gpu-max"}
        for mode in (os.O_RDWR, os.O_RDWR):  # who reads or writes it comes through
            os.close(os.open(limit, mode | os.O_NONBLOCK))


def test_it_needs_no_disk_and_no_broker(site: Site) -> None:
    (site.home / "state").mkdir()
    (site.home / "state/originals-cpu.json").mkdir()  # nothing can be written there
    with site.agent():
        refused = site.cap("policy1-max", 1.2e9)
        assert refused.outcome is Outcome.REFUSED and "originals-cpu.json" in refused.why
        site.broker.stop()
        site.warm(80)
        wait_until(site.throttled, "it acts all the same")
        site.warm(40)
        wait_until(lambda: site.clocks_hz == _FULL, "what was found")
        site.broker.start()
