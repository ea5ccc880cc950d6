"""SunSpec devices on pymodbus' server, read by the driver and by SunSpec's own client."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from edgeagent.drivers.modbus import ModbusSensor
from edgeagent.drivers.modbus.mapfile import load, shipped_path
from edgeagent.drivers.modbus.sunspec import TABLES
from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.meter import Meter
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.modbuspeers import pymodbus_tcp

#: What a quantity is in the unit of SunSpec.
PER_UNIT = {"energy": 3600.0, "power_factor": 0.01}


def registers(text: str, count: int) -> list[int]:
    return list(struct.unpack(f">{count}H", text.encode().ljust(2 * count, b"\0")))


def common(serial: str = "SN-1") -> list[int]:
    return [
        *(1, 66),
        *registers("Maker", 16),
        *registers("Model", 16),
        *registers("", 8),
        *registers("1.0", 8),
        *registers(serial, 16),
        *(1, 0x8000),
    ]


def chain(*models: list[int], base: int = 40000) -> dict[int, list[int]]:
    return {base: [0x5375, 0x6E53, *(word for model in models for word in model), 0xFFFF, 0]}


def counting(number: int, length: int) -> list[int]:
    """A model whose every register has a number of its own; scale factors are -1 or -2."""
    table = load(shipped_path(TABLES[number]))
    words = [number, length, *range(100, 100 + length)]
    for i, register in enumerate(table.register.values()):
        if register.exponent is not None:
            words[register.exponent] = 0x10000 - 1 - i % 2
    return words


LENGTHS = {101: 50, 102: 50, 103: 50, 201: 105, 202: 105, 203: 105, 204: 105}


@contextmanager
def device(image: dict[int, list[int]], **options: Any) -> Iterator[tuple[int, dict[str, Value]]]:
    with pymodbus_tcp(image) as port:
        sensor = ModbusSensor(
            Host(), ModbusSensor.Options(map="sunspec", host="127.0.0.1", tcp_port=port, **options)
        )
        try:
            channels = sensor.open()
            yield port, dict(zip(map(key, channels), sensor.read(), strict=True))
        finally:
            sensor.close()


def key(channel: Channel) -> str:
    return f"{channel.quantity.name}/{channel.name}"


@pytest.mark.parametrize("number", TABLES)
def test_what_sunspecs_own_client_reads(number: int) -> None:
    image = chain(common(), counting(number, LENGTHS[number]))
    with device(image) as (port, values):
        client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
        try:
            client.scan()
            [model] = client.models[number]
            offsets = {point.offset: point for point in model.points.values()}
            table = load(shipped_path(TABLES[number]))
            assert set(values) == set(table.register)
            for name, register in table.register.items():
                theirs = offsets[register.address].cvalue * PER_UNIT.get(name.partition("/")[0], 1.0)
                ours = values[name]
                assert not isinstance(ours, Fault) and math.isclose(ours, theirs, rel_tol=1e-12), name
        finally:
            client.close()


def test_an_inverter_and_two_meters_with_what_they_have_not_left_out() -> None:
    meter = counting(201, 105)
    meter[9] = meter[10] = 0x8000
    meter[48:54] = [0] * 6
    unknown = [64999, 3, 1, 2, 3]
    image = chain(common(), counting(103, 50), unknown, common("SN-2"), meter, counting(203, 105), base=0)
    with device(image) as (_, values):
        assert {"voltage/meter-l1", "voltage/2-meter-l1", "voltage/ac-l1"} <= values.keys()
        assert not {"voltage/meter-l2", "voltage/meter-l3", "energy/meter-import-l1"} & values.keys()
        assert not any(isinstance(value, Fault) for value in values.values())
    with device(image, channels=["energy", "power/ac"]) as (_, values):
        assert {name.partition("/")[0] for name in values} == {"energy", "power"}


@pytest.mark.parametrize(
    ("image", "why"),
    [
        pytest.param({40000: [1, 2, 3]}, 'there is no "SunS" at 40000, 0, 50000', id="no SunSpec"),
        pytest.param(chain(common()), "none of its SunSpec models is known", id="nothing to read"),
        pytest.param(chain([103, 0]), "does not end", id="a damaged chain"),
        pytest.param(chain(counting(103, 50)), "no common model", id="nobody"),
    ],
)
def test_what_is_no_device_that_we_can_read(image: dict[int, list[int]], why: str) -> None:
    with pytest.raises(DriverError, match=why), device(image):
        pass


def test_a_device_of_another_serial_number() -> None:
    image = chain(common("SN-1"), counting(103, 50))
    with (
        pytest.raises(DriverError, match="serial number SN-1, not SN-9"),
        device(image, serial_number="SN-9"),
    ):
        pass


def test_the_twins_meter() -> None:
    """What the driver reads of the emulated site is what the site does."""
    site = design.site([kinds.load("v100x4")], [20], seed=3)
    with Meter(site) as meter:
        runner = Runner(site, Workload(site.servers.shape, 1), [meter], speed=0.0)
        runner.run(120)
        options = ModbusSensor.Options(
            map="sunspec", host="127.0.0.1", tcp_port=meter.port, serial_number="twin-1"
        )
        sensor = ModbusSensor(Host(), options)
        try:
            values = dict(zip(map(key, sensor.open()), sensor.read(), strict=True))
            assert sensor.identity == "twin-1"
        finally:
            sensor.close()
    assert values["power/meter"] == pytest.approx(runner.outputs.grid_w, abs=6)
    assert values["voltage/meter-l1"] == pytest.approx(runner.outputs.grid_v[0], abs=0.06)
    assert values["energy/meter-import"] == pytest.approx(runner.state.grid_j.sum(), abs=2 * 3600)
