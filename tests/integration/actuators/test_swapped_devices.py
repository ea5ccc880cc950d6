"""Another device at the same address: it never gets what the one before it was found at.

Each through its real driver, which asks the device for its serial number; the agent is killed under a lease,
and meanwhile somebody puts another device in the place of the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymodbus.client import ModbusTcpClient

from edgeagent import control as module
from edgeagent.config import DeviceConfig, load_config
from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.message import Community
from edgeagent.drivers.snmp.session import Session
from edgeagent_sdk.messages import Outcome
from tests.bmc import PASSWORD, USER, serve, tree
from tests.desk import Desk
from tests.modbuspeers import compile_server, libmodbus
from tests.services import wait_until
from tests.snmpagents import OUTLET_CONTROL, OUTLET_PROFILE, outlets, snmpsim


class Place(NamedTuple):
    """An address, and the device that stands there.

    Args:
        driver: and its `options`.
        actuator: what is lent; it was found at `found`, and is lent `lent`.
        see: what it is at, by the device itself.
        put: set it from the device's other side.
        become: another device stands there, with this serial number; 0 for one that tells none.
    """

    driver: str
    options: dict[str, Any]
    actuator: str
    found: float
    lent: float
    see: Callable[[], float]
    put: Callable[[float], None]
    become: Callable[[int], None]


_MAP = """
title = "a PDU"
source = "its manual"
serial_number = { address = 30, type = "u32" }
[register]
"voltage/in" = { address = 0 }
[output]
"power/limit" = { address = 20, unit = "kW", scale = 0.1, minimum = 0, maximum = 9e3 }
"""


@contextmanager
def modbus(home: Path) -> Iterator[Place]:
    """A PDU on Modbus TCP, by a map that says where its serial number is."""
    (home / "pdu.toml").write_text(_MAP)
    with libmodbus(compile_server(home), "tcp") as server:
        server.set("h", 20, [60])
        yield Place(
            driver="modbus",
            options={"map": str(home / "pdu.toml"), "host": "127.0.0.1", "tcp_port": server.port},
            actuator="limit",
            found=6000.0,
            lent=2000.0,
            see=lambda: _holding(server.port, 20) * 100.0,
            put=lambda value: server.set("h", 20, [round(value / 100)]),
            become=lambda number: server.set("h", 30, [0, number]),
        )


def _holding(port: int, address: int) -> int:
    client = ModbusTcpClient("127.0.0.1", port=port)
    try:
        client.connect()  # type: ignore[no-untyped-call]
        return client.read_holding_registers(address, count=1).registers[0]
    finally:
        client.close()  # type: ignore[no-untyped-call]


_SERIAL = "1.3.6.1.4.1.318.1.1.26.2.1.9"


@contextmanager
def snmp(home: Path) -> Iterator[Place]:
    """A PDU on SNMP, which is a simulator."""
    (home / "pdu.toml").write_text(OUTLET_PROFILE.replace("probe", f'serial = "{_SERIAL}"\nprobe', 1))
    head, plugs = outlets(1).split("\n", 1)
    (home / "plugs.snmprec").write_text(f"{head}\n{_SERIAL}.1|2:writecache|value=1\n{plugs}")
    plug, serial = ber.oid(f"{OUTLET_CONTROL}.1"), ber.oid(f"{_SERIAL}.1")
    with snmpsim(home, [home / "plugs.snmprec"]) as service:
        other = Session(("127.0.0.1", service.port), Community("plugs"), timeout_s=5.0, retries=0, silent="")
        options = {"host": "127.0.0.1", "port": service.port, "community": "plugs"}
        yield Place(
            driver="snmp",
            options=options | {"profile": str(home / "pdu.toml"), "timeout_ms": 5000},
            actuator="plug-1",
            found=1.0,
            lent=0.0,
            see=lambda: float(other.get([plug])[0] == 1),
            put=lambda value: other.set(plug, 1 if value else 2),
            become=lambda number: other.set(serial, number),
        )
        other.close()


@contextmanager
def redfish(home: Path) -> Iterator[Place]:
    """A BMC."""
    with serve(tree("new")) as bmc:
        chassis = bmc.resources["/redfish/v1/Chassis/1U"]
        limit = bmc.resources["/redfish/v1/Chassis/1U/EnvironmentMetrics"]["PowerLimitWatts"]
        del bmc.resources["/redfish/v1/"]["UUID"]
        yield Place(
            driver="redfish",
            options={"url": bmc.url, "username": USER, "password": PASSWORD},
            actuator="limit",
            found=500.0,
            lent=300.0,
            see=lambda: float(limit["SetPoint"]),
            put=lambda value: limit.update(SetPoint=round(value)),
            become=lambda number: chassis.update(SerialNumber=f"SN{number}" if number else ""),
        )


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "modbus": modbus,
    "snmp": snmp,
    "redfish": redfish,
}

#: Those whose device may tell its number one time, and not another.
MAY_BE_SILENT = ("modbus", "redfish")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulators are slow where several are at work."""
    monkeypatch.setattr(module, "_ANSWER_S", 10.0)
    monkeypatch.setattr(module, "_TURN_S", 0.1)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as made:
        yield made


