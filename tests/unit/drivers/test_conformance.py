"""Our own drivers keep the rules of the kit that integrators test theirs with.

Those that need a peer of some weight are held to it in tests/integration: modbus, nut, snmp.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edgeagent.drivers.cpufreq import CpufreqSensor
from edgeagent.drivers.devfreq import DevfreqSensor
from edgeagent.drivers.host import HostSensor
from edgeagent.drivers.hwmon import HwmonSensor
from edgeagent.drivers.iio import IioSensor
from edgeagent.drivers.node import NodeSensor
from edgeagent.drivers.powercap import PowercapSensor
from edgeagent.drivers.redfish import RedfishSensor
from edgeagent.drivers.replay import ReplaySensor
from edgeagent.drivers.thermal import ThermalSensor
from edgeagent.drivers.w1 import W1Sensor
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import Host
from edgeagent_sdk.nodemap import SafeState
from tests.bmc import PASSWORD, USER, Habits, serve, tree
from tests.modelnode import ModelNode
from tests.serialline import serial_line

from .trees import build


def of_files(
    root: Path, place: str, files: Mapping[str, str], *, counter: str = "", **options: object
) -> Bench:
    """A device that is a directory of files. Unplugged, they are gone for whoever has them open, too.

    Args:
        counter: the file in which it counts.
    """

    def plug() -> None:
        build(root, {f"{place}/{name}": content for name, content in files.items()})

    plug()
    return Bench(
        Host(root),
        options,
        unplug=lambda: shutil.rmtree(root / place),
        replug=plug,
        reset=(lambda: (root / place / counter).write_text("5")) if counter else None,
        discovered=True,
        patience_s=5.0,
    )


class TestHwmon(DriverConformance):
    driver = HwmonSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        files = {"name": "nct6798", "temp1_input": "41000", "fan1_input": "900", "energy1_input": "5000000"}
        return of_files(tmp_path, "sys/class/hwmon/hwmon3", files, counter="energy1_input", chip="nct6798")


class TestThermal(DriverConformance):
    driver = ThermalSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return of_files(
            tmp_path, "sys/class/thermal/thermal_zone0", {"type": "x86_pkg_temp", "temp": "51000"}
        )


class TestCpufreq(DriverConformance):
    driver = CpufreqSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        files = {
            "scaling_cur_freq": "2400000",
            "scaling_min_freq": "800000",
            "scaling_max_freq": "3600000",
            "cpuinfo_min_freq": "800000",
            "cpuinfo_max_freq": "3600000",
            "related_cpus": "0 1",
        }
        return of_files(tmp_path, "sys/devices/system/cpu/cpufreq/policy0", files)


class TestDevfreq(DriverConformance):
    driver = DevfreqSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        files = {
            "cur_freq": "600000000",
            "min_freq": "200000000",
            "max_freq": "800000000",
            "available_frequencies": "200000000 600000000 800000000",
        }
        return of_files(tmp_path, "sys/class/devfreq/fb000000.gpu", files)


class TestPowercap(DriverConformance):
    driver = PowercapSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        files = {
            "name": "package-0",
            "energy_uj": "1000000",
            "max_energy_range_uj": "262143328850",
            "constraint_0_name": "long_term",
            "constraint_0_power_limit_uw": "95000000",
            "constraint_0_max_power_uw": "125000000",
        }
        place = "sys/class/powercap/intel-rapl:0"
        return of_files(tmp_path, place, files, counter="energy_uj", zone="intel-rapl:0")


class TestIio(DriverConformance):
    driver = IioSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        files = {
            "name": "pac1934",
            "in_voltage1_raw": "9600",
            "in_voltage1_scale": "1.25",
            "in_energy1_raw": "4000",
            "in_energy1_scale": "0.25",
        }
        place = "sys/bus/iio/devices/iio:device0"
        return of_files(tmp_path, place, files, counter="in_energy1_raw", chip="pac1934")


class TestW1(DriverConformance):
    driver = W1Sensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        said = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
        return of_files(tmp_path, "sys/bus/w1/devices/28-0316a2798dff", {"w1_slave": said})


class TestHost(DriverConformance):
    driver = HostSensor

    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(Host(), discovered=True, settle_s=0.05)


class TestReplay(DriverConformance):
    """A trace is read whole when it is opened: it is no device that can be unplugged."""

    driver = ReplaySensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        trace = tmp_path / "trace.csv"
        trace.write_text("time_s,power/in,energy/in\n0,100,5\n0.02,200,7\n0.04,150,3\n")
        return Bench(Host(), {"path": str(trace), "loop": True})


class TestNode(DriverConformance):
    """The sensor node's driver, against a model of the node at a serial line."""

    driver = NodeSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        model = ModelNode()
        # As delivered, relay 2 stays as its lease left it: here it has something to fall back to.
        model.values["config"]["safe_relay2"] = SafeState.OPEN
        silent: list[bool] = []
        with serial_line(tmp_path / "tty", lambda q: b"" if silent else model.answer(q)) as line:
            yield Bench(
                Host(tmp_path / "root", state_dir=tmp_path),
                {"port": str(line.path), "timeout_ms": 150},
                unplug=line.unplug,
                replug=line.plug,
                hang=lambda: silent.append(True),
                resume=silent.clear,
                reset=model.reset,
            )


class TestRedfish(DriverConformance):
    driver = RedfishSensor

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        habits = Habits(sessions_max=1000)
        with serve(tree("new"), habits) as bmc:

            def hang() -> None:
                habits.release.clear()
                habits.hangs = "/redfish"

            def resume() -> None:
                habits.hangs = ""
                habits.release.set()

            options = {"url": bmc.url, "username": USER, "password": PASSWORD, "timeout_s": 0.5}
            options |= {"max_age_s": 1.0}
            yield Bench(Host(), options, hang=hang, resume=resume, settle_s=0.05)
