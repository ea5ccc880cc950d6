"""A device that counts its readings, and keeps a ledger of those that the agent has taken.

Each pass gives every channel the next whole number. A number enters the ledger, with the time at
which it was asked for, when the agent comes back for the next one: only then is it certain that the
agent took it over. So a number handed out just before a ``kill -9`` is in no ledger; it may be
stored or not, but not twice. This leaves the agent one interval of the device, 50 to 200 ms in the
rig, to bring a number from the driver to where the death of the process cannot reach it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeagent_sdk import Channel, Host, Options, Sensor


class CountingOptions(Options):
    """How many channels, where the ledger is, and where to begin to count."""

    ledger: str
    channels: int = 10
    first: int = 0


class CountingSensor(Sensor):
    """Counts over restarts of the agent: it goes on where the ledger ends."""

    Options = CountingOptions
    summary = "a device that counts its readings"

    def __init__(self, host: Host, options: Any) -> None:
        super().__init__(host, options)
        self._ledger = -1
        self._given: tuple[int, int] | None = None  # number, time
        self._next = int(options.first)

    def open(self) -> Sequence[Channel]:
        """Go on after the last number in the ledger, and the one that may have been handed out since."""
        path = Path(self.options.ledger)
        written = path.read_text().splitlines() if path.exists() else []
        self._next = max(self._next, int(written[-1].split()[0]) + 2 if written else 0)
        self._ledger = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._write(self._next, 0)  # without a time: on offer, not taken yet; no later start offers it again
        return [Channel(f"c{i}", "depth") for i in range(self.options.channels)]

    def read(self) -> Sequence[float]:
        """The next number on every channel; the one before it has been taken."""
        self._note()
        number, self._next = self._next, self._next + 1
        self._given = number, time.time_ns()
        return [float(number)] * self.options.channels

    def close(self) -> None:
        """The agent ends cleanly: it has taken the last one too."""
        if self._ledger >= 0:
            self._note()
            os.close(self._ledger)
            self._ledger, self._given = -1, None

    def _note(self) -> None:
        if self._given is not None:
            self._write(*self._given)

    def _write(self, number: int, time_ns: int) -> None:
        os.write(self._ledger, f"{number} {time_ns}\n".encode())
