"""Whether channels behave as they did: jumps, drifts, stuck sensors, lost relations; and how far from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeagent.models.anomaly.alarms import Alarms, Change
from edgeagent.models.anomaly.check import Check, Sample
from edgeagent.models.anomaly.drift import Drift
from edgeagent.models.anomaly.jump import Jump
from edgeagent.models.anomaly.relation import Relation
from edgeagent.models.anomaly.stuck import Stuck
from edgeagent.models.anomaly.words import Words
from edgeagent.models.forecaster import Shape
from edgeagent.models.moments import Array
from edgeagent.models.online import Online

_LAGS: Final = 24
_HORIZON: Final = 12
_EVERY: Final = 100
_MEMORY: Final = 5000.0

#: A score says no more than this.
_SCORE_MAX: Final = 100.0


class Detector:
    """Learns channels as they come, and tells what is unlike them.

    Args:
        channels: ``device/quantity/name``.
        step_s: from one sample to the next.
        risk: how likely one check of one sample may be to alarm for nothing.
        quiet, patience: see `Alarms`.
    """

    def __init__(
        self,
        channels: Sequence[str],
        step_s: float,
        *,
        risk: float = 1e-6,
        quiet: int = 30,
        patience: int = 600,
    ) -> None:
        self.words = Words(channels, step_s)
        self.online = Online(Shape(len(channels), _LAGS, _HORIZON, _EVERY, _MEMORY))
        self._jump = Jump(self.words, risk)
        self._checks: dict[str, Check] = {
            "stuck": Stuck(self.words, risk),
            "jump": self._jump,
            "relation": Relation(self.words, risk),
            "drift": Drift(self.words, _HORIZON),
        }
        self.alarms = Alarms(self.words, self._checks, quiet=quiet, patience=patience)
        self._margin: Array = np.full((len(channels), _HORIZON), np.inf)

    @property
    def ready(self) -> bool:
        """Whether enough was seen to know what is normal, of one channel at least."""
        return self._jump.ready

    def skip(self, samples: int) -> None:
        """Let time pass of which nothing is known."""
        self.online.skip(samples)

    def look(self, values: Array) -> tuple[Array, Sequence[Change]]:
        """The score of each channel, 1 and more in an alarm, and the alarms that begin or end.

        Args:
            values: one for each channel, NaN where there is none.
        """
        normal = self.alarms.normal
        self.online.take(values, np.where(normal, values, np.nan))
        errors = self.online.errors
        sample = Sample(
            values,
            expected=values - errors[:, 0],
            margin=self._margin[:, 0],
            far_errors=errors[:, -1],
            far_margin=self._margin[:, -1],
            normal=normal,
            blamed=~normal,
        )
        ratios = {}
        for kind, check in self._checks.items():
            ratios[kind] = check.weigh(sample)
            sample = sample._replace(blamed=sample.blamed | (ratios[kind] >= 1.0))
        changes = self.alarms.judge(ratios)
        self._margin = self.online.ahead().margin
        return np.max(list(ratios.values()), axis=0).clip(0.0, _SCORE_MAX), changes
