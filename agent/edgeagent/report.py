"""How a part of the agent tells people what happened: a line in the log, an event on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from edgeagent_sdk.messages import Severity


class Report(Protocol):
    """`kind` is a word for programs, `message` one line for people: what, where, why, what to do.

    `age_s` is how long ago it happened; `data` tells programs what `message` tells people.
    """

    def __call__(
        self,
        kind: str,
        message: str,
        severity: Severity = Severity.INFO,
        *,
        device: str = "",
        channel: str = "",
        age_s: float = 0.0,
        data: Mapping[str, Any] | None = None,
    ) -> None: ...
