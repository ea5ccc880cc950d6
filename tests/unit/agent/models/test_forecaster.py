"""The forecaster: ridge in closed form, sums that forget, and the choice that its own errors make."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.models.forecaster import Forecaster, Shape
from edgeagent.models.moments import Moments, loss, ridge
from edgeagent.models.online import Online, bridged

SEEDS = st.integers(0, 2**32 - 1)


def walk(channels: int, samples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, samples)).cumsum(axis=1)


def windows(series: np.ndarray, lags: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """One channel's windows and futures, one by one, both from the window's last value."""
    rows = [
        series[at : at + lags + horizon] - series[at + lags - 1]
        for at in range(len(series) - lags - horizon + 1)
    ]
    whole = np.array([row for row in rows if np.isfinite(row).all()]).reshape(-1, lags + horizon)
    return whole[:, :lags], whole[:, lags:]


@given(SEEDS, st.integers(2, 9), st.integers(1, 5), st.sampled_from([1e-3, 0.1, 1.0]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_ridge_solves_the_normal_equations(seed: int, lags: int, horizon: int, strength: float) -> None:
    series = walk(2, 80, seed)
    weights = ridge(Moments.of(series, lags, horizon), [strength])[0]
    for channel in range(2):
        x, y = windows(series[channel], lags, horizon)
        stiff = x.T @ x + strength * np.trace(x.T @ x) / lags * np.eye(lags)
        np.testing.assert_allclose(stiff @ weights[channel], x.T @ y, rtol=1e-7, atol=1e-7)


@given(SEEDS, st.integers(2, 6), st.integers(1, 4))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_loss_from_sums_is_that_of_the_errors(seed: int, lags: int, horizon: int) -> None:
    series = walk(1, 60, seed)
    weights = np.random.default_rng(seed).normal(size=(1, lags, horizon))
    x, y = windows(series[0], lags, horizon)
    errors = ((y - x @ weights[0]) ** 2).sum(axis=0)
    np.testing.assert_allclose(loss(Moments.of(series, lags, horizon), weights)[0], errors, rtol=1e-7)


@given(SEEDS, st.lists(st.integers(1, 30), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_block_by_block_is_all_at_once(seed: int, sizes: list[int]) -> None:
    series = walk(2, sum(sizes), seed)
    shape = Shape(2, 4, 3, every=10)
    forecaster = Forecaster(shape)
    for block in np.split(series, np.cumsum(sizes)[:-1], axis=1):
        forecaster.learn(block)
    taken = int(forecaster.fits) * shape.every
    whole = Moments.of(series[:, : taken + 6], 4, 3) if taken else Moments.none(2, 4, 3)
    np.testing.assert_allclose(forecaster.moments.gram, whole.gram, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(forecaster.moments.cross, whole.cross, rtol=1e-9, atol=1e-9)


@given(SEEDS, st.sets(st.integers(0, 59), max_size=6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_windows_with_gaps_do_not_count(seed: int, gaps: set[int]) -> None:
    series = walk(1, 60, seed)
    series[0, sorted(gaps)] = np.nan
    x, y = windows(series[0], 4, 2)
    moments = Moments.of(series, 4, 2)
    assert moments.count[0] == len(x)
    np.testing.assert_allclose(moments.gram[0], x.T @ x, atol=1e-9)
    np.testing.assert_allclose(moments.cross[0], x.T @ y, atol=1e-9)


def test_without_knowledge_the_last_value_goes_on() -> None:
    forecaster = Forecaster(Shape(2, 3, 4, every=10))
    ahead = forecaster.forecast(np.array([[1.0, 2.0, 5.0], [7.0, 8.0, 6.0]]))
    np.testing.assert_array_equal(ahead, [[5.0] * 4, [6.0] * 4])


def test_a_wave_is_forecast_and_noise_is_not_fitted() -> None:
    rng = np.random.default_rng(1)
    time = np.arange(3000)
    series = np.stack([10 * np.sin(time / 9) + 0.1 * rng.normal(size=3000), rng.normal(size=3000).cumsum()])
    forecaster = Forecaster(Shape(2, 40, 20, every=200))
    forecaster.learn(series[:, :2500])
    wave, walking = (
        loss(Moments.of(series[c : c + 1, 2400:], 40, 20), forecaster.weights[c])[0] for c in (0, 1)
    )
    moved = Moments.of(series[:, 2400:], 40, 20)
    assert math.sqrt(wave[-1] / moved.count[0]) < 0.25
    # Nothing beats the last value of a random walk; fitting noise must cost next to nothing.
    assert walking.sum() < 1.05 * moved.energy[1].sum()


def test_what_changes_is_learned_anew() -> None:
    time = np.arange(4000)
    series = np.where(time < 2000, np.sin(time / 5), np.sin(time / 12))[None]
    forecaster = Forecaster(Shape(1, 20, 5, every=100, memory=400.0))
    forecaster.learn(series)
    late = Moments.of(series[:, 3900:], 20, 5)
    assert loss(late, forecaster.weights[0]).sum() < 0.01 * late.energy.sum()


def test_a_constant_channel_and_one_without_values_are_no_trouble() -> None:
    series = np.stack([np.full(200, 21.5), np.full(200, np.nan), walk(1, 200, 3)[0]])
    forecaster = Forecaster(Shape(3, 5, 3, every=20))
    forecaster.learn(series)
    ahead = forecaster.forecast(bridged(series[:, -5:]))
    np.testing.assert_array_equal(ahead[0], [21.5] * 3)
    assert np.isfinite(ahead).all()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, np.nan, 3], [1, 1, 3]),
        ([np.nan, np.nan, 3], [3, 3, 3]),
        ([1, np.nan, np.nan], [1, 1, 1]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
    ],
)
def test_gaps_are_bridged(values: list[float], wanted: list[float]) -> None:
    np.testing.assert_array_equal(bridged(np.array([values], float))[0], wanted)


def test_errors_are_those_of_the_forecasts_made_so_many_steps_before() -> None:
    online = Online(Shape(1, 3, 4, every=1000))
    for at in range(20):
        online.take(np.array([float(at)]))
        if at >= 4:  # the last value goes on: after so many steps it is so far behind
            np.testing.assert_array_equal(online.errors, [[1.0, 2.0, 3.0, 4.0]])
        online.ahead()
    online.skip(2)
    online.take(np.array([50.0]))
    np.testing.assert_array_equal(online.errors, [[np.nan, np.nan, 31.0, 32.0]])
