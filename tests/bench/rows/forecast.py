"""The built-in models on real data: how good forecasts are, whether intervals hold, what it costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent.drivers.model.runtime import NotYet, Setup
from edgeagent.models.anomaly import Anomaly
from edgeagent.models.forecast import Forecast, Served
from edgeagent.models.forecaster import Forecaster, Shape
from edgeagent.models.online import Online
from tests.bench.table import Bench, Figure, at_most, row
from tests.unit.agent.models.series import CHANNELS, machine

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]

_DATA = Path(__file__).parents[4] / "shared" / "data"
_DAY_H = 24


@row
def forecast_ett(bench: Bench) -> Iterator[Figure]:
    """ETTh1, horizon 96, as the published linear models are judged; its file is named by ETT_CSV.

    12, 4 and 4 months of 30 days for training, validation and test, standardised by the training part; every
    window of the test part counts. How far back it looks is chosen by the validation part; all else
    it chooses by itself.
    """
    path = os.environ.get("ETT_CSV")
    if not path:
        return
    series = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 8)).T
    months = [month * 30 * _DAY_H for month in (12, 16, 20)]
    train, validation, test = (slice(a, b) for a, b in pairwise([0, *months]))
    series = _standardised(series, train)
    horizon = 96
    fits = {lags: _fitted(series[:, train], lags, horizon) for lags in (96, 192, 336, 512, 720)}
    judged = {lags: _errors(series, validation, lags, horizon, _served(fits[lags])).mse for lags in fits}
    lags = min(judged, key=lambda lags: judged[lags])
    ours = _errors(series, test, lags, horizon, _served(fits[lags]))
    last = _errors(series, test, lags, horizon, lambda window: np.repeat(window[:, -1:], horizon, axis=1))
    season = _errors(
        series, test, lags, horizon, lambda window: np.tile(window[:, -_DAY_H:], horizon // _DAY_H)
    )
    note = (
        f"onnxruntime on the file that the node makes; {lags} lags, by the validation part's MSE "
        + ", ".join(f"{mse:.3f} ({each})" for each, mse in judged.items())
    )
    peers = {"the day before": season.mse, "last value": last.mse}
    yield Figure("ETTh1, 96 h ahead: MSE", ours.mse, "", at_most(0.370), peers, note)
    yield Figure(
        "ETTh1, 96 h ahead: MAE", ours.mae, "", None, {"the day before": season.mae, "last value": last.mae}
    )


class _Errors(NamedTuple):
    mse: float
    mae: float


def _standardised(series: Array, train: slice) -> Array:
    part = series[:, train]
    scaled: Array = (series - np.nanmean(part, 1, keepdims=True)) / np.nanstd(part, 1, keepdims=True)
    return scaled


def _fitted(series: Array, lags: int, horizon: int) -> Forecaster:
    """Fitted as on a node, by blocks; a month each."""
    forecaster = Forecaster(Shape(len(series), lags, horizon, every=30 * _DAY_H))
    forecaster.learn(series)
    return forecaster


def _served(forecaster: Forecaster) -> Served:
    served = Served()
    served.renew(forecaster.weights, np.zeros((forecaster.shape.channels, forecaster.shape.horizon)))
    return served


def _errors(series: Array, part: slice, lags: int, horizon: int, predict: Predict) -> _Errors:
    """Over every window whose future lies in `part`."""
    squares, sizes = [], []
    for at in range(part.start, part.stop - horizon + 1):
        error = predict(series[:, at - lags : at]) - series[:, at : at + horizon]
        squares.append(np.square(error).mean())
        sizes.append(np.abs(error).mean())
    return _Errors(float(np.mean(squares)), float(np.mean(sizes)))


class _Trace(NamedTuple):
    """A real trace, and how it is forecast."""

    name: str
    path: str
    columns: tuple[str, ...]
    shape: tuple[int, int, int]
    season: int
    season_name: str


_REGIONS = ("DE-LU", "AU-NSW", "ZA", "KR")

_TRACES = (
    _Trace(
        "heat of 25 CDUs every 15 s, 10 min ahead",
        "liquid_cooling/cdu_power_16h.csv",
        tuple(f"cdu{n}_power_w" for n in range(1, 26)),
        (120, 40, 120),
        240,
        "an hour before",
    ),
    *(
        _Trace(
            f"temperature of {region}, 24 h ahead",
            f"regions_2023/{region}.csv",
            ("temperature_c",),
            (168, 24, 168),
            _DAY_H,
            "the day before",
        )
        for region in _REGIONS
    ),
)


@row
def forecast_traces(bench: Bench) -> Iterator[Figure]:
    """Real traces as a node meets them: learned from the first value on, judged on the last fifth."""
    for trace in _TRACES:
        if (_DATA / trace.path).exists():
            yield from _traced(trace)


def _traced(trace: _Trace) -> Iterator[Figure]:
    with (_DATA / trace.path).open() as file:
        header = file.readline().strip().split(",")
        columns = [header.index(column) for column in trace.columns]
        series = np.genfromtxt(file, delimiter=",", usecols=columns, ndmin=2).T
    samples = series.shape[1]
    judged = samples - samples // 5
    series = _standardised(series, slice(0, judged))
    lags, horizon, every = trace.shape
    online = Online(Shape(len(series), lags, horizon, every))
    ours, last, season = [], [], []
    for at in range(samples):
        online.take(series[:, at])
        expected = online.ahead().expected
        if at == judged:
            online.bands.missed[:] = online.bands.judged[:] = 0.0
        if judged <= at < samples - horizon:
            future = series[:, at + 1 : at + 1 + horizon]
            back = series[:, at + 1 - trace.season : at + 1 - trace.season + horizon]
            ours.append(np.nanmean(np.square(expected - future)))
            last.append(np.nanmean(np.square(series[:, at : at + 1] - future)))
            season.append(np.nanmean(np.square(back - future)))
    share = 100.0 * float(1.0 - online.bands.missed.sum() / online.bands.judged.sum())
    mse = float(np.nanmean(ours))
    peers = {"last value": float(np.nanmean(last)), trace.season_name: float(np.nanmean(season))}
    note = f"{lags} lags, refitted every {every} values; of standardised values"
    yield Figure(f"{trace.name}: MSE", mse, "", at_most(min(peers.values())), peers, note)
    yield Figure(
        f"{trace.name}: distance of the intervals' coverage from 90 %",
        abs(share - 90.0),
        "points",
        at_most(3),
        note=f"{share:.1f} % of {online.bands.judged.sum():,.0f} values, all steps ahead together",
    )


@row
def forecast_cost(bench: Bench) -> Iterator[Figure]:
    """What the built-in models take of a core at 10 Hz, with all that they learn meanwhile."""
    samples = machine(round(3000 * bench.seconds) + 600, seed=1)
    clock = iter(range(10**9))
    setup = Setup(CHANNELS, 1, 1.0, {}, str(bench.directory / "model"))
    for name, model, target in (
        ("forecast, 30 steps from 60", Forecast(setup, lambda: float(next(clock))), at_most(3)),
        ("anomaly", Anomaly(setup, lambda: float(next(clock))), at_most(3)),
    ):
        _feed(model, samples[:, :600])
        begun_s = time.process_time()
        slowest_s = _feed(model, samples[:, 600:])
        each_s = (time.process_time() - begun_s) / (samples.shape[1] - 600)
        yield Figure(
            f"built-in {name}: CPU at 10 Hz, four channels",
            1e3 * each_s,
            "% of a core",
            target,
            note=f"{1e6 * each_s:.0f} µs a sample, {1e3 * slowest_s:.1f} ms when it refits",
        )


def _feed(model: Forecast | Anomaly, samples: Array) -> float:
    """One sample after the other; the longest CPU time of one."""
    slowest_s = 0.0
    for sample in samples.T:
        begun_s = time.process_time()
        try:
            model.run([sample[None, None]])
        except NotYet:
            continue
        slowest_s = max(slowest_s, time.process_time() - begun_s)
    return slowest_s
