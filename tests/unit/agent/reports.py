"""A `Report` that keeps what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeagent_sdk.messages import Severity


class Reports:
    """Stands where the agent's own report would: the kinds and the messages, in order."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.messages: list[str] = []

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
    ) -> None:
        self.kinds.append(kind)
        self.messages.append(message)
