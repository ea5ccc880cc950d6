"""Hints of workloads, as the configuration wants them taken in: what `Host.hints` gives to drivers."""

from __future__ import annotations

import os
from pathlib import Path

from edgeagent.config import HintsConfig
from edgeagent.hints.receiver import Receiver
from edgeagent.report import Report
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Session
from edgeagent_sdk.messages import Severity


class Hints:
    """The receiver that there is, if there is one. A machine without hints is governed by its utilization.

    Args:
        state_dir: where the socket is, if neither the configuration nor systemd has another place for it.
    """

    def __init__(self, state_dir: Path, report: Report) -> None:
        self._directory = Path(os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or state_dir)
        self._report = report
        self._config: HintsConfig | None = None
        self._receiver: Receiver | None = None
        #: What receivers that have ended had counted.
        self._taken = self._garbage = 0

    @property
    def taken(self) -> int:
        """So many reports were understood."""
        return self._taken + (self._receiver.taken if self._receiver else 0)

    @property
    def garbage(self) -> int:
        """So many datagrams were no reports, or found no room."""
        return self._garbage + (self._receiver.garbage if self._receiver else 0)

    def __call__(self, reader: object) -> tuple[Session, ...]:
        """Every session, with what its units did since this reader's last call; from any thread."""
        receiver = self._receiver  # taken once: another thread may stop it at any moment
        return receiver.drain(reader) if receiver else ()

    def apply(self, config: HintsConfig) -> None:
        """Take them in as the configuration says. Where that cannot be, it is told, and all else goes on."""
        if config == self._config:
            return
        self.stop()
        self._config = config
        if not config.enabled:
            return
        path = Path(config.socket) if config.socket else self._directory / "hints"
        try:
            self._receiver = Receiver(path, int(config.mode, 8), self._report)
        except EdgeError as error:
            self._report("hints-unavailable", f"no hints are taken in: {error}", Severity.WARNING)
        else:
            self._receiver.start()

    def stop(self) -> None:
        """Take no more in."""
        receiver, self._receiver, self._config = self._receiver, None, None
        if receiver:
            receiver.stop()
            self._taken += receiver.taken
            self._garbage += receiver.garbage
