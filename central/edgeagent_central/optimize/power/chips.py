"""The law of each leaf's chip: its power above idle grows with a power of its clock.

Dynamic power of CMOS is f·V², and V rises with f, on some chips hardly and on others nearly in proportion:
exponents lie between 1.8 and 2.9. A leaf that is held at a cap tells its own: each time its cap moves, its
clock follows. The inverse of the exponent is the slope of log clock against log power, around the mean of
both over the last half minute, by ridge regression: what is not yet told is as with most chips. Where the
demand is restless nothing is learned: caps follow it, so a moving clock tells of the demand instead.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent_central.optimize.power.tree import Array, Flags

#: One over the exponent: of most chips, how far they differ (standard deviation), and within what.
_INVERSE: Final = 1 / 2.4
_SPREAD: Final = 0.06
_WITHIN: Final = (1 / 3.2, 1 / 1.6)

#: Means count half after so many seconds; what was learned of the slope, and its noise, after so many.
_KEEP_MEAN: Final = 0.5 ** (1 / 30)
_KEEP: Final = 0.5 ** (1 / 600)
_KEEP_NOISE: Final = 0.5 ** (1 / 60)

#: A clock that is off by more than this share, as far as power explains it: another job runs now.
_JUMP: Final = 0.15

#: What power does not explain of the clock, before it is seen; above so much the demand is restless.
_NOISE: Final = 0.015
_RESTLESS: Final = 0.02


class Chips:
    """The exponents of n leaves."""

    def __init__(self, leaves: int) -> None:
        self._inverse = np.full(leaves, _INVERSE)
        self._power, self._clock, self._seen = np.zeros(leaves), np.zeros(leaves), np.zeros(leaves)
        self._square, self._product = np.zeros(leaves), np.zeros(leaves)
        self._noise = np.full(leaves, _NOISE**2)

    def power_share(self, clock: Array) -> Array:
        """Power above idle at a clock, as a share of that at the highest; shape (n,)."""
        share: Array = clock ** (1.0 / self._inverse)
        return share

    def clock_for(self, share: Array) -> Array:
        """The clock at which a leaf draws `share` of what it wants above idle; shape (n,)."""
        clock: Array = share**self._inverse
        return clock

    def observe(self, share: Array, clock: Array, tells: Flags) -> None:
        """Take in a second.

        Args:
            share: shape (n,), power above idle as a share of the range.
            clock: shape (n,), as a share of the highest.
            tells: shape (n,), whose clock is as its cap makes it.
        """
        power, clock = np.log(np.maximum(share, 1e-3)), np.log(clock)
        moved, followed = power - self._power, clock - self._clock
        missed = followed - self._inverse * moved
        goes_on = tells & (self._seen > 0) & (np.abs(missed) < _JUMP)
        # The mean of few is off by as much as they are: what is told against it counts less.
        weight = np.where(goes_on, self._seen / (1.0 + self._seen), 0.0)
        self._square = _KEEP * self._square + weight * moved**2
        self._product = _KEEP * self._product + weight * moved * followed
        self._noise += (1.0 - _KEEP_NOISE) * weight * (missed**2 - self._noise)
        doubt = self._noise / _SPREAD**2
        inverse = (doubt * _INVERSE + self._product) / (doubt + self._square)
        self._inverse = np.where(self._noise < _RESTLESS**2, np.clip(inverse, *_WITHIN), _INVERSE)
        self._seen = np.where(goes_on, _KEEP_MEAN * self._seen + 1.0, tells * 1.0)
        step = 1.0 / np.maximum(self._seen, 1.0)
        self._power += np.where(tells, step * moved, 0.0)
        self._clock += np.where(tells, step * followed, 0.0)
