"""What ipmitool prints, and what is read from it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.ipmi import IpmiSensor
from edgeagent.drivers.ipmi.output import UNITS, power, sensors, system_guid
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.quantities import QUANTITIES
from tests.unit.drivers.trees import build

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["sensors"], ids=lambda case: case["name"])
def test_sensors(case: dict[str, Any]) -> None:
    found = sensors(case["output"])
    good = {f"{s.quantity}/{s.name}": s.value for s in found if not isinstance(s.value, Fault)}
    assert good == pytest.approx(case.get("readings", {}))
    assert [s.name for s in found if isinstance(s.value, Fault)] == case.get("faults", [])


@pytest.mark.parametrize("case", CASES["power"], ids=lambda case: case["name"])
def test_power(case: dict[str, Any]) -> None:
    assert power(case["output"]) == case.get("watts", Fault(case.get("reason", "")))


@pytest.mark.parametrize(
    ("output", "guid"),
    [
        (
            "System GUID  : 31303043-534D-2500-90d8-7a5b00000000\nTimestamp : x",
            "31303043-534d-2500-90d8-7a5b00000000",
        ),
        ("System GUID   : 00000000-0000-0000-0000-000000000000", ""),
        ("Invalid data or request", ""),
    ],
)
def test_the_machines_guid(output: str, guid: str) -> None:
    assert system_guid(output) == guid


def test_every_unit_leads_to_a_quantity() -> None:
    assert {unit.quantity for unit in UNITS.values()} <= QUANTITIES.keys()


_WORDS = st.sampled_from([*",\n:. 0123456789-\x00é", "Watts", "ok", "ns", "degrees C", "System GUID", "nan"])


@given(st.lists(_WORDS, max_size=40).map("".join))
def test_no_text_makes_it_fail(noise: str) -> None:
    for sensed in sensors(noise):
        assert isinstance(sensed.value, float | Fault)
    assert isinstance(power(noise), float | Fault)
    system_guid(noise)


@pytest.mark.parametrize(
    ("files", "path", "missing", "remedy"),
    [
        pytest.param({"dev/ipmi0": ""}, "/usr/bin:/bin", "", "", id="all there"),
        pytest.param({"dev/ipmi0": ""}, "/none", "not installed", "apt install ipmitool", id="no ipmitool"),
        pytest.param(
            {"sys/firmware/dmi/entries/38-0/raw": ""}, "/none", "is not there", "modprobe", id="no driver"
        ),
    ],
)
def test_probe_says_what_is_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    path: str,
    missing: str,
    remedy: str,
) -> None:
    monkeypatch.setenv("PATH", path)
    [found] = IpmiSensor.discover(build(tmp_path, files))
    assert missing in found.missing and remedy in found.remedy
    assert bool(found.missing) == bool(missing)


def test_a_machine_without_a_bmc_shows_none(tmp_path: Path) -> None:
    assert list(IpmiSensor.discover(build(tmp_path, {}))) == []
