"""Masters that share no line with us, behind one interface: mbpoll, a program on libmodbus, and pymodbus."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusException

from edgeagent_hil.rig.master import BAUD
from tests.services import need

SOURCE = Path(__file__).with_name("libmodbus_master.c")

_ANSWER_S = 20


class OracleError(Exception):
    """The node refused, or did not answer; in the oracle's words."""


class Oracle(Protocol):
    """A master of slave 1 at a port."""

    def read(self, space: str, address: int, count: int) -> list[int]:
        """Registers of the space ``input`` or ``holding``. Raises OracleError."""

    def write(self, address: int, values: Sequence[int]) -> None:
        """One register by function 6, more by 16. Raises OracleError."""


class Mbpoll:
    """Debian's mbpoll."""

    def __init__(self, port: Path) -> None:
        program = need("mbpoll", "mbpoll")
        self._command = [program, "-m", "rtu", "-a", "1", "-b", str(BAUD), "-P", "none", "-0", "-1"]
        self._port = str(port)

    def read(self, space: str, address: int, count: int) -> list[int]:
        """Read once."""
        table = {"input": "3:hex", "holding": "4:hex"}[space]
        said = _run([*self._command, "-t", table, "-r", str(address), "-c", str(count), self._port])
        return [int(value, 16) for value in re.findall(r"^\[\d+\]:\s+0x([0-9A-F]{4})", said, re.MULTILINE)]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Write once."""
        _run([*self._command, "-t", "4", "-r", str(address), self._port, *map(str, values)])


class Libmodbus:
    """The program beside this file, compiled to `directory`."""

    def __init__(self, port: Path, directory: Path) -> None:
        self._program = directory / "libmodbus_master"
        self._port = str(port)
        if not self._program.exists():
            _run([need("gcc", "gcc"), "-Wall", "-Werror", str(SOURCE), "-lmodbus", "-o", str(self._program)])

    def read(self, space: str, address: int, count: int) -> list[int]:
        """Read once."""
        return [int(line) for line in self._ask(space, address, [count]).split()]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Write once."""
        self._ask("write", address, values)

    def _ask(self, what: str, address: int, rest: Sequence[int]) -> str:
        return _run([str(self._program), self._port, "1", what, str(address), *map(str, rest)])


class Pymodbus:
    """pymodbus in this process; like the others it holds the port for one request."""

    def __init__(self, port: Path) -> None:
        self._port = str(port)

    def read(self, space: str, address: int, count: int) -> list[int]:
        """Read once."""
        name = {"input": "read_input_registers", "holding": "read_holding_registers"}[space]
        return list(self._ask(name, address, count=count).registers)

    def write(self, address: int, values: Sequence[int]) -> None:
        """Write once."""
        if len(values) == 1:
            self._ask("write_register", address, values[0])
        else:
            self._ask("write_registers", address, list(values))

    def identification(self) -> dict[int, bytes]:
        """The basic objects, by function 43."""
        return dict(self._ask("read_device_information", read_code=1).information)

    def _ask(self, name: str, *values: Any, **more: Any) -> Any:
        client = ModbusSerialClient(self._port, baudrate=BAUD, timeout=3, retries=0)
        client.connect()
        try:
            answer = getattr(client, name)(*values, **more)
        except ModbusException as error:
            raise OracleError(str(error)) from None
        finally:
            client.close()  # type: ignore[no-untyped-call]
        if answer.isError():
            raise OracleError(str(answer))
        return answer


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S)
    if done.returncode:
        raise OracleError(f"{done.stdout} {done.stderr}".strip())
    return done.stdout
