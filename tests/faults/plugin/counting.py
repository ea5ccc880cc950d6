"""A device that counts its readings, and keeps a ledger of those that the agent has taken.

Each pass gives every channel the next whole number. A number enters the ledger when the agent comes
back for the next one: only then is it certain that the agent took it over. So a number handed out
just before a ``kill -9`` is in no ledger; it may be stored or not, but not twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeagent_sdk import Channel, Host, Options, Sensor


class CountingOptions(Options):
    """How many channels, and where the ledger is."""

    ledger: str
    channels: int = 10


class CountingSensor(Sensor):
    """Counts over restarts of the agent: it goes on where the ledger ends."""

    Options = CountingOptions
    summary = "a device that counts its readings"

    def __init__(self, host: Host, options: Any) -> None:
        super().__init__(host, options)
        self._ledger = -1
        self._given: int | None = None
        self._next = 0

    def open(self) -> Sequence[Channel]:
        """Go on after the last number in the ledger, and the one that may have been handed out since."""
        path = Path(self.options.ledger)
        written = path.read_text().split() if path.exists() else []
        self._next = max(self._next, int(written[-1]) + 2 if written else 0)
        self._ledger = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        return [Channel(f"c{i}", "depth") for i in range(self.options.channels)]

    def read(self) -> Sequence[float]:
        """The next number on every channel; the one before it has been taken."""
        self._note()
        self._given, self._next = self._next, self._next + 1
        return [float(self._given)] * self.options.channels

    def close(self) -> None:
        """The agent ends cleanly: it has taken the last one too."""
        if self._ledger >= 0:
            self._note()
            os.close(self._ledger)
            self._ledger, self._given = -1, None

    def _note(self) -> None:
        if self._given is not None:
            os.write(self._ledger, f"{self._given}\n".encode())
