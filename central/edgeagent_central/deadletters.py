"""What is not stored is kept, with the reason: a bounded file, and a count of each reason."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeagent_central.check import Bad
from edgeagent_sdk.names import Identity

_LOG = logging.getLogger("edgeagent")

#: The file is turned over once at this size: so the last 16 to 32 MiB are kept.
_FILE_MAX_BYTES = 16 << 20

#: Lines written for one node in a second; more are counted only, so that one bad node fills no disk.
_PER_NODE_PER_S = 50

_LINE_MAX_BYTES = 500


class DeadLetters:
    """The file of refused lines, as JSON lines: time_ns, topic, reason, line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.by_reason: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._second = 0
        self._written: Counter[Identity] = Counter()
        self._told: set[Identity] = set()

    def put(self, identity: Identity, bad: Sequence[Bad]) -> None:
        """Note refused lines of a node."""
        with self._lock:
            self.count += len(bad)
            self.by_reason.update(_class(line.reason) for line in bad)
            allowed = bad[: self._allowance(identity, len(bad))]
            if allowed:
                self._write(identity, allowed)
        if identity not in self._told and len(self._told) < 1000:
            self._told.add(identity)
            _LOG.warning("%s: lines refused, first because: %s; see %s", identity, bad[0].reason, self.path)

    def _allowance(self, identity: Identity, wanted: int) -> int:
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._written.clear()
        allowed = max(0, min(wanted, _PER_NODE_PER_S - self._written[identity]))
        self._written[identity] += allowed
        return allowed

    def _write(self, identity: Identity, bad: Sequence[Bad]) -> None:
        now = time.time_ns()
        rows = [
            {
                "time_ns": now,
                "site": identity.site,
                "node": identity.node,
                "reason": reason,
                "line": line[:_LINE_MAX_BYTES].decode("utf-8", "backslashreplace"),
            }
            for line, reason in bad
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > _FILE_MAX_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            with self.path.open("ab") as file:
                file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        except OSError as error:
            _LOG.error("dead letters cannot be written to %s: %s", self.path, error)


def _class(reason: str) -> str:
    """A reason without what differs from case to case, so that the counters stay few."""
    return reason.partition(" '")[0].partition(":")[0][:60]
