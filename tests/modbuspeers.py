"""Modbus devices of others' making: a server on libmodbus, and pymodbus' own."""

from __future__ import annotations

import asyncio
import signal
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.services import free_port, need

_SOURCE = Path(__file__).parent / "integration" / "modbus_server.c"


def words(code: str, number: float, *, low_first: bool = False) -> list[int]:
    """A number as registers. `code`: of `struct`."""
    data = struct.pack(f">{code}", number)
    registers = list(struct.unpack(f">{len(data) // 2}H", data)) if len(data) > 1 else [data[0]]
    return registers[::-1] if low_first else registers


def compile_server(directory: Path) -> Path:
    """Build the libmodbus server."""
    program = directory / "modbus_server"
    flags = ["-Wall", "-I/usr/include/modbus", "-o", str(program), str(_SOURCE), "-lmodbus"]
    subprocess.run([need("gcc", "gcc libmodbus-dev"), *flags], check=True)
    return program


class LibmodbusServer:
    """A running server; registers are set while it runs."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._process = process
        assert process.stdin and process.stdout
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def hang(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `hang`."""
        self._process.send_signal(signal.SIGCONT)

    def set(self, space: str, address: int, values: Sequence[int]) -> None:
        """Set registers or bits from `address` on. `space`: h, i, c or d."""
        for i, value in enumerate(values):
            self._in.write(f"{space} {address + i} {value}\n")
        self._in.flush()
        for _ in values:
            assert self._out.readline(), "the server has ended"


@contextmanager
def libmodbus(program: Path, *arguments: str, port: int = 0) -> Iterator[LibmodbusServer]:
    """The compiled server: ``"tcp"``, on a free port if none is given, or ``"rtu", path, unit``."""
    port = port or free_port()
    command = [str(program), *arguments, *([str(port)] if arguments == ("tcp",) else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "ready\n"
            yield LibmodbusServer(process, port)
        finally:
            process.kill()


@contextmanager
def pymodbus_tcp(registers: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """pymodbus' server with blocks of holding registers and nothing between them; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    blocks = [
        SimData(address, values=list(values), datatype=DataType.REGISTERS)
        for address, values in sorted(registers.items())
    ]
    port = free_port()

    async def start() -> ModbusTcpServer:
        server = ModbusTcpServer(SimDevice(0, simdata=blocks), address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield port
    finally:
        stop = server.shutdown()  # type: ignore[no-untyped-call]
        asyncio.run_coroutine_threadsafe(stop, loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
