"""The detector: quiet on clean traces, one alarm for each fault, in words that say what is wrong."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.models.anomaly.alarms import Change
from edgeagent.models.anomaly.detector import Detector
from edgeagent.models.anomaly.rls import Rls
from edgeagent.models.anomaly.tail import Tail
from edgeagent.models.anomaly.words import Words
from tests.unit.agent.models.series import CHANNELS, FAN, FAULTS, Injected, machine

_LEARNT = 1800
_WATCHED = 250


def watch(detector: Detector, samples: np.ndarray) -> list[tuple[int, Change]]:
    """What is told, and at which sample."""
    return [(at, change) for at, sample in enumerate(samples.T) for change in detector.look(sample)[1]]


@pytest.fixture(scope="module")
def trace() -> np.ndarray:
    return machine(_LEARNT + 400, seed=5)


@pytest.fixture(scope="module")
def learnt(trace: np.ndarray) -> Detector:
    """A detector that has seen a machine at work; it has not alarmed."""
    detector = Detector(CHANNELS, 1.0)
    assert watch(detector, trace[:, :_LEARNT]) == []
    assert detector.ready
    return detector


#: What each fault is found as, and within how many samples.
FOUND = {
    "step of the die by 8 °C": ("jump", 1),
    "step of the fan by 500 rpm": ("jump", 1),
    "power up by 100 W, the load as before": ("relation", 5),
    "spike of the die by 10 °C": ("jump", 1),
    "drift of the die by 0.03 °C/s": ("relation", 120),
    "drift of the power by 0.5 W/s": ("relation", 60),
    "drift of the fan by 2 rpm/s": ("relation", 120),
    "stuck die": (None, 60),  # stuck, or no longer following
    "stuck power": (None, 60),
    "fan fails": ("jump", 1),
    "fan no longer follows the die": (None, 60),
    "power no longer follows the load": ("relation", 30),
}


def test_a_first_look_imports_nothing_of_numpy_that_it_does_not_need() -> None:
    """numpy.ma takes longer than hundreds of looks."""
    look = (
        "import sys; from edgeagent.models.anomaly.detector import Detector; "
        "from tests.unit.agent.models.series import CHANNELS, machine; trace = machine(10, seed=5); "
        "before = set(sys.modules); Detector(CHANNELS, 1.0).look(trace[:, 0]); "
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('numpy.')))"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults(fault: Injected, learnt: Detector, trace: np.ndarray) -> None:
    detector = copy.deepcopy(learnt)
    kind, within = FOUND[fault.name]
    samples = trace[:, _LEARNT : _LEARNT + within + 20].copy()
    other = trace[fault.channel, 1000 : 1000 + samples.shape[1]]
    samples[fault.channel] = fault.make(samples[fault.channel], other)
    began = [(at, change) for at, change in watch(detector, samples) if change.began]
    assert began, "not found"
    at, change = began[0]
    assert at < within
    assert kind in (None, change.kind)
    assert len(began) <= 2  # the channel, and perhaps the one that it was held against
    assert change.message.startswith(CHANNELS[change.channel])


def test_a_fault_that_stays_begins_once_and_ends_once(learnt: Detector, trace: np.ndarray) -> None:
    detector = copy.deepcopy(learnt)
    samples = trace[:, _LEARNT : _LEARNT + 200].copy()
    samples[FAN, 20:60] = 0.0
    changes = [change for _, change in watch(detector, samples) if change.channel == FAN]
    assert [(change.kind, change.began) for change in changes] == [("jump", True), ("jump", False)]
    began, ended = (change.message for change in changes)
    assert began.startswith("fan/speed/1 jumped to 0 rpm where 1,")
    assert "check the sensor" in began
    assert ended.startswith("fan/speed/1 is as expected again, after ")


def test_what_stays_for_good_becomes_normal(learnt: Detector, trace: np.ndarray) -> None:
    detector = copy.deepcopy(learnt)
    detector.alarms.patience = 60
    samples = trace[:, _LEARNT : _LEARNT + 150].copy()
    samples[FAN] = 0.0
    ended = [change for _, change in watch(detector, samples) if not change.began]
    assert "taken as normal from now on" in ended[0].message


def test_a_lone_channel_drifts() -> None:
    """Nothing explains it, so only its own forecasts tell; every step of it is within their intervals."""
    rng = np.random.default_rng(1)
    series = np.empty(1700)
    now = 0.0
    for at in range(len(series)):
        now = 0.9 * now + 0.2 * rng.normal()
        series[at] = now
    series[1300:] += 0.12 * np.arange(400)
    changes = watch(Detector(["air/temperature/in"], 1.0), np.round(50 + series, 1)[None])
    at, began = changes[0]
    assert at >= 1300 and began.kind == "drift"
    assert "rises steadily against its forecasts" in began.message


def test_missing_values_are_no_anomaly(learnt: Detector, trace: np.ndarray) -> None:
    detector = copy.deepcopy(learnt)
    samples = trace[:, _LEARNT : _LEARNT + 120].copy()
    samples[FAN, 20:60] = np.nan
    samples[:, 80:90] = np.nan
    assert watch(detector, samples) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([np.inf, 50.0]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_recursive_least_squares_is_batch_least_squares(seed: int, features: int, memory: float) -> None:
    rng = np.random.default_rng(seed)
    count = 80
    x = rng.normal(size=(count, features))
    y = x @ rng.normal(size=features) + 0.1 * rng.normal(size=count)
    rls = Rls(1, features, memory)
    for row, value in zip(x, y, strict=True):
        rls.learn(row[None], value - rls.expect(row[None]), np.array([True]))
    weight = np.exp(-np.arange(count)[::-1] / memory)
    prior = np.exp(-count / memory) / 1e4 * np.eye(features)
    batch = np.linalg.solve(x.T @ (weight[:, None] * x) + prior, x.T @ (weight * y))
    np.testing.assert_allclose(rls.weights[0], batch, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("heavy", [False, True])
def test_a_bound_is_passed_as_rarely_as_was_asked(heavy: bool) -> None:
    """At a risk of 1e-4: 20 passes of 200,000 are meant, and more than 60 or a bound far away are not."""
    rng = np.random.default_rng(2)

    def draw(count: int) -> np.ndarray:
        drawn: np.ndarray = np.abs(rng.standard_t(5, count) if heavy else rng.normal(size=count))
        return drawn

    tail = Tail(1, risk=1e-4)
    for value in draw(3000):
        tail.learn(np.array([value]))
    later = draw(200_000)
    assert (later > tail.bound[0]).sum() <= 60
    assert tail.bound[0] < 1.7 * np.quantile(later, 1 - 1e-4)


@pytest.mark.parametrize(
    ("channel", "value", "words"),
    [
        ("a/power/in", 412.54, "412.5 W"),
        ("a/temperature/x", 61.25, "61.25 °C"),
        ("a/speed/1", 1290.0, "1,290 rpm"),
        ("a/utilization/cpu", 0.5, "0.5"),
    ],
)
def test_values_in_words(channel: str, value: float, words: str) -> None:
    assert Words([channel], 1.0).value(0, value) == words


@pytest.mark.parametrize(("steps", "words"), [(5, "0.5 s"), (300, "30 s"), (3000, "5 min"), (90_000, "2 h")])
def test_times_in_words(steps: int, words: str) -> None:
    assert Words(["a/power/in"], 0.1).time(steps) == words