@contextmanager
def at_work(place: Place, home: Path) -> Iterator[Desk]:
    desk = Desk(_config(place, home), place.actuator, home)
    try:
        yield desk
    finally:
        desk.stop()


def _config(place: Place, home: Path) -> DeviceConfig:
    keys = {"name": "psu", "driver": place.driver, "interval_s": 0.1} | place.options
    table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    (home / "agent.toml").write_text(f'site = "lab"\nnode = "n1"\n[[device]]\n{table}')
    (device,) = load_config(home / "agent.toml").devices
    return device


def kill_under_a_lease(place: Place, home: Path, number: int) -> Path:
    """What an agent leaves that is killed under a lease on the device of this number: its file."""
    file = home / "originals-psu.json"
    place.become(number)
    with at_work(place, home) as desk:
        assert desk.cap(place.lent).outcome is Outcome.APPLIED
        left = file.read_bytes()
        assert desk.release().holds["value"] == place.found
    assert not file.exists()
    file.write_bytes(left)
    place.put(place.lent)
    return file


def is_left_alone(place: Place, home: Path, kind: str, words: str) -> None:
    """The device that stands there now is at what the other was lent, of its own accord."""
    file = home / "originals-psu.json"
    left = file.read_bytes()
    with at_work(place, home) as desk:
        wait_until(lambda: desk.told(kind), "its event")
        told = desk.reports.messages[desk.reports.kinds.index(kind)]
        assert words in told and str(file) in told
        assert desk.cap(place.found).outcome is Outcome.REFUSED
    assert place.see() == place.lent and file.read_bytes() == left
    assert not {"actuator-restored", "actuator-left", "lease-began"} & set(desk.reports.kinds)


def is_given_back(place: Place, home: Path) -> None:
    """The first device is there again."""
    with at_work(place, home) as desk:
        wait_until(lambda: desk.told("actuator-restored"), "the first one is given its own back")
        assert place.see() == place.found and not (home / "originals-psu.json").exists()


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_device_in_anothers_place_is_left_alone_and_the_first_one_gets_its_own_back(
    place: Place, tmp_path: Path
) -> None:
    kill_under_a_lease(place, tmp_path, 7)
    place.become(8)
    is_left_alone(place, tmp_path, "originals-foreign", f"at {place.lent:g} (found at {place.found:g})")
    place.become(7)
    is_given_back(place, tmp_path)


@pytest.mark.parametrize("place", MAY_BE_SILENT, indirect=True)
def test_one_that_does_not_say_who_it_is_this_once_is_not_taken_for_another(
    place: Place, tmp_path: Path
) -> None:
    kill_under_a_lease(place, tmp_path, 7)
    place.become(0)
    is_left_alone(place, tmp_path, "originals-withheld", "does not say now who it is")
    place.become(7)
    is_given_back(place, tmp_path)


@pytest.mark.parametrize("place", MAY_BE_SILENT, indirect=True)
def test_one_that_says_who_it_is_only_later_is_known_by_its_address(place: Place, tmp_path: Path) -> None:
    file = kill_under_a_lease(place, tmp_path, 0)
    assert json.loads(file.read_bytes())["identity"] == ""
    place.become(7)
    is_given_back(place, tmp_path)
