"""The built-in models as the driver runs them: what they propose, keep, refuse and tell."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeagent.drivers.model.process import Process
from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import Keeps, NotYet, Proposes, Setup, Talks
from edgeagent.drivers.model.runtimes import load_builtin
from edgeagent.models.anomaly import Anomaly
from edgeagent.models.forecast import Forecast
from edgeagent.models.pace import Pace
from tests.unit.agent.models.series import CHANNELS, FAN, machine

_SMALL = {"lags": 10, "every": 50, "ahead_s": [2.0, 5.0]}


class VirtualTime:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def setup(options: dict[str, Any], state: Path | None = None) -> Setup:
    return Setup(CHANNELS, 1, 1.0, options, str(state) if state else "")


def feed(model: Forecast | Anomaly, clock: VirtualTime, samples: np.ndarray) -> Any:
    """One sample a second; the last answer."""
    answer = None
    for sample in samples.T:
        clock.now_s += 1.0
        try:
            answer = model.run([sample[None, None]])
        except NotYet:
            continue
    return answer


def test_forecasts_are_channels_with_the_ends_of_their_intervals() -> None:
    clock = VirtualTime()
    model = Forecast(setup(_SMALL), clock)
    assert isinstance(model, Proposes) and isinstance(model, Keeps)
    proposed = model.proposed()
    assert [(each.channel, each.quantity, each.tensor, each.place) for each in proposed[3:9]] == [
        ("host.cpu.5s", "utilization", "forecast", 4),
        ("host.cpu.5s.low", "utilization", "low", 4),
        ("host.cpu.5s.high", "utilization", "high", 4),
        ("psu.in.2s", "power", "forecast", 6),
        ("psu.in.2s.low", "power", "low", 6),
        ("psu.in.2s.high", "power", "high", 6),
    ]
    samples = machine(400, seed=2)
    forecast, low, high = feed(model, clock, samples)
    assert forecast.shape == low.shape == high.shape == (4, 5)
    assert (low <= forecast).all() and (forecast <= high).all()
    assert low[0].min() >= 0.0 and high[0].max() <= 1.0  # a utilization is not outside of that
    assert np.abs(forecast[1, 0] - samples[1, -1]) < 40.0


def test_a_channel_without_values_costs_the_others_nothing() -> None:
    clock, samples = VirtualTime(), machine(200, seed=2)
    samples[FAN] = np.nan
    forecast, low, high = feed(Forecast(setup(_SMALL), clock), clock, samples)
    for answer in (forecast, low, high):
        assert np.isfinite(answer[:FAN]).all() and np.isnan(answer[FAN]).all()


def test_what_was_learned_outlives_a_restart(tmp_path: Path) -> None:
    clock, samples = VirtualTime(), machine(500, seed=2)
    first = Forecast(setup(_SMALL, tmp_path / "model-1"), clock)
    feed(first, clock, samples)
    first.close()
    assert {path.name for path in tmp_path.iterdir()} == {"model-1.npz", "model-1.onnx"}
    second = Forecast(setup(_SMALL, tmp_path / "model-1"), clock)
    one, other = (feed(model, clock, samples[:, -30:]) for model in (first, second))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[: len(content) // 2], lambda content: b"PK\3\4 nonsense"],
    ids=["empty", "cut short", "nonsense"],
)
def test_a_damaged_file_is_a_new_beginning(tmp_path: Path, damage: Any) -> None:
    clock = VirtualTime()
    first = Forecast(setup(_SMALL, tmp_path / "m"), clock)
    feed(first, clock, machine(300, seed=2))
    first.close()
    file = tmp_path / "m.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(NotYet, match="is learning"):
        Forecast(setup(_SMALL, tmp_path / "m"), clock).run([np.zeros((1, 1, 4))])


def test_other_settings_are_a_new_beginning(tmp_path: Path) -> None:
    clock = VirtualTime()
    first = Forecast(setup(_SMALL, tmp_path / "m"), clock)
    feed(first, clock, machine(300, seed=2))
    first.close()
    second = Forecast(setup({**_SMALL, "lags": 12}, tmp_path / "m"), clock)
    with pytest.raises(NotYet):
        second.run([np.zeros((1, 1, 4))])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("forecast", {"lag": 5}, "unknown key 'lag'"),
        ("forecast", {"lags": 1}, "lags = 1"),
        ("forecast", {"lags": 2.5}, "lags = 2.5"),
        ("forecast", {"lags": True}, "lags = True"),
        ("forecast", {"ahead_s": 5}, "ahead_s = 5 is no list"),
        ("forecast", {"ahead_s": [0.1]}, "ahead_s = [0.1]"),
        ("forecast", {"ahead_s": [9999]}, "ahead_s = [9999"),
        ("anomaly", {"risk": 2}, "risk = 2"),
        ("anomaly", {"riks": 1e-6}, "unknown key 'riks'"),
    ],
)
def test_wrong_options_are_refused_in_words(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        load_builtin(name, setup(options))
    assert words in caught.value.reason and caught.value.remedy


def test_the_detector_scores_and_tells(tmp_path: Path) -> None:
    clock, samples = VirtualTime(), machine(900, seed=5)
    model = Anomaly(setup({"quiet": 5}, tmp_path / "a"), clock)
    assert isinstance(model, Talks)
    assert [(each.channel, each.quantity) for each in model.proposed()][2:] == [
        ("cpu.temperature.die", "anomaly"),
        ("fan.speed.1", "anomaly"),
    ]
    [scores] = feed(model, clock, samples[:, :840])
    assert (scores < 1.0).all() and not model.news()
    model.close()
    again = Anomaly(setup({"quiet": 5}, tmp_path / "a"), clock)
    samples[FAN, 860] = 9000.0
    feed(again, clock, samples[:, 840:860])
    [scores] = feed(again, clock, samples[:, 860:861])
    assert scores[FAN] >= 1.0
    feed(again, clock, samples[:, 861:])
    began, ended = (news for news in again.news() if news.channel == "fan.speed.1")
    assert (began.kind, began.severity) == ("anomaly-jump-began", "warning")
    assert (ended.kind, ended.severity) == ("anomaly-jump-ended", "info")
    assert not again.news()


def test_the_process_of_the_driver_goes_on_with_what_was_learned(tmp_path: Path) -> None:
    clock, samples = VirtualTime(), machine(300, seed=2)
    before = Forecast(setup(_SMALL, tmp_path / "m"), clock)
    feed(before, clock, samples)
    before.close()
    (tmp_path / "m.onnx").unlink()
    told = setup(_SMALL, tmp_path / "m")._asdict()
    rest = {"file": "", "builtin": "forecast", "layout": "window-channels", "memory_mb": 512, "outputs": []}
    process = Process(told | rest)
    try:
        loaded = process.loaded(30.0)
        assert loaded and len(loaded.proposed) == 6 * len(CHANNELS)
        answer = process.ask(array("d", samples[:, -1]), 30.0)
        assert not answer.fault
        forecast, low, high = answer.values[6:9]
        assert low <= forecast <= high
    finally:
        process.end()
    assert (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("waits_s", "steps"),
    [
        ([0, 2, 2, 2], [1, 1, 1, 1]),
        ([0, 2.7, 1.3, 2.1], [1, 1, 1, 1]),  # late, then soon
        ([0, 0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1, 0]),  # asked more often than the series has samples
        ([0, 2, 20, 2], [1, 1, 10, 1]),
    ],
)
def test_which_sample_a_moment_is(waits_s: list[float], steps: list[int]) -> None:
    clock = VirtualTime()
    pace = Pace(2.0, clock)
    counted = []
    for wait_s in waits_s:
        clock.now_s += wait_s
        counted.append(pace.steps())
    assert counted == steps
