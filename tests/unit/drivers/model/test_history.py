"""Windows over readings: at even distances, by what was there at the time, never by what was not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.drivers.model.history import History


def window(
    times: Sequence[float], at_s: float, *, size: int, step_s: float, gap_s: float = 0.0
) -> list[float]:
    """Of readings that tell their own time."""
    history = History(size, step_s, gap_s, 1)
    for each in times:
        history.add(each, [each])
    return list(history.window(at_s))


NAN = math.nan


@pytest.mark.parametrize(
    ("times", "at_s", "keys", "samples"),
    [
        ([0, 1, 2, 3], 3, {"size": 4}, [0, 1, 2, 3]),
        ([0, 1, 2, 3], 3, {"size": 1}, [3]),
        ([0, 1.01, 1.99, 3.02], 3.02, {"size": 4}, [0, 1.01, 1.99, 3.02]),
        ([2, 3], 3, {"size": 4}, [NAN, NAN, 2, 3]),
        ([0, 1, 3], 3, {"size": 4}, [0, 1, 1, 3]),
        ([0, 1, 4, 5], 5, {"size": 4}, [1, NAN, 4, 5]),
        ([0, 1, 4, 5], 5, {"size": 4, "gap_s": 3}, [1, 1, 4, 5]),
        ([0, 1, 2], 9, {"size": 2}, [NAN, NAN]),
        ([], 0, {"size": 2}, [NAN, NAN]),
    ],
)
def test_samples(times: list[float], at_s: float, keys: dict[str, float], samples: list[float]) -> None:
    assert window(times, at_s, step_s=1.0, **keys) == pytest.approx(samples, nan_ok=True)  # type: ignore[arg-type]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    pauses=st.lists(st.floats(0.01, 3.0), min_size=1, max_size=300),
    size=st.integers(1, 12),
    gap_s=st.floats(0.0, 5.0),
)
def test_a_sample_is_of_its_time_or_none(pauses: list[float], size: int, gap_s: float) -> None:
    step_s, at_s, times = 1.0, 0.0, []
    history = History(size, step_s, gap_s, 1)
    for pause_s in pauses:
        at_s += pause_s
        times.append(at_s)
        history.add(at_s, [at_s])
        samples = list(history.window(at_s))
        assert len(samples) == size and samples[-1] == at_s
        for back, sample in enumerate(reversed(samples)):
            due_s = at_s - back * step_s
            reach_s, thinned_s = max(1.5 * step_s, gap_s), step_s / 8
            if math.isnan(sample):
                missed = [t for t in times if due_s - reach_s + thinned_s < t <= due_s]
                assert not missed, "a reading was there, but is no sample"
            else:
                assert sample in times
                assert due_s - reach_s - 1e-9 <= sample <= due_s + step_s / 2 + 1e-9


def test_fast_readings_take_no_more_memory_than_a_few_for_each_step() -> None:
    history = History(100, 1.0, 0.0, 1)
    for i in range(100_000):
        history.add(i / 1000, [float(i)])
    assert len(history._times) < 1100
    due = [1e3 * second + 999 for second in range(100)]
    assert list(history.window(99.999)) == pytest.approx(due, rel=0, abs=1000 / 16 + 1)
