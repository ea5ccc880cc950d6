"""When things are due: on the grid, paced by the monotonic clock."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.schedule import Schedule, jitter

from .test_clock import NOW, S, Time


def due_stamps(time: Time, schedule: Schedule, busy_ns: list[int]) -> list[int]:
    """Stamps at which something that takes `busy_ns` each time gets its turn."""
    stamps = []
    for busy in busy_ns:
        due = schedule.next_ns(time.monotonic_ns)
        time.pass_ns(max(0, due - time.monotonic_ns))
        stamps.append(time.clock.now_ns())
        time.pass_ns(busy)
    return stamps


@given(st.integers(0, S - 1), st.lists(st.integers(0, S - 1), min_size=1, max_size=20))
def test_aligned_moments_are_multiples_of_the_interval(start_ns: int, busy_ns: list[int]) -> None:
    time = Time(NOW + start_ns)
    schedule = Schedule(1.0, time.clock)
    stamps = due_stamps(time, schedule, busy_ns)
    assert [stamp % S for stamp in stamps] == [0] * len(stamps)
    assert [b - a for a, b in pairwise(stamps)] == [S] * (len(stamps) - 1)
    assert schedule.missed == 0


@pytest.mark.parametrize(("busy_s", "missed"), [(0.5, 0), (0.99, 0), (1.5, 1), (3.2, 3)])
def test_moments_gone_by_are_counted_and_not_made_up_for(busy_s: float, missed: int) -> None:
    time = Time()
    schedule = Schedule(1.0, time.clock)
    stamps = due_stamps(time, schedule, [round(busy_s * S), 0])
    assert schedule.missed == missed
    assert stamps[1] - stamps[0] == (missed + 1) * S


def test_after_a_forward_step_the_grid_is_found_again() -> None:
    time = Time()
    schedule = Schedule(1.0, time.clock)
    due_stamps(time, schedule, [0, 0])
    time.pass_ns(0, 300_000_000)
    time.clock.check()
    assert due_stamps(time, schedule, [0, 0, 0])[-1] % S == 0


def test_a_backward_step_does_not_slow_the_pace() -> None:
    time = Time()
    schedule = Schedule(1.0, time.clock)
    due_stamps(time, schedule, [0])
    time.pass_ns(0, -3600 * S)
    begun = time.monotonic_ns
    for _ in range(10):
        time.clock.check()
        due_stamps(time, schedule, [0])
    assert time.monotonic_ns - begun == 10 * S


def test_phase_shifts_the_grid() -> None:
    time = Time()
    assert due_stamps(time, Schedule(1.0, time.clock, 0.25), [0])[0] % S == S // 4


def test_jitter_is_steady_and_spread() -> None:
    phases = [jitter(f"site/n{i}", 1.0) for i in range(1000)]
    assert phases == [jitter(f"site/n{i}", 1.0) for i in range(1000)]
    assert 0 <= min(phases) < 0.01 < 0.99 < max(phases) < 1
