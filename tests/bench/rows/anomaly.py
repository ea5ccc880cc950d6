"""The built-in detector: how often it alarms for nothing, and how soon for something."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.anomaly.detector import Detector
from tests.bench.table import Bench, Figure, at_most, row
from tests.unit.agent.models.series import CHANNELS, FAULTS, Injected, machine

Array = NDArray[np.float64]

_DATA = Path(__file__).parents[4] / "shared" / "data"
_LEARNT, _WATCHED = 3000, 300
_SEEDS = (11, 12, 13)


@row
def anomaly_faults(bench: Bench) -> Iterator[Figure]:
    """Faults put into a made-up machine's channels: samples until the alarm, and alarms for each."""
    traces = {seed: machine(_LEARNT + _WATCHED, seed) for seed in _SEEDS}
    learnt = {}
    for seed, trace in traces.items():
        learnt[seed] = Detector(CHANNELS, 1.0)
        _alarms(learnt[seed], trace[:, :_LEARNT])
    for fault in FAULTS:
        delays, kinds, counts = [], set(), []
        for seed, trace in traces.items():
            began = _alarms(copy.deepcopy(learnt[seed]), _with(fault, trace))
            delays.append(began[0][0] if began else _WATCHED)
            kinds |= {began[0][1]} if began else {"not found"}
            counts.append(len(began))
        yield Figure(
            f"{fault.name}: samples until the alarm",
            median(delays),
            "",
            at_most(_WATCHED - 1),
            note=f"found as {' or '.join(sorted(kinds))}; {delays} in the machines, alarms {counts}",
        )


@row
def anomaly_clean(bench: Bench) -> Iterator[Figure]:
    """Alarms on clean traces, made up and real: what nobody put into them is found all the same."""
    samples = round(20_000 * bench.seconds)
    yield _quiet("a made-up machine", Detector(CHANNELS, 1.0), machine(samples, seed=1))
    path = _DATA / "liquid_cooling/cdu_power_16h.csv"
    if path.exists():
        heat = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 7)).T
        names = [f"cdu{n}/power/heat" for n in range(1, 7)]
        yield _quiet("heat of 6 CDUs every 15 s", Detector(names, 15.0), heat)
    path = _DATA / "regions_2023/DE-LU.csv"
    if path.exists():
        weather = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(4,), ndmin=2).T
        yield _quiet("a year of hourly temperature", Detector(["de/temperature/air"], 3600.0), weather)


def _quiet(name: str, detector: Detector, trace: Array) -> Figure:
    began = _alarms(detector, trace)
    values = trace.size
    kinds = ", ".join(f"{kind} at {at}" for at, kind in began) or "none"
    return Figure(
        f"{name}: alarms per 10,000 values",
        1e4 * len(began) / values,
        "",
        note=f"{len(began)} in {values:,} values, the learning included: {kinds}",
    )


def _with(fault: Injected, trace: Array) -> Array:
    watched = trace[:, _LEARNT:].copy()
    other = trace[fault.channel, 1000 : 1000 + _WATCHED]
    watched[fault.channel] = fault.make(watched[fault.channel], other)
    return watched


def _alarms(detector: Detector, trace: Array) -> list[tuple[int, str]]:
    """When alarms begin, and of which kind."""
    return [
        (at, change.kind)
        for at, sample in enumerate(trace.T)
        for change in detector.look(sample)[1]
        if change.began
    ]
