"""What reading Modbus devices costs, beside pymodbus' client on the same server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pymodbus.client import ModbusTcpClient

from edgeagent.drivers.modbus import ModbusSensor
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from tests.bench.machine import Meter
from tests.bench.table import Bench, Figure, at_most, row
from tests.modbuspeers import compile_server, libmodbus, words
from tests.responder import responder
from tests.services import Service, mosquitto, spawn

_PYMODBUS = "pymodbus client"
_HZ = 10
_BLOCKS, _REGISTERS = 10, 100
_STRIDE = 200

_CONFIG = """
site = "bench"
node = "agent"
state_dir = "{home}/state"
[broker]
url = "{url}"
[[device]]
name = "meter"
driver = "modbus"
interval_s = {interval_s}
map = "{table}"
host = "127.0.0.1"
tcp_port = {port}
"""


@row
def modbus(bench: Bench) -> Iterator[Figure]:
    """1,000 registers in 10 blocks at 10 Hz: the driver alone, the whole agent, and pymodbus' client."""
    seconds = 10 * bench.seconds
    with ExitStack() as stack:
        server = stack.enter_context(libmodbus(compile_server(bench.directory), "tcp"))
        for block in range(_BLOCKS):
            server.set("h", block * _STRIDE, words("f", 230.5) * (_REGISTERS // 2))
        table = _table(bench.directory)
        ours = stack.enter_context(_driver(table, server.port))
        theirs = stack.enter_context(_pymodbus(server.port))
        used = [(_cores(ours, seconds), _cores(theirs, seconds)) for _ in range(3)]
        note = "500 floats; lowest of 3 turns; pymodbus makes floats of them too, and checks none"
        yield Figure(
            "modbus, 1,000 registers in 10 blocks at 10 Hz: CPU of the driver",
            100 * min(cores for cores, _ in used),
            "% of a core",
            at_most(5),
            {_PYMODBUS: 100 * min(cores for _, cores in used)},
            note,
        )
        yield Figure(
            "modbus: time of one read of 100 registers",
            1e6 * min(_once(ours) for _ in range(20)) / _BLOCKS,
            "µs",
            None,
            {_PYMODBUS: 1e6 * min(_once(theirs) for _ in range(20)) / _BLOCKS},
        )
        yield _whole_agent(bench, table, server.port, seconds)


def _whole_agent(bench: Bench, table: Path, port: int, seconds: float) -> Figure:
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(bench.directory))
        taken = stack.enter_context(responder(broker.url, decode_lines=False))
        process = stack.enter_context(_agent(bench.directory, broker, table, port))
        time.sleep(5.0)
        meter, before = Meter(process.pid), sum(header.readings for header in taken.headers)
        time.sleep(seconds)
        meter.read()
        readings = sum(header.readings for header in taken.headers) - before
    if readings < 0.9 * _BLOCKS * _REGISTERS / 2 * _HZ * seconds:
        raise RuntimeError(f"only {readings} readings arrived")
    return Figure(
        "modbus, the same: CPU of the whole agent",
        100 * meter.cores,
        "% of a core",
        note=f"{readings / seconds:,.0f} readings/s read, stored, sent and acknowledged",
    )


def _table(directory: Path) -> Path:
    path = directory / "meter.toml"
    registers = "\n".join(
        f'"voltage/b{block}-{i}" = {{ address = {block * _STRIDE + 2 * i} }}'
        for block in range(_BLOCKS)
        for i in range(_REGISTERS // 2)
    )
    path.write_text(f'title = "bench"\nsource = "bench"\ntype = "f32"\n[register]\n{registers}\n')
    return path


@contextmanager
def _driver(table: Path, port: int) -> Iterator[Callable[[], int]]:
    options = ModbusSensor.Options(map=str(table), host="127.0.0.1", tcp_port=port)
    sensor = ModbusSensor(Host(), options)
    sensor.open()
    try:
        yield lambda: sum(not isinstance(value, Fault) for value in sensor.read())
    finally:
        sensor.close()


@contextmanager
def _pymodbus(port: int) -> Iterator[Callable[[], int]]:
    client = ModbusTcpClient("127.0.0.1", port=port)
    client.connect()  # type: ignore[no-untyped-call]

    def read() -> int:
        count = 0
        for block in range(_BLOCKS):
            answer = client.read_holding_registers(block * _STRIDE, count=_REGISTERS)
            values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
            count += len(values)  # type: ignore[arg-type]
        return count

    try:
        yield read
    finally:
        client.close()  # type: ignore[no-untyped-call]


@contextmanager
def _agent(directory: Path, broker: Service, table: Path, port: int) -> Iterator[Service]:
    home = directory / "agent"
    home.mkdir()
    config = home / "agent.toml"
    config.write_text(_CONFIG.format(home=home, url=broker.url, interval_s=1 / _HZ, table=table, port=port))
    command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
    with spawn(command, home, name="agent") as service:
        yield service


def _cores(read: Callable[[], int], seconds: float) -> float:
    """The share of a core that reading at `_HZ` takes."""
    _once(read)
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    for n in range(1, round(seconds * _HZ) + 1):
        _once(read)
        time.sleep(max(0.0, begun_s + n / _HZ - time.monotonic()))
    return (time.process_time() - begun_cpu_s) / (time.monotonic() - begun_s)


def _once(read: Callable[[], int]) -> float:
    begun_s = time.perf_counter()
    if read() != _BLOCKS * _REGISTERS // 2:
        raise RuntimeError("values were lost; not comparable")
    return time.perf_counter() - begun_s
