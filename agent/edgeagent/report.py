"""How a part of the agent tells people what happened: a line in the log, an event on the wire."""

from __future__ import annotations

from typing import Protocol

from edgeagent_sdk.messages import Severity


class Report(Protocol):
    """`kind` is a word for programs, `message` one line for people: what, where, why, what to do."""

    def __call__(
        self,
        kind: str,
        message: str,
        severity: Severity = Severity.INFO,
        *,
        device: str = "",
        channel: str = "",
    ) -> None: ...
