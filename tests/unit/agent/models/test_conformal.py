"""Intervals hold what they promise, on errors that keep still and on errors that do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.models.conformal import Bands
from edgeagent.models.forecaster import Shape
from edgeagent.models.online import Online

_SAMPLES = 2000

SCALES: dict[str, Callable[[int], float]] = {
    "stationary": lambda t: 1.0,
    "growing": lambda t: 1.0 + t / 500,
    "a jump to five times": lambda t: 1.0 if t < 1000 else 5.0,
    "swelling and ebbing": lambda t: 1.5 + np.sin(t / 200),
    "exploding": lambda t: 1.003**t,
    "shrinking": lambda t: 0.999**t,
}


@pytest.mark.parametrize(
    ("scale", "miss"), [*((scale, 0.1) for scale in SCALES), ("growing", 0.05), ("growing", 0.2)]
)
def test_coverage(scale: str, miss: float) -> None:
    rng = np.random.default_rng(7)
    bands = Bands((2, 3), miss=miss)
    for at in range(_SAMPLES):
        bands.learn(rng.standard_t(4, size=(2, 3)) * SCALES[scale](at))
    np.testing.assert_allclose(bands.missed / bands.judged, miss, atol=0.015)


def test_a_fixed_level_does_not_hold_on_errors_that_grow() -> None:
    """What the adaptive level is for."""
    rng = np.random.default_rng(7)
    bands = Bands((2, 3), gain=0.0)
    for at in range(_SAMPLES):
        bands.learn(rng.normal(size=(2, 3)) * SCALES["exploding"](at))
    assert (bands.missed / bands.judged > 0.15).all()


@given(st.lists(st.floats(0, 1e6), min_size=19, max_size=60), st.sampled_from([0.1, 0.25]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_margin_is_the_split_conformal_quantile(errors: list[float], miss: float) -> None:
    bands = Bands((1, 1), miss=miss, gain=0.0)
    bands.errors[0, 0, : len(errors)] = errors
    bands.restore()
    rank = int(np.ceil((len(errors) + 1) * (1 - miss)))
    assert bands.ready.all()
    assert bands.margin[0, 0] == sorted(errors)[min(rank, len(errors)) - 1]


def test_without_errors_the_interval_has_no_end() -> None:
    bands = Bands((2, 2))
    assert np.isinf(bands.margin).all() and not bands.ready.any()
    for _ in range(20):
        bands.learn(np.array([[1.0, np.nan], [2.0, 3.0]]))
    np.testing.assert_array_equal(bands.margin, [[1.0, np.inf], [2.0, 3.0]])
    assert bands.ready.tolist() == [False, True]


def test_forecasts_of_a_drifting_series_are_covered_at_every_step() -> None:
    """The whole: a series whose noise and slope change, forecast and refitted as it comes."""
    rng = np.random.default_rng(3)
    time = np.arange(2000)
    noise = rng.normal(size=(2, 2000)) * (1 + time / 500)
    series = 20 * np.sin(time / 50) + np.where(time > 1000, 0.04, 0.0) * (time - 1000) + noise
    online = Online(Shape(2, 30, 8, every=200, memory=2000.0))
    for at in range(2000):
        online.take(series[:, at])
        online.ahead()
    np.testing.assert_allclose(online.bands.missed / online.bands.judged, 0.1, atol=0.02)
