"""Stamps never run backwards, whatever the wall clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.clock import STEPPED, SYNCED, UNSYNCED, Clock
from edgeagent_sdk.lineproto import PLAUSIBLE_FROM_NS

S = 10**9
NOW = 1_790_000_000 * S


class Time:
    """A wall clock and a monotonic clock, moved by hand."""

    def __init__(self, wall_ns: int = NOW) -> None:
        self.wall_ns, self.monotonic_ns = wall_ns, 5 * S
        self.synchronized = True
        self.clock = Clock(lambda: self.wall_ns, lambda: self.monotonic_ns, lambda: self.synchronized)

    def pass_ns(self, ns: int, step_ns: int = 0) -> None:
        self.wall_ns += ns + step_ns
        self.monotonic_ns += ns


@pytest.mark.parametrize(
    ("step_s", "stamp_error_s", "state"),
    [
        pytest.param(0, 0, SYNCED, id="no step"),
        pytest.param(0.05, 0, SYNCED, id="drift is followed silently"),
        pytest.param(3600, 0, STEPPED, id="an hour forwards is adopted at once"),
        pytest.param(-3600, 3599.5, STEPPED, id="an hour backwards melts at half speed"),
        pytest.param(-86400 * 2, 0, STEPPED, id="two days backwards are taken at once"),
        pytest.param(-86400 * 1000, 0, STEPPED, id="and so are three years"),
    ],
)
def test_step(step_s: float, stamp_error_s: float, state: str) -> None:
    time = Time()
    time.pass_ns(S, round(step_s * S))
    step = time.clock.check()
    time.pass_ns(S)
    assert (time.clock.now_ns() - time.wall_ns) / S == pytest.approx(stamp_error_s, abs=1e-6)
    assert time.clock.state == state
    assert (step.by_ns / S if step else 0) == pytest.approx(step_s if abs(step_s) >= 0.1 else 0)


def test_a_jump_is_told_for_some_seconds_and_then_forgotten() -> None:
    time = Time()
    time.pass_ns(S, 60 * S)
    time.clock.check()
    assert time.clock.state == STEPPED
    time.pass_ns(11 * S)
    time.clock.check()
    assert time.clock.state == SYNCED


def test_a_backward_step_is_over_after_twice_its_length() -> None:
    time = Time()
    time.pass_ns(S, -10 * S)
    time.clock.check()
    for _ in range(21):
        time.pass_ns(S)
        time.clock.check()
    assert time.clock.now_ns() == time.wall_ns
    assert not time.clock.slewing


def test_the_kernel_says_whether_it_is_synchronized() -> None:
    time = Time()
    time.synchronized = False
    time.pass_ns(S)
    time.clock.check()
    assert time.clock.state == UNSYNCED
    assert Clock().state in (SYNCED, UNSYNCED)  # the real adjtimex(2)


def test_a_clock_set_for_the_first_time_says_by_how_much_stamps_were_wrong() -> None:
    time = Time(wall_ns=100 * S)
    assert not time.clock.is_set
    time.pass_ns(S, NOW)
    step = time.clock.check()
    assert step is not None
    assert time.clock.is_set
    assert step.set_ns == NOW
    assert NOW > PLAUSIBLE_FROM_NS


@given(st.lists(st.tuples(st.integers(1, 3 * S), st.integers(-900 * S, 900 * S), st.booleans()), max_size=40))
def test_stamps_rise_strictly(moves: list[tuple[int, int, bool]]) -> None:
    time = Time()
    last = time.clock.now_ns()
    for ns, step_ns, look in moves:
        time.pass_ns(ns, step_ns)
        before = time.clock.now_ns()
        if look:
            time.clock.check()
        stamp = time.clock.now_ns()
        assert last <= before <= stamp
        assert stamp > last or ns == 1
        last = stamp
