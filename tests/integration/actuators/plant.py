"""An actuator with the device behind it, seen and meddled with from its other side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Plant:
    """One actuator.

    Args:
        driver: and its `options`; `host_root` is where it looks.
        actuator: its name.
        found: what it is at at first; `low` and `high` are two values that it can be lent.
        beyond: one above its limits, of which `maximum` becomes.
        see: what it is at now, by the device itself.
        meddle: another hand; `relent` takes it away where it would stay.
        cut: nothing of ours reaches the device any more, until `mend`.
        keeps: it keeps what it is told; else it falls back by itself.
        environment: what the agent's process needs to find it.
    """

    driver: str
    options: dict[str, Any]
    actuator: str
    found: float
    low: float
    high: float
    maximum: float
    see: Callable[[], float]
    meddle: Callable[[float], None]
    cut: Callable[[], None]
    mend: Callable[[], None]
    relent: Callable[[], None] = _nothing
    keeps: bool = True
    host_root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> str:
        """Its ``[[device]]``."""
        keys = {"name": name, "driver": self.driver, "interval_s": 0.1, "stale_after_s": 1.0} | self.options
        return "[[device]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
