"""What a governor has learned, kept over restarts: one file for each machine and governor.

Written by a thread of its own: neither a slow disk nor a full one holds up a decision.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from edgeagent.drivers.sysfs import text
from edgeagent.files import whole_file
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Machine

#: So often it is written.
_EVERY_S = 300.0

#: At the end, the disk has this long.
_FAREWELL_S = 1.0

#: What a machine calls itself, where it does.
_NAMES = ("/sys/class/dmi/id/product_name", "/sys/firmware/devicetree/base/model", "/etc/machine-id")


class Memory:
    """The file of one machine under one governor.

    Attributes:
        trouble: why it could not be written last; empty if it could.
    """

    def __init__(self, host: Host, governor: str, machine: Machine) -> None:
        self.trouble = ""
        self.saved_s: float | None = None
        self._due_s = time.monotonic() + _EVERY_S
        told = [governor, machine, *(text(host.path(name)) for name in _NAMES), _processor(host)]
        digest = hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]
        self._file = host.state_dir / f"dvfs-{digest}.json" if host.state_dir else None
        self._writer: threading.Thread | None = None

    def recall(self) -> dict[str, Any]:
        """What was learned before on this machine; empty if nothing was, or it is damaged."""
        try:
            found = msgspec.json.decode(self._file.read_bytes()) if self._file else {}
        except (OSError, ValueError):  # a msgspec.DecodeError is a ValueError
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def due(self) -> bool:
        """Whether it is time to keep what has been learned."""
        return self._file is not None and time.monotonic() >= self._due_s

    def keep(self, learned: Mapping[str, Any], *, last: bool = False) -> None:
        """Have it written; with `last`, it is waited for a little. What comes too fast is passed over."""
        self._due_s = time.monotonic() + _EVERY_S
        if self._file is None:
            return
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(
                target=self._write, args=(dict(learned),), name="dvfs-memory", daemon=True
            )
            self._writer.start()
        if last:
            self._writer.join(_FAREWELL_S)

    def _write(self, learned: dict[str, Any]) -> None:
        assert self._file is not None
        try:
            with whole_file(self._file, replace=True) as draft:
                draft.write(msgspec.json.encode(learned).decode())
            self.trouble, self.saved_s = "", time.monotonic()
        except (EdgeError, TypeError, ValueError) as error:
            self.trouble = str(error)


def _processor(host: Host) -> str:
    """The first CPU's own words of itself."""
    about = text(host.path("/proc/cpuinfo")).partition("\n\n")[0].splitlines()
    return next((line for line in about if line.startswith(("model name", "Hardware", "CPU part"))), "")
