"""What every check of the detector is: it weighs a sample, and can say in words what it found."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.moments import Array


class Sample(NamedTuple):
    """One moment, as the checks see it; each array has one value for each channel.

    Args:
        values: NaN where there is none.
        expected: forecast of them one step before; NaN if there was none.
        margin: half the width of that forecast's interval.
        far_errors: of the forecast made `horizon` steps before.
        far_margin: half the width of that one's interval.
        normal: whether the channel is outside of any alarm.
        blamed: whether it is in one, or an earlier check has found something at this very moment.
    """

    values: Array
    expected: Array
    margin: Array
    far_errors: Array
    far_margin: Array
    normal: NDArray[np.bool_]
    blamed: NDArray[np.bool_]


class Check(Protocol):
    """One kind of anomaly."""

    def weigh(self, sample: Sample) -> Array:
        """How far each channel is towards this anomaly: 1 and more is one. Learns from it if it is normal."""
        ...

    def why(self, channel: int) -> str:
        """What the last sample of `channel` shows, in words that follow its name."""
        ...

    def accept(self, channel: int) -> None:
        """What `channel` does is normal from now on."""
        ...
