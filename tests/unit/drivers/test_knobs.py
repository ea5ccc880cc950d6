"""What can be set under /sys: cpufreq, devfreq and powercap, and the words when the kernel will not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeagent.drivers.cpufreq import CpufreqSensor
from edgeagent.drivers.devfreq import DevfreqSensor
from edgeagent.drivers.knob import Knob
from edgeagent.drivers.powercap import PowercapOptions, PowercapSensor
from edgeagent_sdk.driver import Actuator, ActuatorInfo, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError

from .trees import build, good, values

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
GPU = "sys/class/devfreq/17000000.gpu"
ZONE = "sys/class/powercap/intel-rapl:0"

TREE: dict[str, str | bytes | Path] = {
    f"{POLICY}/related_cpus": "0 1",
    f"{POLICY}/cpuinfo_min_freq": "800000",
    f"{POLICY}/cpuinfo_max_freq": "4200000",
    f"{POLICY}/scaling_cur_freq": "2400000",
    f"{POLICY}/scaling_min_freq": "800000",
    f"{POLICY}/scaling_max_freq": "3600000",
    f"{GPU}/cur_freq": "921600000",
    f"{GPU}/min_freq": "114750000",
    f"{GPU}/max_freq": "921600000",
    f"{GPU}/available_frequencies": "114750000 204000000 306000000 921600000 1300500000\n",
    "sys/class/devfreq/empty/governor": "x",
    f"{ZONE}/name": "package-0",
    f"{ZONE}/enabled": "1",
    f"{ZONE}/energy_uj": "1000000",
    f"{ZONE}/constraint_0_name": "long_term",
    f"{ZONE}/constraint_0_power_limit_uw": "65000000",
    f"{ZONE}/constraint_0_max_power_uw": "95000000",
    f"{ZONE}/constraint_1_name": "short_term",
    f"{ZONE}/constraint_1_power_limit_uw": "130000000",
    f"{ZONE}/constraint_1_max_power_uw": "0",
    f"{ZONE}/constraint_2_name": "peak_power",
    f"{ZONE}/constraint_2_power_limit_uw": "0",
}


def opened(root: Path, driver: type[Sensor], files: dict[str, str | bytes | Path] = TREE) -> Sensor:
    options = PowercapOptions(zone="intel-rapl:0") if driver is PowercapSensor else Options()
    made = driver(build(root, files), options)
    made.open()
    return made


def actuator(made: Sensor, name: str) -> Actuator:
    return next(a for a in made.actuators() if a.info.name == name)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (CpufreqSensor, [("policy0-min", 8e8, 4.2e9), ("policy0-max", 8e8, 4.2e9)]),
        (
            DevfreqSensor,
            [("17000000.gpu-min", 114.75e6, 1300.5e6), ("17000000.gpu-max", 114.75e6, 1300.5e6)],
        ),
        # Without a maximum of the kernel's, what is in force is the highest; without a limit, there is none.
        (PowercapSensor, [("package-0-long_term", 1.0, 95.0), ("package-0-short_term", 1.0, 130.0)]),
    ],
)
def test_what_can_be_set_and_between_which_limits(
    tmp_path: Path, driver: type[Sensor], expected: list[tuple[str, float, float]]
) -> None:
    infos = [a.info for a in opened(tmp_path, driver).actuators()]
    assert [(info.name, info.minimum, round(info.maximum, 6)) for info in infos] == expected


@pytest.mark.parametrize(
    ("driver", "name", "file", "value", "content"),
    [
        (CpufreqSensor, "policy0-max", f"{POLICY}/scaling_max_freq", 1.8e9, "1800000"),
        (CpufreqSensor, "policy0-min", f"{POLICY}/scaling_min_freq", 1.2e9, "1200000"),
        (DevfreqSensor, "17000000.gpu-max", f"{GPU}/max_freq", 306e6, "306000000"),
        (PowercapSensor, "package-0-long_term", f"{ZONE}/constraint_0_power_limit_uw", 45.5, "45500000"),
    ],
)
def test_set_and_read_back(
    tmp_path: Path, driver: type[Sensor], name: str, file: str, value: float, content: str
) -> None:
    chosen = actuator(opened(tmp_path, driver), name)
    chosen.set(value)
    assert (tmp_path / file).read_text() == content
    assert chosen.get() == pytest.approx(value)
    (tmp_path / file).write_text("1000000\n")  # another's hand
    assert chosen.get() != pytest.approx(value)


@pytest.mark.parametrize(
    ("driver", "without"),
    [(CpufreqSensor, f"{POLICY}/cpuinfo_max_freq"), (DevfreqSensor, f"{GPU}/available_frequencies")],
)
def test_without_known_limits_nothing_can_be_set(tmp_path: Path, driver: type[Sensor], without: str) -> None:
    files = {name: content for name, content in TREE.items() if name != without}
    assert opened(tmp_path, driver, files).actuators() == []


def test_a_disabled_zone(tmp_path: Path) -> None:
    limit = actuator(opened(tmp_path, PowercapSensor, TREE | {f"{ZONE}/enabled": "0"}), "package-0-long_term")
    with pytest.raises(DriverError, match="is disabled: no limit has an effect there; enable it: echo 1 >"):
        limit.set(40.0)
    assert limit.get() == 65.0


@contextmanager
def nobody(tmp_path: Path) -> Iterator[None]:
    """Run as a user for whom the directories are open: root may write everything."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        if parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_for_root_alone(tmp_path: Path) -> None:
    limit = actuator(opened(tmp_path, CpufreqSensor), "policy0-max")
    (tmp_path / POLICY / "scaling_max_freq").chmod(0o444)
    words = (
        "scaling_max_freq cannot be set: permission denied; run the agent as root or with .*CAP_DAC_OVERRIDE"
    )
    with nobody(tmp_path), pytest.raises(DriverError, match=words):
        limit.set(1e9)


