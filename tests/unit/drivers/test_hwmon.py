"""hwmon against made-up chips."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edgeagent.drivers.hwmon import HwmonOptions, HwmonSensor
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

from .trees import EIO, build, good, reasons, values

H = "sys/class/hwmon/hwmon0"


def chip(files: dict[str, str | bytes | Path], name: str = "chip") -> dict[str, str | bytes | Path]:
    """One chip at hwmon0 with these attributes."""
    return {f"{H}/name": f"{name}\n"} | {f"{H}/{file}": content for file, content in files.items()}


def sensor(root: Path, files: dict[str, str | bytes | Path], at: str = "") -> HwmonSensor:
    return HwmonSensor(build(root, files), HwmonOptions(chip="chip", at=at))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"temp1_input": "45250\n"}, {"temperature/temp1": 45.25}, id="temperature in m°C"),
        pytest.param({"temp1_input": "-5000"}, {"temperature/temp1": -5.0}, id="below zero"),
        pytest.param({"in0_input": "12050"}, {"voltage/in0": 12.05}, id="voltage in mV"),
        pytest.param({"curr1_input": "1500"}, {"current/curr1": 1.5}, id="current in mA"),
        pytest.param({"power1_input": "65000000"}, {"power/power1": 65.0}, id="power in µW"),
        pytest.param(
            {"power1_average": "65000000"}, {"power/power1": 65.0}, id="averaging meters have no input"
        ),
        pytest.param(
            {"power1_input": "1000000", "power1_average": "2000000"},
            {"power/power1": 1.0},
            id="input before average",
        ),
        pytest.param({"energy1_input": "1500000"}, {"energy/energy1": 1.5}, id="energy in µJ"),
        pytest.param({"fan1_input": "1200"}, {"speed/fan1": 1200.0}, id="rpm"),
        pytest.param(
            {"pwm1": "51", "pwm1_enable": "2"}, {"duty/pwm1": 0.2}, id="duty of 255, enable is none"
        ),
        pytest.param({"in0_lcrit_alarm": "1\n"}, {"state/alarm0": 1.0}, id="an alarm alone: rpi_volt"),
        pytest.param(
            {"in0_input": "1000", "in0_lcrit_alarm": "1"},
            {"voltage/in0": 1.0},
            id="an alarm beside its value",
        ),
        pytest.param({"freq1_input": "1500000000"}, {"frequency/freq1": 1.5e9}, id="frequency in Hz"),
        pytest.param({"humidity1_input": "45500"}, {"humidity/humidity1": 45.5}, id="humidity in m%"),
        pytest.param(
            {"temp1_input": "1000", "temp1_label": "Core #0 (hot!)\n"},
            {"temperature/core-0-hot": 1.0},
            id="label",
        ),
        pytest.param(
            {"temp1_input": "1000", "temp1_label": b"\xff\xfe\n"},
            {"temperature/temp1": 1.0},
            id="label not UTF-8",
        ),
        pytest.param(
            {"temp1_input": "1000", "temp2_input": "2000", "temp1_label": "T", "temp2_label": "t"},
            {"temperature/t": 1.0, "temperature/t-2": 2.0},
            id="two labels that fall together",
        ),
        pytest.param(
            {"temp1_input": "1000", "in1_input": "1000", "temp1_label": "A", "in1_label": "A"},
            {"temperature/a": 1.0, "voltage/a": 1.0},
            id="one label for two quantities",
        ),
        pytest.param(
            {f"temp{i}_input": f"{i}000" for i in (2, 10, 1)},
            {"temperature/temp1": 1.0, "temperature/temp2": 2.0, "temperature/temp10": 10.0},
            id="ten comes after two",
        ),
        pytest.param(
            {"temp1_input": "1000", "temp1_max": "9"}, {"temperature/temp1": 1.0}, id="limits are no values"
        ),
    ],
)
def test_values(tmp_path: Path, files: dict[str, str | bytes | Path], expected: dict[str, float]) -> None:
    assert good(values(sensor(tmp_path, chip(files)))) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("", "is not a number", id="empty"),
        pytest.param("n/a\n", "is not a number", id="words"),
        pytest.param(b"\xff\xfe\x00", "is not a number", id="not UTF-8"),
        pytest.param(EIO, "input/output error", id="EIO"),
        pytest.param(Path("/nowhere"), "no such file", id="a dangling link"),
        pytest.param(Path("/proc"), "is a directory", id="a directory"),
    ],
)
def test_a_bad_file_costs_only_itself(tmp_path: Path, content: str | bytes | Path, reason: str) -> None:
    made = sensor(tmp_path, chip({"temp1_input": "1000", "temp3_input": "3000"}))
    bad = tmp_path / H / "temp2_input"
    bad.write_text("2000")
    channels = made.open()
    assert made.read() == [1.0, 2.0, 3.0]
    made.close()
    bad.unlink()
    build(tmp_path, {f"{H}/temp2_input": content})
    first, second, third = made.read()
    assert (first, third) == (1.0, 3.0)
    assert isinstance(second, Fault) and reason in second.reason and "temp2_input" in second.reason
    assert len(channels) == 3


def test_a_file_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    made = sensor(tmp_path, chip({"temp1_input": "1000"}))
    made.open()
    made.close()
    (tmp_path / H / "temp1_input").unlink()
    assert isinstance(made.read()[0], Fault)
    (tmp_path / H / "temp1_input").write_text("2000")
    assert made.read() == [2.0]


def test_the_chips_own_fault_flag(tmp_path: Path) -> None:
    found = values(
        sensor(
            tmp_path,
            chip({"temp1_input": "1000", "temp1_fault": "1", "temp2_input": "2000", "temp2_fault": "0"}),
        )
    )
    assert good(found) == {"temperature/temp2": 2.0}
    assert "reports the sensor as faulty" in reasons(found)["temperature/temp1"]


def test_a_file_that_blocks_holds_up_its_own_thread_only(tmp_path: Path) -> None:
    host = build(tmp_path, chip({"temp2_input": "2000"}))
    os.mkfifo(tmp_path / H / "temp1_input")
    assert [found.device for found in HwmonSensor.discover(host)] == ["hwmon-chip"], (
        "discovery reads no values"
    )
    stuck = HwmonSensor(host, HwmonOptions(chip="chip"))
    stuck.open()
    thread = threading.Thread(target=stuck.read, daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    os.close(os.open(tmp_path / H / "temp1_input", os.O_WRONLY))  # that is what it was waiting for
    thread.join(5)
    assert not thread.is_alive()


TWO: dict[str, str | bytes | Path] = {
    "sys/class/hwmon/hwmon0/name": "nvme",
    "sys/class/hwmon/hwmon0/temp1_input": "30000",
    "sys/class/hwmon/hwmon0/device": Path("../../../devices/0000:01:00.0"),
    "sys/devices/0000:01:00.0/x": "",
    "sys/class/hwmon/hwmon1/name": "nvme",
    "sys/class/hwmon/hwmon1/temp1_input": "40000",
    "sys/class/hwmon/hwmon1/device": Path("../../../devices/0000:02:00.0"),
    "sys/devices/0000:02:00.0/x": "",
    "sys/class/hwmon/hwmon2/name": "acpitz",
    "sys/class/hwmon/hwmon2/temp1_input": "20000",
    "sys/class/hwmon/hwmon3/name": "empty",
}


def test_discovery_tells_chips_of_one_name_apart(tmp_path: Path) -> None:
    found = list(HwmonSensor.discover(build(tmp_path, TWO)))
    assert [(f.device, f.options) for f in found] == [
        ("hwmon-acpitz", {"chip": "acpitz"}),
        ("hwmon-nvme", {"chip": "nvme", "at": "0000:01:00.0"}),
        ("hwmon-nvme-2", {"chip": "nvme", "at": "0000:02:00.0"}),
    ]


def nvme(slots: dict[str, str]) -> dict[str, str | bytes | Path]:
    """Drives as the kernel shows them: numbered as they came up, each in its PCI slot."""
    files: dict[str, str | bytes | Path] = {}
    for i, (slot, celsius) in enumerate(slots.items()):
        device = f"sys/devices/pci0000:00/{slot}"
        files |= {
            f"{device}/subsystem": Path("../../../bus/pci"),
            f"{device}/nvme/nvme{i}/subsystem": Path("../../../../../class/nvme"),
            f"{device}/nvme/nvme{i}/hwmon{i}/name": "nvme",
            f"{device}/nvme/nvme{i}/hwmon{i}/temp1_input": celsius + "000",
            f"{device}/nvme/nvme{i}/hwmon{i}/device": Path(f"../../nvme{i}"),
            f"sys/class/hwmon/hwmon{i}": Path(f"../../../{device}/nvme/nvme{i}/hwmon{i}"),
        }
    return files


@pytest.mark.parametrize("order", [("0000:01:00.0", "0000:02:00.0"), ("0000:02:00.0", "0000:01:00.0")])
def test_a_drive_keeps_its_name_when_the_numbers_are_dealt_anew(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    celsius = {"0000:01:00.0": "30", "0000:02:00.0": "40"}
    host = build(tmp_path, nvme({slot: celsius[slot] for slot in order}))
    found = {f.device: HwmonSensor(host, HwmonOptions(**f.options)) for f in HwmonSensor.discover(host)}
    assert {device: good(values(made)) for device, made in found.items()} == {
        "hwmon-nvme": {"temperature/temp1": 30.0},
        "hwmon-nvme-2": {"temperature/temp1": 40.0},
    }


def test_chips_of_one_name_on_one_device_are_told_by_their_number(tmp_path: Path) -> None:
    files: dict[str, str | bytes | Path] = {"sys/devices/card0/x": ""}
    for i in (0, 1):
        files |= {
            f"sys/class/hwmon/hwmon{i}/name": "gpu",
            f"sys/class/hwmon/hwmon{i}/temp1_input": f"{i}000",
            f"sys/class/hwmon/hwmon{i}/device": Path("../../../devices/card0"),
        }
    host = build(tmp_path, files)
    found = [HwmonSensor(host, HwmonOptions(**f.options)) for f in HwmonSensor.discover(host)]
    assert [good(values(made)) for made in found] == [{"temperature/temp1": 0.0}, {"temperature/temp1": 1.0}]
    with pytest.raises(DriverError, match="one of 'hwmon0', 'hwmon1'"):
        HwmonSensor(host, HwmonOptions(chip="gpu", at="card0")).open()


def test_energy_goes_on_when_the_chips_driver_is_loaded_anew(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    host = Host(build(tmp_path, chip({"temp1_input": "1", "energy1_input": "5000000"})).root, state)
    made = HwmonSensor(host, HwmonOptions(chip="chip"))
    made.open()
    assert made.read()[0] == 5.0
    (tmp_path / H / "energy1_input").write_text("1000000")
    assert made.read()[0] == 6.0
    (tmp_path / H / "energy1_input").write_text("-1")
    assert isinstance(made.read()[0], Fault)
    made.close()
    (tmp_path / H / "energy1_input").write_text("3000000")
    again = HwmonSensor(host, HwmonOptions(chip="chip"))
    again.open()
    assert again.read()[0] == 8.0


def test_a_chip_is_found_again_under_another_number(tmp_path: Path) -> None:
    host = build(tmp_path, {name.replace("hwmon1", "hwmon7"): content for name, content in TWO.items()})
    made = HwmonSensor(host, HwmonOptions(chip="nvme", at="0000:02:00.0"))
    assert good(values(made)) == {"temperature/temp1": 40.0}


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [
        ("nvme", "", "there are 2; set the option `at` to one of '0000:01:00.0', '0000:02:00.0'"),
        ("coretemp", "", "chip 'coretemp' is not there (chips here: acpitz, empty, nvme)"),
        ("nvme", "0000:09:00.0", "chip 'nvme' at '0000:09:00.0' is not there"),
        ("empty", "", "shows no value"),
    ],
)
def test_refusals(tmp_path: Path, name: str, at: str, message: str) -> None:
    with pytest.raises(DriverError) as error:
        HwmonSensor(build(tmp_path, TWO), HwmonOptions(chip=name, at=at)).open()
    assert message in str(error.value)


def test_the_rails_of_a_jetson(tmp_path: Path) -> None:
    """Labels stand at the voltages only, and voltages over the shunts are in µV."""
    files: dict[str, str | bytes | Path] = {
        "in1_label": "VDD_GPU_SOC",
        "in1_input": "19160",
        "in2_label": "VDD_CPU_CV",
        "in2_input": "19152",
        "in4_input": "80",
        "in7_label": "sum of shunt voltages",
        "in7_input": "160",
        "curr1_input": "40",
        "curr2_input": "80",
        "curr4_input": "120",
        "curr1_crit_alarm": "0",
    }
    host = build(tmp_path, chip(files, "ina3221"))
    assert good(values(HwmonSensor(host, HwmonOptions(chip="ina3221")))) == {
        "voltage/vdd_gpu_soc": 19.16,
        "voltage/vdd_cpu_cv": 19.152,
        "voltage/in4": 80e-6,
        "voltage/sum-of-shunt-voltages": 160e-6,
        "current/vdd_gpu_soc": 0.04,
        "current/vdd_cpu_cv": 0.08,
        "current/curr4": 0.12,
    }
