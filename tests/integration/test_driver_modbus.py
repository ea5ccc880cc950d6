"""The modbus driver against servers that share no line with us: libmodbus and pymodbus, on TCP and RTU."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.modbus import ModbusSensor
from edgeagent.drivers.modbus.mapfile import load as load_map
from edgeagent.drivers.modbus.mapfile import shipped, shipped_path
from edgeagent.drivers.modbus.numbers import pack
from edgeagent.drivers.modbus.points import Point, points
from edgeagent.drivers.node import NodeSensor
from edgeagent.drivers.node.sensor import NodeOptions
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import Host, Sensor
from edgeagent_sdk.errors import DriverError
from tests.modbuspeers import LibmodbusServer, compile_server, libmodbus, pymodbus_tcp, words
from tests.modelnode import ModelNode
from tests.serialline import pty_pair, serial_line
from tests.services import free_port
from tests.unit.modbus.test_tcp import mbap, peer

SPACES = {1: "c", 2: "d", 3: "h", 4: "i"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_server(tmp_path_factory.mktemp("libmodbus"))


@pytest.fixture
def server(program: Path) -> Iterator[LibmodbusServer]:
    with libmodbus(program, "tcp") as running:
        yield running


@contextmanager
def opened(**options: Any) -> Iterator[tuple[ModbusSensor, list[Channel]]]:
    sensor = ModbusSensor(Host(), ModbusSensor.Options(**options))
    try:
        yield sensor, list(sensor.open())
    finally:
        sensor.close()


def readings(sensor: Sensor, channels: Sequence[Channel]) -> dict[str, Value]:
    return {
        f"{channel.quantity.name}/{channel.name}": value
        for channel, value in zip(channels, sensor.read(), strict=True)
    }


def fill(server: LibmodbusServer, wanted: Sequence[Point], raw: Callable[[int], int]) -> None:
    """Give every point a raw number of its own."""
    for i, point in enumerate(wanted):
        if point.kind == "bit":
            server.set(SPACES[point.function], point.address, [raw(i) & 1])
            continue
        data = pack(raw(i), point.layout)
        server.set(
            SPACES[point.function],
            point.address,
            [int.from_bytes(data[j : j + 2], "big") for j in range(0, len(data), 2)],
        )


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_map_is_read_number_by_number(server: LibmodbusServer, name: str) -> None:
    table = load_map(shipped_path(name))
    wanted = points(table)
    fill(server, wanted, lambda i: i + 1)
    with opened(map=name, host="127.0.0.1", tcp_port=server.port) as (sensor, channels):
        values = readings(sensor, channels)
        assert list(values) == list(table.register)
        for i, point in enumerate(wanted):
            raw = (i + 1) & 1 if point.kind == "bit" else i + 1
            assert values[point.key] == point.convert(raw)


def my_map(tmp_path: Path, registers: str, head: str = "") -> str:
    path = tmp_path / "my.toml"
    path.write_text(f'title = "a"\nsource = "b"\n{head}\n[register]\n{registers}\n')
    return str(path)


@pytest.mark.parametrize(
    ("register", "held", "value"),
    [
        pytest.param('{ type = "u16" }', [0xFFFF], 65535.0, id="u16"),
        pytest.param('{ type = "i16" }', [0xFFFF], -1.0, id="i16"),
        pytest.param('{ type = "u32" }', [1, 2], 65538.0, id="u32"),
        pytest.param('{ type = "u32", word_order = "low-first" }', [1, 2], 131073.0, id="the low word first"),
        pytest.param('{ type = "i64" }', [0xFFFF] * 4, -1.0, id="i64"),
        pytest.param('{ type = "f32" }', words("f", 230.5), 230.5, id="f32"),
        pytest.param('{ type = "f64" }', words("d", 230.5), 230.5, id="f64"),
        pytest.param('{ scale = 0.1, unit = "kV" }', [4], 400.0, id="scale and unit"),
        pytest.param("{ offset = -273 }", [300], 27.0, id="offset"),
        pytest.param("{ exponent = 9 }", [2304], 230.4, id="a scale factor of -1"),
        pytest.param("{ exponent = 8 }", [23], "its scale factor is not available", id="none"),
        pytest.param("{ unavailable = [0xFFFF] }", [0xFFFF], "not available.*0xffff", id="unavailable"),
        pytest.param(
            '{ type = "i16", unavailable = [0x8000] }', [0x8000], "not available.*0x8000", id="signed too"
        ),
        pytest.param('{ type = "f32" }', [0x7FC0, 0], "no number", id="NaN"),
        pytest.param(
            '{ type = "f32", word_order = "low-first" }', words("f", 230.0), "wrong word_order", id="swapped"
        ),
    ],
)
def test_a_number(
    server: LibmodbusServer, tmp_path: Path, register: str, held: list[int], value: float | str
) -> None:
    server.set("h", 0, held)
    server.set("h", 8, [0x8000, 0xFFFF])
    path = my_map(tmp_path, '"voltage/in" = ' + register.replace("{", "{ address = 0,"))
    with opened(map=path, host="127.0.0.1", tcp_port=server.port) as (sensor, channels):
        found = readings(sensor, channels)["voltage/in"]
    if isinstance(value, float):
        assert found == pytest.approx(value, rel=1e-12)
    else:
        assert isinstance(found, Fault) and re.search(value, found.reason)


def test_reads_that_are_refused_are_split_and_the_rest_is_read(tmp_path: Path) -> None:
    registers = {0: [230], 4: [231], 6: [232]}
    path = my_map(
        tmp_path,
        "\n".join(f'"voltage/at{address}" = {{ address = {address} }}' for address in (0, 4, 6, 7)),
    )
    with (
        pymodbus_tcp(registers) as port,
        opened(map=path, host="127.0.0.1", tcp_port=port) as (
            sensor,
            channels,
        ),
    ):
        values = readings(sensor, channels)
    refused = values.pop("voltage/at7")
    assert values == {"voltage/at0": 230.0, "voltage/at4": 231.0, "voltage/at6": 232.0}
    assert isinstance(refused, Fault) and "illegal data address" in refused.reason


def test_what_an_optional_map_has_and_the_device_not_is_left_out(tmp_path: Path) -> None:
    path = my_map(
        tmp_path,
        '"voltage/l1" = { address = 0 }\n"voltage/l2" = { address = 1 }\n"voltage/l3" = { address = 9 }',
        "optional = true\nunavailable = { u16 = [0xFFFF] }",
    )
    with (
        pymodbus_tcp({0: [230, 0xFFFF]}) as port,
        opened(map=path, host="127.0.0.1", tcp_port=port) as (sensor, channels),
    ):
        assert readings(sensor, channels) == {"voltage/l1": 230.0}


def test_outputs_are_set_and_read_back(server: LibmodbusServer, tmp_path: Path) -> None:
    path = tmp_path / "pdu.toml"
    path.write_text(
        'title = "a"\nsource = "b"\n[register]\n"voltage/in" = { address = 0 }\n[output]\n'
        '"state/outlet1" = { address = 7, space = "coil", minimum = 0, maximum = 1 }\n'
        '"power/limit" = { address = 20, type = "u32", unit = "kW", scale = 0.1, '
        "minimum = 0, maximum = 9e3 }\n"
        '"duty/fan" = { address = 30, unit = "%", minimum = 0, maximum = 1, write_many = true }\n'
    )
    with opened(map=str(path), host="127.0.0.1", tcp_port=server.port) as (sensor, _):
        outlet, limit, fan = sensor.actuators()
        assert outlet.get() == 0.0
        outlet.set(1.0)
        limit.set(6500.0)
        fan.set(0.35)
        assert (outlet.get(), limit.get(), fan.get()) == (1.0, 6500.0, 0.35)
        assert (limit.info.step, limit.info.maximum) == (100.0, 9000.0)
        with pytest.raises(DriverError, match="does not fit"):
            fan.set(-1.0)


def test_a_counter_that_falls_is_a_fault_and_goes_on(server: LibmodbusServer, tmp_path: Path) -> None:
    path = my_map(tmp_path, '"energy/in" = { address = 0, type = "u32", unit = "Wh" }')
    options = ModbusSensor.Options(map=path, host="127.0.0.1", tcp_port=server.port)
    host = Host(state_dir=tmp_path)

    def passes(values: Sequence[int]) -> list[Value]:
        sensor = ModbusSensor(host, options)
        sensor.open()
        found: list[Value] = []
        for value in values:
            server.set("h", 0, words("I", value))
            found += sensor.read()
        sensor.close()
        return found

    first, second, fallen, after = passes([1000, 1010, 3, 5])
    assert (first, second) == (3.6e6, 1010 * 3600.0)
    assert isinstance(fallen, Fault) and "fell" in fallen.reason
    assert after == (1010 + 5) * 3600.0
    assert passes([25]) == [(1010 + 25) * 3600.0], "over a restart of the agent"


def test_several_units_share_a_serial_line(program: Path, tmp_path: Path) -> None:
    """One connection: a second one would be refused, for the port is held exclusively."""
    slave, master = tmp_path / "slave", tmp_path / "master"
    path = my_map(tmp_path, '"power/in" = { address = 0, type = "f32", space = "input" }')
    line = {"map": path, "port": str(master), "baud": 115_200, "timeout_ms": 200}
    with pty_pair(slave, master), libmodbus(program, "rtu", str(slave), "5") as server:
        server.set("i", 0, words("f", 1234.5))
        with opened(**line, unit_id=5) as (five, channels):
            assert readings(five, channels) == {"power/in": 1234.5}
            with (
                pytest.raises(DriverError, match="unit 6 does not answer: silence"),
                opened(**line, unit_id=6),
            ):
                pass
            with (
                pytest.raises(DriverError, match="115200 baud 8N1, this one as 115200 baud 8E1"),
                opened(**line, unit_id=7, parity="even"),
            ):
                pass
            assert readings(five, channels) == {"power/in": 1234.5}


def test_a_device_of_another_serial_number_is_not_read(server: LibmodbusServer, tmp_path: Path) -> None:
    path = my_map(tmp_path, '"voltage/in" = { address = 0 }', "serial_number = { address = 100, words = 4 }")
    server.set("h", 100, [0x4142, 0x3132, 0, 0])
    sensor = ModbusSensor(Host(), ModbusSensor.Options(map=path, host="127.0.0.1", tcp_port=server.port))
    sensor.open()
    sensor.close()
    assert sensor.identity == "AB12"
    server.set("h", 100, [0x4142, 0x3133, 0, 0])
    with pytest.raises(DriverError, match="serial number AB13, not AB12"):
        sensor.open()
    sensor.close()
    server.set("h", 100, [0, 0, 0, 0])
    with pytest.raises(DriverError, match="does not tell its serial number now, and may be another device"):
        sensor.open()
    sensor.close()


@pytest.mark.parametrize(("code", "told"), [(2, ""), (5, None), (10, None), (11, None)])
def test_a_gateway_that_does_not_reach_the_device_says_nothing_of_who_it_is(
    tmp_path: Path, code: int, told: str | None
) -> None:
    """A device that has no serial number is opened without; one that cannot be asked now is not opened."""
    path = my_map(tmp_path, '"voltage/in" = { address = 0 }', "serial_number = { address = 100, words = 4 }")

    def script(request: bytes) -> list[bytes]:
        _, address, count = struct.unpack(">BHH", request[7:12])
        answer = bytes([3, 2 * count, *bytes(2 * count)]) if address == 0 else bytes([0x83, code])
        return [mbap(request, answer)]

    with peer(script) as port:
        sensor = ModbusSensor(Host(), ModbusSensor.Options(map=path, host="127.0.0.1", tcp_port=port))
        try:
            if told is None:
                with pytest.raises(DriverError, match="refuses: "):
                    sensor.open()
            else:
                assert sensor.open() and sensor.identity == told
        finally:
            sensor.close()


def test_nobody_there() -> None:
    with (
        pytest.raises(DriverError, match="connection refused; is the device on"),
        opened(map="eastron-sdm120", host="127.0.0.1", tcp_port=1),
    ):
        pass


@pytest.mark.parametrize("optional", [False, True])
def test_the_map_of_another_device(tmp_path: Path, optional: bool) -> None:
    path = my_map(tmp_path, '"voltage/in" = { address = 9 }', f"optional = {str(optional).lower()}")
    with (
        pymodbus_tcp({0: [230]}) as port,
        pytest.raises(DriverError, match="none of the map's registers; is it the right map"),
        opened(map=path, host="127.0.0.1", tcp_port=port),
    ):
        pass


def test_the_node_by_its_map_is_what_its_own_driver_reads(tmp_path: Path) -> None:
    model = ModelNode(serial_number=9)
    with serial_line(tmp_path / "tty", model.answer) as line:
        port = str(line.path)
        own = NodeSensor(Host(), NodeOptions(port=port))
        by_driver = readings(own, own.open())
        own.close()
        with opened(map="sensor-node", port=port, baud=115_200, serial_number="9") as (sensor, channels):
            before = model.requests
            by_map = readings(sensor, channels)
            assert model.requests == before + 1
    limit = by_map.pop("power/power_limit")
    assert isinstance(limit, Fault) and "0xffff" in limit.reason, "no limit is no number of watts"
    assert isinstance(by_driver["power/power_limit"], Fault)
    assert by_map == {name: by_driver[name] for name in by_map} and "state/relay1" in by_map


class TestConformance(DriverConformance):
    """The kit's checks, on a PDU that can be unplugged."""

    driver = ModbusSensor

    @pytest.fixture
    def bench(self, program: Path, tmp_path: Path) -> Iterator[Bench]:
        port = free_port()
        with ExitStack() as plugged:

            def plug() -> LibmodbusServer:
                server = plugged.enter_context(libmodbus(program, "tcp", port=port))
                server.set("i", 300, words("I", 5000))
                return server

            server = plug()
            yield Bench(
                Host(state_dir=tmp_path),
                {"map": "netio-powerpdu-4ps", "host": "127.0.0.1", "tcp_port": port, "timeout_ms": 300},
                unplug=plugged.close,
                replug=plug,
                hang=server.hang,
                resume=server.resume,
                reset=lambda: server.set("i", 300, words("I", 3)),
            )