def test_a_value_that_the_kernel_refuses() -> None:
    """A real refusal by the real kernel: /dev/full takes no byte."""
    knob = Knob(ActuatorInfo("x", "frequency", 0, 1e9), Path("/dev/full"), 1e3)
    with pytest.raises(
        DriverError, match="/dev/full cannot be set: no space left on device; it was told 5000"
    ):
        knob.set(5e6)


def test_a_zone_that_the_firmware_has_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel opens the file and forbids the write. No file here does that: os.write is told to."""

    def forbidden(fd: int, content: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    limit = actuator(opened(tmp_path, PowercapSensor), "package-0-long_term")
    monkeypatch.setattr("edgeagent.drivers.knob.os.write", forbidden)
    with pytest.raises(DriverError, match=r"permission denied; the firmware \(BIOS\) has locked the zone"):
        limit.set(40.0)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    limit = actuator(opened(tmp_path, CpufreqSensor), "policy0-max")
    (tmp_path / POLICY / "scaling_max_freq").unlink()
    with pytest.raises(DriverError, match="no such file"):
        limit.get()
    with pytest.raises(DriverError, match="cannot be set: no such file"):
        limit.set(1e9)
    assert not (tmp_path / POLICY / "scaling_max_freq").exists()


def test_clocks_of_an_arm_board(tmp_path: Path) -> None:
    host = build(tmp_path, TREE)
    assert good(values(DevfreqSensor(host, Options()))) == {
        "frequency/17000000.gpu": 921.6e6,
        "frequency/17000000.gpu-min": 114.75e6,
        "frequency/17000000.gpu-max": 921.6e6,
    }
    (found,) = DevfreqSensor.discover(host)
    assert found.summary == "clocks of 17000000.gpu"


def test_a_board_without_scaled_clocks(tmp_path: Path) -> None:
    assert list(DevfreqSensor.discover(Host(tmp_path))) == []
    with pytest.raises(DriverError, match="no device with a scaled clock"):
        DevfreqSensor(Host(tmp_path), Options()).open()


def test_while_the_kernel_cools_a_cpu_s_limit_is_what_was_set(tmp_path: Path) -> None:
    """The file then shows the kernel's own bound, which goes by itself."""
    cooling = "sys/class/thermal/cooling_device0"
    tree = TREE | {f"{cooling}/type": "cpufreq-cpu0", f"{cooling}/cur_state": "0"}
    limit = actuator(opened(tmp_path, CpufreqSensor, tree), "policy0-max")
    file, state = tmp_path / POLICY / "scaling_max_freq", tmp_path / cooling / "cur_state"
    limit.set(2e9)
    for cooled, shown, holds in (("2", 1.2e9, 2e9), ("2", 2.4e9, 2.4e9), ("0", 1.2e9, 1.2e9)):
        state.write_text(cooled)
        file.write_text(f"{shown / 1e3:.0f}")
        assert limit.get() == holds


@pytest.mark.parametrize(
    ("driver", "file", "name", "value"),
    [
        (CpufreqSensor, f"{POLICY}/scaling_max_freq", "policy0-max", 3.6e9),
        (DevfreqSensor, f"{GPU}/max_freq", "17000000.gpu-max", 921.6e6),
    ],
)
def test_a_limit_that_does_not_tell_its_number_at_the_opening_is_one_all_the_same(
    tmp_path: Path, driver: type[Sensor], file: str, name: str, value: float
) -> None:
    """Something may be owed to it, by an agent that was killed."""
    made = opened(tmp_path, driver, TREE | {file: ""})
    with pytest.raises(DriverError, match="is not a number"):
        actuator(made, name).get()
    (tmp_path / file).write_text(str(TREE[file]))
    assert actuator(made, name).get() == value
