"""IPMI over RMCP+: Debian's ipmitool against OpenIPMI's simulator, with DCMI's power and its limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.ipmi import IpmiSensor
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.ipmi import PASSWORD, USER, Bmc, bmc, build_module
from tests.services import need, wait_until


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("ipmitool", "ipmitool")
    return build_module(tmp_path_factory.mktemp("dcmi"))


@pytest.fixture
def peer(tmp_path: Path, module: Path) -> Iterator[Bmc]:
    with bmc(tmp_path, module) as made:
        yield made


def sensor(peer: Bmc, **options: Any) -> IpmiSensor:
    # A suite that is named, since the simulator does not tell its own; the rights that it asks for DCMI.
    keys: dict[str, Any] = {"address": "127.0.0.1", "port": peer.port, "username": USER, "password": PASSWORD}
    keys |= {"cipher": 3, "privilege": "administrator"}
    return IpmiSensor(Host(), IpmiSensor.Options(**keys | options))


@contextmanager
def opened(peer: Bmc, **options: Any) -> Iterator[tuple[IpmiSensor, list[str]]]:
    made = sensor(peer, **options)
    try:
        yield made, [f"{channel.quantity.name}/{channel.name}" for channel in made.open()]
    finally:
        made.close()


def values(made: IpmiSensor, names: list[str]) -> dict[str, Value]:
    return dict(zip(names, made.read(), strict=True))


READINGS = {
    "temperature/inlet-temp": 30.0,
    "speed/fan-1": 4200.0,
    "voltage/p12v": 12.06,
    "current/psu1-current": 1.8,
    "power/psu1-power-in": 216.0,
    "temperature/temp": 41.0,
    "temperature/temp-2": 43.0,
    "power/dcmi": 216.0,
}


def test_power_and_sensors_as_they_change(peer: Bmc) -> None:
    with opened(peer) as (made, names):
        assert values(made, names) == pytest.approx(READINGS)
        peer.measure(0, 35)
        peer.take(250)
        changed = READINGS | {"temperature/inlet-temp": 35.0, "power/dcmi": 250.0}
        wait_until(lambda: values(made, names) == pytest.approx(changed), "the new values")
        assert 0 < made.age_s < 60


def test_power_that_is_not_measured_is_a_fault(peer: Bmc) -> None:
    with opened(peer) as (made, names):
        for power_w, reason in (
            (None, "the BMC's power measurement is not active"),
            (0xFFFF, "the BMC has no reading"),
        ):
            peer.take(power_w)
            fault = Fault(reason)
            wait_until(lambda fault=fault: values(made, names)["power/dcmi"] == fault, reason)  # type: ignore[misc]
        assert values(made, names)["power/psu1-power-in"] == 216.0


def test_a_bmc_without_dcmi_shows_its_sensors_and_one_without_sensors_its_power(peer: Bmc) -> None:
    with opened(peer, sensors=False) as (_, names):
        assert names == ["power/dcmi"]
    (peer.directory / "no_power").touch()
    with opened(peer) as (_, names):
        assert "power/dcmi" not in names and len(names) == len(READINGS) - 1
    with pytest.raises(DriverError, match="neither DCMI nor a sensor"), opened(peer, sensors=False):
        pass


def test_the_power_limit_is_set_read_back_and_taken_away(peer: Bmc) -> None:
    with opened(peer, sensors=False, limit_min_w=150, limit_max_w=800) as (made, _):
        [limit] = made.actuators()
        assert (limit.info.minimum, limit.info.maximum) == (150, 800)
        assert limit.get() == 0.0
        for value, kept in ((300.0, "300 1 0"), (500.0, "500 1 0"), (0.0, "500 0 0")):
            limit.set(value)
            assert limit.get() == value
            assert (peer.directory / "limit").read_text().strip() == kept
        with pytest.raises(DriverError, match="Power/Thermal limit out of range"):
            limit.set(2000.0)


def test_a_limit_that_would_turn_the_machine_off_is_refused(peer: Bmc) -> None:
    (peer.directory / "limit").write_text("500 1 1\n")
    with opened(peer, sensors=False, limit_min_w=150, limit_max_w=800) as (made, _):
        with pytest.raises(DriverError, match="would turn the machine off"):
            made.actuators()[0].set(300.0)
        assert made.actuators()[0].get() == 500.0


def test_without_bounds_or_without_a_limit_there_is_no_actuator(peer: Bmc) -> None:
    with opened(peer, sensors=False) as (made, _):
        assert made.actuators() == []
    (peer.directory / "no_limit").touch()
    with opened(peer, sensors=False, limit_min_w=150, limit_max_w=800) as (made, _):
        assert made.actuators() == []


def test_rights_that_are_too_low_cost_only_what_they_are_for(peer: Bmc) -> None:
    with opened(peer, privilege="user") as (made, names):
        now = values(made, names)
        assert now["temperature/inlet-temp"] == 30.0
        assert now["power/dcmi"] == Fault("127.0.0.1: the user's privilege is too low; raise privilege")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"password": "not-this"}, "the password is wrong", id="password"),
        pytest.param({"username": "nobody"}, "the BMC does not know this user", id="user"),
        pytest.param({"address": "no.such.host.invalid"}, "no such host", id="host"),
    ],
)
def test_what_keeps_us_out_is_told(peer: Bmc, options: dict[str, Any], reason: str) -> None:
    made = sensor(peer, **options)
    with pytest.raises(DriverError, match=reason) as caught:
        made.open()
    made.close()
    assert "not-this" not in str(caught.value)


def test_the_password_is_on_no_command_line(
    peer: Bmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "ipmitool"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {need("ipmitool", "ipmitool")} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    with opened(peer, password="", password_file=str(tmp_path / "secret")) as (made, names):
        assert values(made, names) == pytest.approx(READINGS)
    assert "sdr dump" in seen.read_text() and PASSWORD not in seen.read_text()


def test_another_machine_in_its_place_gives_no_reading(peer: Bmc, tmp_path: Path, module: Path) -> None:
    with opened(peer) as (made, names):
        values(made, names)
        # In which order the bytes come is ipmitool's own.
        assert sorted(made.identity.replace("-", "")) == sorted("a123456789abcdefa123456789abcd01")
        peer.service.stop()
        with bmc(tmp_path, module, guid="02", port=peer.port):
            with pytest.raises(DriverError, match="another machine has been put in its place: system GUID"):
                wait_until(lambda: not made.read(), "never")
            made.close()
            with pytest.raises(DriverError, match="another machine"):
                made.open()


def test_a_bmc_that_hangs_keeps_nobody_waiting(peer: Bmc) -> None:
    with opened(peer, max_age_s=2.0) as (made, names):
        values(made, names)
        peer.service.pause()
        assert values(made, names)["power/dcmi"] == 216.0  # of the last whole look, which has an age
        assert made.age_s > 0.5
        wait_until(lambda: "the BMC last gave it" in str(values(made, names)["power/dcmi"]), "too old")
        begun_s = time.monotonic()
        made.close()
        assert time.monotonic() - begun_s < 10
        peer.service.resume()


def test_a_bmc_that_does_not_answer_in_time_is_told(peer: Bmc) -> None:
    peer.service.pause()
    made = sensor(peer, timeout_s=0.5)
    with pytest.raises(DriverError, match=r"no answer within 0\.5 s"):
        made.open()
    made.close()
    peer.service.resume()


def test_ipmitool_that_is_not_there_is_told(peer: Bmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DriverError, match="ipmitool is not installed; apt install ipmitool"), opened(peer):
        pass
