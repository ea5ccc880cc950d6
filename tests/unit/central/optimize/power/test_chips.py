"""The law of a chip is learned from what its clock does under its caps."""

from __future__ import annotations

import numpy as np
import pytest

from edgeagent_central.optimize.power.chips import Chips

_EXPONENTS = np.array([1.8, 2.1, 2.4, 2.9])
_WANTED = 0.9


def _learned(noise: float, seconds: int = 300) -> Chips:
    """After a time under caps that wander, with a demand that is not quite constant."""
    rng, chips, cap = np.random.default_rng(5), Chips(len(_EXPONENTS)), np.full(len(_EXPONENTS), 0.5)
    for _ in range(seconds):
        cap = np.clip(cap + rng.normal(0.0, 0.02, len(cap)), 0.35, 0.7)
        wanted = _WANTED * rng.normal(1.0, noise, len(cap))
        clock = np.minimum(cap / wanted, 1.0) ** (1 / _EXPONENTS)
        chips.observe(cap, clock, clock < 1.0)
    return chips


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_each_has_its_own(noise: float) -> None:
    chips = _learned(noise)
    at = np.full(len(_EXPONENTS), 0.8)
    assert chips.power_share(at) == pytest.approx(at**_EXPONENTS, rel=0.03)
    assert chips.clock_for(chips.power_share(at)) == pytest.approx(at)


def test_restless_demand_teaches_nothing() -> None:
    at = np.full(len(_EXPONENTS), 0.8)
    assert _learned(0.2).power_share(at) == pytest.approx(Chips(len(_EXPONENTS)).power_share(at))


def test_before_anything_is_told_all_are_alike() -> None:
    share = Chips(2).power_share(np.array([0.7, 0.7]))
    assert share[0] == share[1]
    assert 0.7**2.9 < share[0] < 0.7**1.8
