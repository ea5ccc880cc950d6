"""IIO: raw counts, scales and offsets of many kinds of chip, made into quantities."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeagent.drivers.iio import IioOptions, IioSensor
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

from .trees import EIO, build, good, reasons, values

D = "sys/bus/iio/devices"

Files = dict[str, str | bytes | Path]


def chip(name: str, files: dict[str, str | bytes | Path], number: int = 0, slot: str = "1-0040") -> Files:
    """A chip as the kernel shows it: a link on the bus to a directory below the device's own."""
    device = f"sys/devices/i2c-1/{slot}/iio:device{number}"
    link: Files = {f"{D}/iio:device{number}": Path(f"../../../devices/i2c-1/{slot}/iio:device{number}")}
    return {f"{device}/{file}": content for file, content in files.items()} | {f"{device}/name": name} | link


CASES = [
    pytest.param(
        {  # drivers/iio/adc/ina2xx-adc.c: INA226 with 2.5 µV and 1.25 mV a count
            "in_voltage0_raw": "2000\n",
            "in_voltage0_scale": "0.002500000\n",
            "in_voltage1_raw": "9600\n",
            "in_voltage1_scale": "1.250000000\n",
            "in_power2_raw": "200\n",
            "in_power2_scale": "30.517578125\n",
            "in_current3_raw": "-100\n",
            "in_current3_scale": "1.220703125\n",
            "in_sampling_frequency": "114",
        },
        {
            "voltage/voltage0": 0.005,
            "voltage/voltage1": 12.0,
            "power/power2": 6.103516,
            "current/current3": -0.12207,
        },
        id="INA226",
    ),
    pytest.param(
        {
            "in_energy1_raw": "4000",
            "in_energy1_scale": "0.25",
            "in_energy1_en": "1",
            "in_voltage1_raw": "100",
            "in_voltage1_scale": "0.5",
            "in_voltage1_label": "VBAT main",
            "in_power1_raw": "100",
            "in_power1_scale": "2",
            "in_power1_label": "VBAT main",
        },
        {"energy/energy1": 1000.0, "power/vbat-main": 0.2, "voltage/vbat-main": 0.05},
        id="PAC1934, two quantities under one label",
    ),
    pytest.param(
        {
            "in_voltage0_raw": "100",
            "in_voltage0-voltage1_raw": "-50",
            "in_voltage_scale": "3",
            "in_voltage-voltage_scale": "2",
        },
        {"voltage/voltage0": 0.3, "voltage/voltage0-voltage1": -0.1},
        id="shared scales; differential inputs have their own",
    ),
    pytest.param(
        {
            "in_temp_raw": "500",
            "in_temp_offset": "-100",
            "in_temp_scale": "62.5",
            "in_humidityrelative_input": "45500",
            "in_pressure_input": "101.325",
        },
        {"temperature/temp": 25.0, "humidity/humidityrelative": 45.5, "pressure/pressure": 101.325},
        id="climate: the offset comes before the scale",
    ),
    pytest.param(
        {"in_temp_raw": "1", "in_temp_scale": "1", "in_temp_input": "22000", "in_temp_peak_raw": "9"},
        {"temperature/temp": 22.0},
        id="told twice: the scaled one; peaks are no readings",
    ),
    pytest.param(
        {
            "rail_name_0": "VDD_IN",
            "in_voltage0_input": "4968",
            "in_current0_input": "464",
            "in_power0_input": "2305",
            "in_power0_trigger_input": "1",
        },
        {"voltage/vdd_in": 4.968, "current/vdd_in": 0.464, "power/vdd_in": 2.305},
        id="ina3221x of a Jetson",
    ),
    pytest.param(
        {"in_voltage0_raw": "7", "in_voltage1_raw": "7", "in_voltage1_scale": "1000"},
        {"voltage/voltage1": 7.0},
        id="a raw count without a scale is no quantity",
    ),
]


@pytest.mark.parametrize(("files", "expected"), CASES)
def test_quantities(tmp_path: Path, files: Files, expected: dict[str, float]) -> None:
    host = build(tmp_path, chip("x", files))
    assert good(values(IioSensor(host, IioOptions(chip="x")))) == expected
    (found,) = IioSensor.discover(host)
    assert found.summary == f"chip x, {len(expected)} values"


def test_what_fails_costs_its_own_channel(tmp_path: Path) -> None:
    files: Files = {
        "in_voltage0_raw": EIO,
        "in_voltage1_raw": "5",
        "in_voltage_scale": "1000",
        "in_energy_input": "-5",
        "in_current0_raw": "5",
        "in_current0_scale": "lots",
    }
    found = values(IioSensor(build(tmp_path, chip("x", files)), IioOptions(chip="x")))
    assert good(found) == {"voltage/voltage1": 5.0}
    assert "input/output error" in reasons(found)["voltage/voltage0"]
    assert "negative" in reasons(found)["energy/energy"]
    assert "is not a number" in reasons(found)["current/current0"]


def test_a_gain_that_is_changed_under_way_counts(tmp_path: Path) -> None:
    host = build(tmp_path, chip("ads1015", {"in_voltage0_raw": "1000", "in_voltage0_scale": "3"}))
    made = IioSensor(host, IioOptions(chip="ads1015"))
    made.open()
    assert made.read() == [3.0]
    (tmp_path / D / "iio:device0/in_voltage0_scale").write_text("1")
    assert made.read() == [1.0]
    made.close()


def test_energy_never_falls(tmp_path: Path) -> None:
    host = Host(build(tmp_path, chip("x", {"in_energy_input": "100"})).root, tmp_path)
    assert good(values(IioSensor(host, IioOptions(chip="x")))) == {"energy/energy": 100.0}
    (tmp_path / D / "iio:device0/in_energy_input").write_text("7")
    assert good(values(IioSensor(host, IioOptions(chip="x")))) == {"energy/energy": 107.0}


def test_two_of_a_kind_are_told_apart_by_their_place(tmp_path: Path) -> None:
    one = chip("ina226", {"in_power_input": "1000"}, 0, "1-0040")
    other = chip("ina226", {"in_power_input": "2000"}, 1, "1-0041")
    host = build(tmp_path, one | other)
    found = list(IioSensor.discover(host))
    assert [(f.device, f.options) for f in found] == [
        ("iio-ina226", {"chip": "ina226", "at": "1-0040"}),
        ("iio-ina226-2", {"chip": "ina226", "at": "1-0041"}),
    ]
    assert good(values(IioSensor(host, IioOptions(chip="ina226", at="1-0041")))) == {"power/power": 2.0}
    with pytest.raises(DriverError, match="there are 2; set the option `at` to one of '1-0040', '1-0041'"):
        IioSensor(host, IioOptions(chip="ina226")).open()


@pytest.mark.parametrize(
    ("name", "words"),
    [("gone", r"'gone' is not there \(chips here: x\)"), ("x", "shows no value with a known scale")],
)
def test_nothing_to_read(tmp_path: Path, name: str, words: str) -> None:
    host = build(tmp_path, chip("x", {"in_voltage0_raw": "1", "in_accel_x_raw": "2"}))
    assert list(IioSensor.discover(host)) == []
    with pytest.raises(DriverError, match=words):
        IioSensor(host, IioOptions(chip=name)).open()
