"""QEMU's test protocol: memory and registers of a running machine, read and written from outside.

Source: QEMU 7.2, softmmu/qtest.c (the comment at its head is the specification).
"""

from __future__ import annotations

import socket
import threading

from edgeagent_sdk.errors import EdgeError

_ANSWER_S = 10.0


class Qtest:
    """One connection; addresses are as the processor sees them. May be used from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(_ANSWER_S)
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()

    def read32(self, address: int) -> int:
        """A register of 32 bits."""
        return int(self._ask(f"readl {address:#x}"), 16)

    def write32(self, address: int, value: int) -> None:
        """Write a register of 32 bits."""
        self._ask(f"writel {address:#x} {value:#x}")

    def read(self, address: int, length: int) -> bytes:
        """So many bytes of memory."""
        return bytes.fromhex(self._ask(f"read {address:#x} {length:#x}").removeprefix("0x"))

    def write(self, address: int, data: bytes) -> None:
        """Write memory; code that was already translated is translated again."""
        self._ask(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def _ask(self, command: str) -> str:
        try:
            with self._lock:
                self._socket.sendall(command.encode() + b"\n")
                answer = self._lines.readline().decode().split()
        except (OSError, ValueError):
            answer = []
        if not answer:
            raise EdgeError(f"QEMU: {command}: it has ended")
        if answer[0] != "OK":
            raise EdgeError(f"QEMU: {command}: {' '.join(answer)}")
        return answer[-1]
