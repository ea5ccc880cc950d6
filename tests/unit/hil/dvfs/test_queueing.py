"""The queue: every unit's end is exact, however time is cut up and whenever the clock changes."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.dvfs.queueing import Queue
from tests.unit.hil.dvfs.governors import stream


def test_a_unit_takes_its_cycles_and_its_memory_time() -> None:
    queue = Queue(stream([1.0], cycles=2e8, memory_s=0.05), "big")
    busy_s, active_s = queue.serve(0.0, 2.0, 1e9)
    assert queue.ended_s == [pytest.approx(1.25)]
    assert busy_s == pytest.approx(0.25)
    assert active_s == pytest.approx(0.2 + 0.6 * 0.05)  # waiting for memory counts as 0.6
    (unit,) = queue.tell(2.0).done
    assert [unit.service_s, unit.latency_s] == pytest.approx([0.25, 0.25])


def test_what_is_left_of_a_unit_goes_on_at_the_new_clock() -> None:
    queue = Queue(stream([0.0], cycles=1e9, memory_s=0.5), "big")  # 1.5 s at 1 GHz, 1 s at 2 GHz
    queue.serve(0.0, 0.75, 1e9)  # half of it
    queue.serve(0.75, 9.0, 2e9)  # the other half
    assert queue.ended_s == [pytest.approx(0.75 + 0.5)]


def test_units_wait_for_each_other() -> None:
    queue = Queue(stream([0.0, 0.1, 5.0], cycles=1e9), "big")
    queue.serve(0.0, 10.0, 1e9)
    assert queue.ended_s == pytest.approx([1.0, 2.0, 6.0])
    latencies = [unit.latency_s for unit in queue.tell(10.0).done]
    assert latencies == pytest.approx([1.0, 1.9, 1.0])


def test_what_is_pending_is_told_with_its_age() -> None:
    queue = Queue(stream([0.0, 0.5, 0.7, 3.0], cycles=2e9), "big")
    queue.serve(0.0, 1.0, 1e9)
    session = queue.tell(1.0)
    assert session.pending_s == pytest.approx((1.0, 0.5, 0.3))
    assert session.running_s == pytest.approx(1.0)
    assert session.done == ()
    queue.serve(1.0, 2.0, 1e9)
    assert len(queue.tell(2.0).done) == 1 and queue.tell(2.0).done == ()  # told once


def test_an_idle_queue_runs_nothing() -> None:
    queue = Queue(stream([5.0], cycles=1e9), "big")
    assert queue.serve(0.0, 1.0, 1e9) == (0.0, 0.0)
    session = queue.tell(1.0)
    assert (session.running_s, session.pending_s) == (None, ())


def test_more_than_can_wait_is_lost() -> None:
    queue = Queue(stream([0.0, 0.1, 0.2, 0.3], cycles=1e9, depth=2), "big")
    queue.serve(0.0, 10.0, 1e9)
    assert [isnan(end_s) for end_s in queue.ended_s] == [False, False, False, True]


gaps = st.lists(st.floats(0.0, 0.5), min_size=1, max_size=30)


@given(gaps_s=gaps, cuts=st.lists(st.floats(0.001, 30.0), max_size=40))
def test_however_time_is_cut_up_units_end_as_lindley_says(gaps_s: list[float], cuts: list[float]) -> None:
    arrival_s = np.cumsum(gaps_s).tolist()
    queue = Queue(stream(arrival_s, cycles=1e8, memory_s=0.1), "big")
    for from_s, to_s in pairwise([0.0, *sorted(set(cuts)), 40.0]):
        queue.serve(from_s, to_s, 1e9)
    end_s = 0.0
    for arrived_s, ended_s in zip(arrival_s, queue.ended_s, strict=True):
        end_s = max(arrived_s, end_s) + 0.2
        assert ended_s == pytest.approx(end_s, abs=1e-9)


@given(gaps_s=gaps, clocks_hz=st.lists(st.floats(1e8, 3e9), min_size=1, max_size=30))
def test_no_work_is_lost_or_done_twice(gaps_s: list[float], clocks_hz: list[float]) -> None:
    cycles = 1e8
    queue = Queue(stream(np.cumsum(gaps_s).tolist(), cycles=cycles), "big")
    worked = 0.0
    for i, clock_hz in enumerate(clocks_hz):
        worked += queue.serve(i * 0.1, (i + 1) * 0.1, clock_hz)[0] * clock_hz
    done = sum(not isnan(end_s) for end_s in queue.ended_s)
    begun = done + (queue.tell(len(clocks_hz) * 0.1).running_s is not None)
    assert done * cycles * (1 - 1e-9) <= worked <= begun * cycles * (1 + 1e-9)
