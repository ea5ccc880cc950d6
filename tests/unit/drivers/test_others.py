"""thermal, cpufreq and host: against made-up trees, and host against this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeagent.drivers.cpufreq import CpufreqSensor
from edgeagent.drivers.host import HostOptions, HostSensor
from edgeagent.drivers.thermal import ThermalSensor
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host, Options
from edgeagent_sdk.errors import DriverError

from .trees import EIO, build, good, reasons, values

T = "sys/class/thermal"
C = "sys/devices/system/cpu/cpufreq"


def test_thermal_zones_of_one_type(tmp_path: Path) -> None:
    host = build(
        tmp_path,
        {
            f"{T}/thermal_zone0/type": "acpitz",
            f"{T}/thermal_zone0/temp": "27800",
            f"{T}/thermal_zone1/type": "acpitz",
            f"{T}/thermal_zone1/temp": "-1000",
            f"{T}/thermal_zone2/type": "x86_pkg_temp",
            f"{T}/thermal_zone2/temp": EIO,
            f"{T}/thermal_zone10/temp": "1000",
            f"{T}/cooling_device0/type": "Fan",
        },
    )
    found = values(ThermalSensor(host, Options()))
    assert good(found) == {
        "temperature/acpitz": 27.8,
        "temperature/acpitz-2": -1.0,
        "temperature/thermal_zone10": 1.0,
    }
    assert "input/output error" in reasons(found)["temperature/x86_pkg_temp"]
    assert [f.summary for f in ThermalSensor.discover(host)] == ["4 thermal zones"]


def test_frequencies_in_hz(tmp_path: Path) -> None:
    host = build(
        tmp_path,
        {
            f"{C}/policy0/scaling_cur_freq": "2400000",
            f"{C}/policy0/scaling_min_freq": "800000",
            f"{C}/policy0/scaling_max_freq": "3600000",
            f"{C}/policy0/related_cpus": "0 1",
            f"{C}/policy2/scaling_cur_freq": "<unknown>",
        },
    )
    found = values(CpufreqSensor(host, Options()))
    assert good(found) == {
        "frequency/policy0": 2.4e9,
        "frequency/policy0-min": 0.8e9,
        "frequency/policy0-max": 3.6e9,
    }
    assert "'<unknown>' is not a number" in reasons(found)["frequency/policy2"].replace("b'", "'")


def test_how_busy_a_policy_is_and_at_which_clocks_it_runs(tmp_path: Path) -> None:
    """Two clusters of two CPUs; one of the second is off."""
    tree: dict[str, str | bytes | Path] = {"proc/stat": "cpu 9 9\n" + _stat((0, 100), (50, 50), (10, 0))}
    for number, cpus in ((0, "0 1"), (2, "2 3")):
        policy = f"{C}/policy{number}"
        files = {"related_cpus": cpus, "cpuinfo_min_freq": "600000", "cpuinfo_max_freq": "1800000"}
        files |= {"scaling_cur_freq": "600000", "scaling_max_freq": "1800000"}
        tree |= {f"{policy}/{name}": content for name, content in files.items()}
    tree[f"{C}/policy2/scaling_available_frequencies"] = "1200000 600000 \n"
    made = CpufreqSensor(build(tmp_path, tree), Options())
    made.open()
    assert [actuator.info.choices for actuator in made.actuators()] == [(), (6e8, 1.2e9, 1.8e9)]
    for later, shares in (
        (_stat((30, 170), (150, 50), (10, 100)), [0.65, 0.0]),
        (_stat((30, 170), (150, 50), (10, 100)), [0.65, 0.0]),  # no tick has gone by
        (_stat((30, 370), (150, 250), (110, 90)), [0.0, 1.0]),  # the kernel's idle time runs back
    ):
        (tmp_path / "proc/stat").write_text(later)
        assert made.read()[-2:] == pytest.approx(shares)
    (tmp_path / "proc/stat").unlink()
    assert all(isinstance(value, Fault) for value in made.read()[-2:])
    made.close()


def _stat(*busy_and_idle: tuple[int, int]) -> str:
    """Lines of /proc/stat, for each CPU its ticks in user and idle."""
    lines = [f"cpu{i} {busy} 0 0 {idle} 0 0 0 0 7 0\n" for i, (busy, idle) in enumerate(busy_and_idle)]
    return "".join(lines) + "intr 5 5\n"


@pytest.mark.parametrize("driver", [ThermalSensor, CpufreqSensor])
def test_a_machine_without(tmp_path: Path, driver: type[ThermalSensor | CpufreqSensor]) -> None:
    assert list(driver.discover(Host(tmp_path))) == []
    with pytest.raises(DriverError):
        driver(Host(tmp_path), Options()).open()


PROC: dict[str, str | bytes | Path] = {
    "proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n",
    "proc/loadavg": "0.50 0.25 0.10 1/100 1234\n",
    "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable:   250 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.00 avg300=0.00 total=2000000\n",
    "proc/diskstats": (
        "   8  0 sda 10 0 2000 0 20 0 4000 0 0 1500 0 0 0 0\n   8  1 sda1 1 0 1 0 1 0 1 0 0 1 0 0 0 0\n"
    ),
    "sys/block/sda/size": "1",
    "sys/class/net/eth0/statistics/rx_bytes": "12345",
    "sys/class/net/eth0/statistics/tx_bytes": "54321",
    "sys/class/net/veth1/statistics/rx_bytes": "1",
    "sys/class/net/veth1/statistics/tx_bytes": "1",
}


def test_host_from_a_made_up_tree(tmp_path: Path) -> None:
    made = HostSensor(build(tmp_path, PROC), HostOptions(filesystems=()))
    found = good(values(made))
    assert found == {
        "utilization/cpu": 0.0,  # nothing has passed since the first look
        "duration/cpu-user": 1.0,
        "duration/cpu-nice": 0.0,
        "duration/cpu-system": 0.5,
        "duration/cpu-idle": 8.0,
        "duration/cpu-iowait": 0.5,
        "duration/cpu-irq": 0.0,
        "duration/cpu-softirq": 0.0,
        "duration/cpu-steal": 0.0,
        "load/load-1min": 0.5,
        "load/load-5min": 0.25,
        "load/load-15min": 0.1,
        "utilization/pressure-cpu-some": 0.015,
        "duration/pressure-cpu-some": 2.0,
        "size/memory-total": 1024000.0,
        "size/memory-available": 256000.0,
        "size/swap-total": 0.0,
        "size/swap-free": 0.0,
        "utilization/memory": 0.75,
        "data/eth0-rx": 12345.0,
        "data/eth0-tx": 54321.0,
        "data/sda-read": 1024000.0,
        "data/sda-written": 2048000.0,
        "duration/sda-busy": 1.5,
    }


@pytest.mark.parametrize(
    ("later", "share"),
    [
        pytest.param("cpu  150 0 100 800 50", 1.0, id="busy"),
        pytest.param("cpu  100 0 50 900 50", 0.0, id="idle"),
        pytest.param("cpu  125 0 75 850 50", 0.5, id="half"),
        pytest.param("cpu  200 0 50 790 50", 1.0, id="the kernel's idle time runs back"),
    ],
)
def test_utilization_is_the_share_since_the_last_reading(tmp_path: Path, later: str, share: float) -> None:
    made = HostSensor(build(tmp_path, PROC), HostOptions())
    made.open()
    (tmp_path / "proc/stat").write_text(later + "\n")
    assert made.read()[0] == pytest.approx(share)


def later(tmp_path: Path, files: dict[str, str | bytes | Path]) -> dict[str, float]:
    """The counters of the made-up machine, after these files have changed under an open driver."""
    made = HostSensor(build(tmp_path, PROC), HostOptions(filesystems=()))
    channels = made.open()
    build(tmp_path, files)
    read = {f"{c.quantity.name}/{c.name}": v for c, v in zip(channels, made.read(), strict=True)}
    made.close()
    return good(read)


@pytest.mark.parametrize(
    ("files", "channel", "total"),
    [
        pytest.param(
            {"proc/stat": "cpu  100 0 50 800 20\n"},
            "duration/cpu-iowait",
            0.5,
            id="iowait runs back, proc(5)",
        ),
        pytest.param(
            {"sys/class/net/eth0/statistics/rx_bytes": "5"}, "data/eth0-rx", 12350, id="plugged in again"
        ),
        pytest.param(
            {"proc/diskstats": "8 0 sda 1 0 2 0 1 0 4 0 0 7 0 0 0 0"},
            "data/sda-read",
            1024000 + 1024,
            id="a disk that is plugged in again",
        ),
        pytest.param(
            {"proc/diskstats": "8 0 sda 10 0 2000 0 20 0 4000 0 0 500 0 0 0 0"},
            "duration/sda-busy",
            2**32 / 1000 - 1.0 + 1.5,
            id="milliseconds wrap",
        ),
    ],
)
def test_counters_never_fall(
    tmp_path: Path, files: dict[str, str | bytes | Path], channel: str, total: float
) -> None:
    assert later(tmp_path, files)[channel] == pytest.approx(total)


def test_names_that_fall_together_are_told_apart(tmp_path: Path) -> None:
    long = "/mnt/" + "x" * 80
    made = HostSensor(
        build(
            tmp_path,
            {
                "proc/loadavg": "1 2 3 4/5 6",
                "root/x": "",
                f"{long}/x": "",
                "sys/class/net/wan@1/statistics/rx_bytes": "1",
                "sys/class/net/wan#1/statistics/rx_bytes": "2",
            },
        ),
        HostOptions(filesystems=("/", "/root", long)),
    )
    keys = [channel.key for channel in made.open()]
    assert len(keys) == len(set(keys)) == 3 + 4 + 6
    made.close()


def test_absurd_contents_are_faults_of_their_own(tmp_path: Path) -> None:
    made = HostSensor(build(tmp_path, PROC), HostOptions(filesystems=()))
    channels = made.open()
    build(
        tmp_path,
        {
            "proc/stat": b"cpu \xff\xfe 1 2 3\n",
            "proc/loadavg": "",
            "proc/meminfo": "MemTotal: 0 kB\nMemAvailable: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
            "proc/pressure/cpu": "",
            "sys/class/net/eth0/statistics/rx_bytes": b"\xff",
        },
    )
    read = {f"{c.quantity.name}/{c.name}": v for c, v in zip(channels, made.read(), strict=True)}
    assert set(good(read)) == {"data/eth0-tx", "data/sda-read", "data/sda-written", "duration/sda-busy"}
    assert made.read()  # and it lives on
    made.close()


def test_what_a_kernel_does_not_have_gives_no_channel(tmp_path: Path) -> None:
    made = HostSensor(build(tmp_path, {"proc/loadavg": "1 2 3 4/5 6"}), HostOptions(filesystems=()))
    assert good(values(made)) == {"load/load-1min": 1.0, "load/load-5min": 2.0, "load/load-15min": 3.0}


def test_a_source_that_breaks_later_costs_its_own_channels(tmp_path: Path) -> None:
    made = HostSensor(build(tmp_path, PROC), HostOptions(filesystems=()))
    made.open()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1 kB\n")
    (tmp_path / "proc/diskstats").write_text("")
    now = made.read()
    assert [isinstance(v, Fault) for v in now].count(True) == 5 + 3


def test_this_machine() -> None:
    made = HostSensor(Host(), HostOptions())
    found = values(made)
    assert 0 <= good(found)["utilization/memory"] <= 1
    assert good(found)["duration/cpu-idle"] > 0
    assert not reasons(found)
