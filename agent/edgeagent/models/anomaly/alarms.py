"""Alarms that begin once and end once, however long and however often a channel passes its bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.anomaly.check import Check
from edgeagent.models.anomaly.words import Words
from edgeagent.models.moments import Array


class Change(NamedTuple):
    """An alarm that begins or ends, in words.

    Args:
        kind: what it is about: ``jump``, ``drift``, ``stuck`` or ``relation``.
    """

    channel: int
    kind: str
    began: bool
    message: str


class Alarms:
    """At most one alarm for each channel: what was found first stands until all is quiet.

    Args:
        quiet: samples without a finding that end an alarm.
        patience: samples after which what goes on is taken as normal.
    """

    def __init__(self, words: Words, checks: dict[str, Check], *, quiet: int, patience: int) -> None:
        self._words, self._checks = words, checks
        self._quiet, self.patience = quiet, patience
        self._kind: list[str] = [""] * len(words)
        self._age = np.zeros(len(words), dtype=int)
        self._calm = np.zeros(len(words), dtype=int)

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Which channels have no alarm."""
        return np.array([not kind for kind in self._kind])

    def judge(self, ratios: dict[str, Array]) -> Sequence[Change]:
        """What begins and ends with the ratios of the checks."""
        changes = []
        found = np.max(list(ratios.values()), axis=0) >= 1.0
        for channel in np.flatnonzero(found | ~self.normal):
            changes += self._judge(int(channel), ratios, bool(found[channel]))
        return changes

    def _judge(self, channel: int, ratios: dict[str, Array], found: bool) -> list[Change]:
        name = self._words.name(channel)
        if not self._kind[channel]:
            kind = next(kind for kind, ratio in ratios.items() if ratio[channel] >= 1.0)
            self._kind[channel], self._age[channel], self._calm[channel] = kind, 0, 0
            return [Change(channel, kind, True, f"{name} {self._checks[kind].why(channel)}")]
        self._age[channel] += 1
        self._calm[channel] = 0 if found else self._calm[channel] + 1
        kind, lasted = self._kind[channel], int(self._age[channel])
        if self._calm[channel] >= self._quiet:
            self._kind[channel] = ""
            time = self._words.time(lasted - self._quiet + 1)
            return [Change(channel, kind, False, f"{name} is as expected again, after {time}")]
        if lasted >= self.patience:
            self._kind[channel] = ""
            for check in self._checks.values():
                check.accept(channel)
            message = f"{name} goes on so for {self._words.time(lasted)}: taken as normal from now on"
            return [Change(channel, kind, False, message)]
        return []
