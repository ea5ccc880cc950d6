"""The box's language: a line asks, a line answers. ``T?`` is answered by ``T=24.5``, ``D=40`` by ``OK``."""

from __future__ import annotations

import termios
from pathlib import Path

import serial

from edgeagent_sdk import DriverError

_BAUD = 9600


class Line:
    """The serial line to a box.

    Args:
        path: the serial port.
        timeout_s: so long the box may take for an answer.

    Raises:
        DriverError: there is no such port, or it may not be opened.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        try:
            self._port = serial.Serial(str(path), _BAUD, timeout=timeout_s, write_timeout=timeout_s)
        except OSError as error:
            remedy = "plug it in" if not path.exists() else "add the agent's user to the group dialout"
            raise DriverError(f"{path}: cannot be opened: {error.strerror or error}", remedy) from None

    def ask(self, question: str) -> str:
        """The answer to `question`. Raises DriverError if none comes in time."""
        try:
            self._port.reset_input_buffer()  # what came too late must not answer what is asked now
            self._port.write(f"{question}\n".encode("ascii"))
            answer: bytes = self._port.read_until(b"\n")
        except (OSError, termios.error) as error:  # pyserial lets some of the latter through
            raise DriverError(f"{self._path}: {error}", "is it still plugged in?") from None
        if not answer.endswith(b"\n"):
            raise DriverError(f"{self._path}: no answer to {question}", "is the box switched on?")
        return answer.decode("ascii", "replace").strip()

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()
