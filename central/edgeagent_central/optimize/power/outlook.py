"""How a domain's demand goes on over the horizon: its level and damped trend, with an upper quantile.

Holt's linear method with a damped trend (Gardner, McKenzie, Management Science 31(10), 1985); what it
missed by before, at each lead, widens it (split conformal prediction over the last errors).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.tree import Array

_LEVEL, _TREND, _DAMPED = 0.5, 0.05, 0.95
_ERRORS: Final = 240
_QUANTILE: Final = 0.9


class Outlook:
    """Of d totals, asked once a second.

    Args:
        leads_s: how far ahead.
    """

    def __init__(self, totals: int, leads_s: Sequence[float]) -> None:
        self._leads = [max(1, round(lead_s)) for lead_s in leads_s]
        self._damping = np.array([sum(_DAMPED**k for k in range(1, lead + 1)) for lead in self._leads])
        self._level = np.full(totals, np.nan)
        self._trend = np.zeros(totals)
        self._promised: deque[Array] = deque(maxlen=self._leads[-1])
        self._errors: list[deque[Array]] = [deque(maxlen=_ERRORS) for _ in self._leads]

    def observe(self, total: Array) -> None:
        """The totals of this second; shape (d,)."""
        for place, lead in enumerate(self._leads):
            if lead <= len(self._promised):
                self._errors[place].append(total - self._promised[-lead][:, place])
        level = np.where(np.isnan(self._level), total, self._level)
        expected = level + _DAMPED * self._trend
        self._level = expected + _LEVEL * (total - expected)
        self._trend = _DAMPED * self._trend + _TREND * (self._level - expected)
        self._promised.append(self._mean())

    def upper(self) -> Array:
        """What is not passed in 9 of 10 cases, at each lead; shape (d, leads)."""
        upper = self._mean()
        for place, errors in enumerate(self._errors):
            if errors:
                rank = int(_QUANTILE * len(errors))
                upper[:, place] += np.partition(np.stack(errors), rank, axis=0)[rank]
        return np.maximum(upper, 0.0)

    def _mean(self) -> Array:
        ahead: Array = self._level[:, None] + self._trend[:, None] * self._damping
        return ahead
