"""The twin's ``/sys`` as the agent's own drivers see it: in process, and through a running agent."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeagent.drivers.cpufreq import CpufreqSensor
from edgeagent.drivers.hwmon import HwmonOptions, HwmonSensor
from edgeagent.drivers.powercap import PowercapOptions, PowercapSensor
from edgeagent.drivers.thermal import ThermalSensor
from edgeagent_hil.exposed import Runner, sysfs
from edgeagent_hil.exposed.sysfs import SysfsTree
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.driver import Host, Options, Sensor
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import Identity
from tests.integration.cli import edgeagent
from tests.responder import responder
from tests.services import mosquitto, spawn, wait_until
from tests.unit.drivers.trees import values

_POLICY = "sys/devices/system/cpu/cpufreq/policy0"
_ZONE = "sys/class/powercap/intel-rapl:0"


def _runner(root: Path, kind: str, speed: float = 0.0) -> Iterator[Runner]:
    site = design.site([kinds.load(kind)], [2], seed=1)
    with SysfsTree(root, site) as tree:
        yield Runner(site, Workload(site.servers.shape, 1, mean=0.9, deviation=0.05), [tree], speed=speed)


_twin = contextmanager(_runner)


def test_a_tree_may_show_only_a_part(tmp_path: Path) -> None:
    """What lies under another folder is not there, and is not obeyed."""
    site = design.site([kinds.load("v100x4")], [1])
    with SysfsTree(tmp_path, site, under="sys/class/powercap") as tree:
        runner = Runner(site, Workload(site.servers.shape, 1), [tree], speed=0)
        (tmp_path / _ZONE / "constraint_0_power_limit_uw").write_text("80000000\n")
        runner.run(5)
        held_w = tree.steer(runner.inputs).servers.cap_w[0, 0]
    assert held_w == 80.0
    assert int((tmp_path / _ZONE / "energy_uj").read_text()) > 0
    assert not (tmp_path / "proc/stat").exists()
    assert not (tmp_path / _POLICY / "scaling_max_freq").exists()


def test_every_driver_finds_its_device_and_reads_what_the_twin_does(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with _twin(tmp_path, "v100x4") as runner:
        runner.run(60)
        done = runner.outputs.servers
        found = {
            driver: [device.options for device in driver.discover(host)]
            for driver in (HwmonSensor, CpufreqSensor, ThermalSensor, PowercapSensor)
        }
        chassis = values(HwmonSensor(host, HwmonOptions(chip="chassis")))
        gpu = values(HwmonSensor(host, HwmonOptions(chip="gpu-3")))
        clocks = values(CpufreqSensor(host, Options()))
        zones = values(ThermalSensor(host, Options()))
    assert {driver.__name__: len(devices) for driver, devices in found.items()} == {
        "HwmonSensor": 6,
        "CpufreqSensor": 1,
        "ThermalSensor": 1,
        "PowercapSensor": 2,
    }
    assert chassis["power/input"] == pytest.approx(done.ac_w[0], abs=1e-5)
    assert chassis["energy/input"] == pytest.approx(runner.state.server_j[0], abs=1e-5)
    assert chassis["temperature/outlet"] == pytest.approx(done.case_c[0], abs=1e-3)
    assert chassis["speed/fan8"] == pytest.approx(done.fan_speed_rpm[0], abs=1)
    assert gpu["power/power1"] == pytest.approx(done.power_w[5, 0], abs=1e-5)
    assert gpu["frequency/freq1"] == pytest.approx(done.clock_hz[5, 0], abs=1)
    assert clocks["frequency/policy1"] == pytest.approx(done.clock_hz[1, 0], abs=1e3)
    assert zones["temperature/gpu-0-thermal"] == pytest.approx(done.junction_c[2, 0], abs=1e-3)


def test_energy_of_a_zone_grows_with_the_power_of_its_package(tmp_path: Path) -> None:
    sensor: Sensor = PowercapSensor(Host(tmp_path), PowercapOptions(zone="intel-rapl:0"))
    with _twin(tmp_path, "x3550m3") as runner:
        sensor.open()
        before_j, twin_j = sensor.read()[0], runner.state.part_j[0, 0]
        runner.run(40)  # a driver believes no more than 5 kW of real time
        after_j = sensor.read()[0]
        sensor.close()
    assert isinstance(before_j, float) and isinstance(after_j, float)
    assert after_j - before_j == pytest.approx(runner.state.part_j[0, 0] - twin_j, abs=1e-5)


@pytest.mark.parametrize(
    ("file", "text", "holds", "effect"),
    [
        (f"{_POLICY}/scaling_max_freq", "2133000\n", "2133000", "clock"),
        (f"{_POLICY}/scaling_max_freq", "1", "1600000", "clock"),
        (f"{_POLICY}/scaling_max_freq", "99999999", "3067000", "none"),
        (f"{_ZONE}/constraint_0_power_limit_uw", "50000000", "50000000", "power"),
        (f"{_ZONE}/constraint_0_power_limit_uw", "1000000", "40000000", "power"),
        (f"{_ZONE}/constraint_0_power_limit_uw", "nonsense\n", "95000000", "none"),
        (f"{_ZONE}/constraint_0_power_limit_uw", "\xff\xfe", "95000000", "none"),
        (f"{_ZONE}/constraint_0_power_limit_uw", "", "", "none"),
    ],
)
def test_a_limit_that_is_written_is_obeyed(
    tmp_path: Path, file: str, text: str, holds: str, effect: str
) -> None:
    with _twin(tmp_path, "x3550m3") as runner:
        runner.run(20)
        free = runner.outputs.servers
        (tmp_path / file).write_text(text, "latin-1")
        runner.run(20)
        held = runner.outputs.servers
    assert (tmp_path / file).read_text().strip() == holds
    assert (held.clock_hz[0, 0] < free.clock_hz[0, 0] - 1e6) == (effect != "none")
    if effect == "clock":
        assert held.clock_hz[0, 0] == pytest.approx(float(holds) * 1e3)
    if effect == "power":
        assert held.power_w[0, 0] <= max(float(holds) * 1e-6, _lowest_w()) * 1.02
    # The other package and the other server go on as before.
    assert held.clock_hz[1, 0] == held.clock_hz[0, 1] == free.clock_hz[1, 0]


def _lowest_w() -> float:
    """About what a package draws at its lowest clock, busy all the time."""
    return 52.0


def test_a_gpu_obeys_its_cap_and_its_clock(tmp_path: Path) -> None:
    with _twin(tmp_path, "v100x4") as runner:
        runner.run(30)
        (tmp_path / "sys/class/hwmon/hwmon2/power1_cap").write_text("120000000")
        (tmp_path / "sys/class/devfreq/gpu-1/max_freq").write_text("690000000")
        runner.run(30)
        done = runner.outputs.servers
    assert done.power_w[2, 0] <= 121.0
    assert done.clock_hz[3, 0] == pytest.approx(690e6)
    assert done.clock_hz[4, 0] > 1000e6


def test_a_board_without_rapl_shows_no_zone(tmp_path: Path) -> None:
    with _twin(tmp_path, "rk3399") as runner:
        runner.run(10)
    assert not (tmp_path / "sys/class/powercap").exists()
    assert (tmp_path / "sys/devices/system/cpu/cpufreq/policy1/related_cpus").read_text() == "4 5\n"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "sys").write_text("in the way")
    site = design.site([kinds.load("rk3399")], [1])
    with pytest.raises(EdgeError, match=r"sys.*: (not a directory|file exists)"):
        SysfsTree(tmp_path, site)


def test_probe_lists_the_twin(tmp_path: Path) -> None:
    with _twin(tmp_path, "x3550m3") as runner:
        runner.run(5)
    result = edgeagent("probe", "--root", tmp_path, "--json")
    devices = {row["device"] for row in result.json}
    assert {"hwmon-chassis", "hwmon-chips", "rapl-package-0", "rapl-package-1", "cpufreq"} <= devices


def test_a_limit_whose_writer_was_killed_before_it_wrote_holds_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysfs, "_WRITING_S", 0.0)
    with _twin(tmp_path, "x3550m3") as runner:
        file = tmp_path / _POLICY / "scaling_max_freq"
        file.write_text("1600000")
        runner.run(1)
        file.write_text("")
        runner.run(5)
        assert file.read_text() == "1600000\n"


def test_a_running_agent_streams_the_twin_and_a_cap_shows_in_its_readings(tmp_path: Path) -> None:
    root, me = tmp_path / "root", Identity("lab", "twin")
    config = tmp_path / "agent.toml"
    with _twin(root, "x3550m3", 20.0) as runner, runner, mosquitto(tmp_path, persistence=False) as broker:
        config.write_text(
            f'site = "lab"\nnode = "twin"\nstate_dir = "{tmp_path}/state"\nhost_root = "{root}"\n'
            f'[broker]\nurl = "{broker.url}"\n[outbox]\nbatch_s = 0.2\n[agent]\ninterval_s = 0\n'
            '[[device]]\nname = "clock"\ndriver = "cpufreq"\ninterval_s = 0.1\n'
            '[[device]]\nname = "cpu"\ndriver = "powercap"\nzone = "intel-rapl:0"\ninterval_s = 0.1\n'
            '[[device]]\nname = "box"\ndriver = "hwmon"\nchip = "chassis"\ninterval_s = 0.1\n'
        )
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
        with responder(broker.url) as taken, spawn(command, tmp_path, name="agent"):

            def last(device: str, channel: str) -> float | None:
                mine = (r for r in reversed(list(taken.readings)) if r.device == device)
                return next((r.value for r in mine if r.channel == channel), None)

            wait_until(lambda: (last("clock", "policy0") or 0) > 3e9, "the clock at full speed")
            wait_until(lambda: (last("box", "input") or 0) > 0, "the input power")
            (root / _POLICY / "scaling_max_freq").write_text("1600000\n")
            written_s = time.monotonic()
            wait_until(lambda: last("clock", "policy0") == 1.6e9, "the limit shows in the readings")
            assert time.monotonic() - written_s < 10
            wait_until(lambda: last("clock", "policy0-max") == 1.6e9, "and in the limit read back")
    assert me in taken.describes
    channels = {(c.device, c.quantity, c.channel) for c in taken.describes[me].channels}
    assert ("cpu", "energy", "package-0") in channels
    assert ("box", "speed", "fan1") in channels
