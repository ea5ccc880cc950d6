"""What an actuator may hold while commands are on their way, lost, refused or late."""

from __future__ import annotations

import math

import pytest

from edgeagent_central.optimize.power.holdings import REPLY_S, Holdings, Settled, Slot
from edgeagent_sdk.messages import Outcome

_A, _C, _R, _E = Outcome.APPLIED, Outcome.CLAMPED, Outcome.REFUSED, Outcome.EXPIRED


def _one(held: float = 300.0) -> Holdings:
    holdings = Holdings([Slot("n1", "gpu", "limit")])
    holdings.found(0, held)
    return holdings


@pytest.mark.parametrize(
    ("told", "ends", "may", "answers"),
    [
        ([], [], 300, True),
        ([200], [], 300, True),  # it may not have come
        ([400], [], 400, True),  # it may have come
        ([200], [Settled(0, 0, _A, 200)], 200, True),
        ([200, 250], [Settled(0, 0, _A, 200)], 250, True),
        ([400, 200], [Settled(0, 1, _A, 200)], 200, True),  # the answer to the first was lost
        ([50], [Settled(0, 0, _C, 100)], 100, True),  # it can be held no lower
        ([400], [Settled(0, 0, _C, 150)], 400, True),  # somebody keeps it lower, for now
        ([400], [Settled(0, 0, _R, None, "its driver hangs")], 300, False),
        ([200], [Settled(0, 0, _E, None, "its clock")], 300, False),
        ([400, 200], [Settled(0, 0, _R, None, "another cap came after it")], 400, True),  # it may be at it
        ([400, 200], [Settled(0, 0, _R, None), Settled(0, 1, _A, 200)], 200, True),
        ([400, 200], [Settled(0, 0, _R, None), Settled(0, 1, _R, None)], 400, False),  # the first is back
    ],
)
def test_the_most_that_it_may_hold(told: list[float], ends: list[Settled], may: float, answers: bool) -> None:
    holdings = _one()
    for number, value in enumerate(told):
        holdings.tell(0, number, value, 0.0)
    for end in ends:
        holdings.settle(end)
    assert holdings.may[0] == may
    assert holdings.answers[0] == answers


def test_who_does_not_answer_in_time_may_hold_either_value_until_it_is_heard() -> None:
    holdings = _one()
    holdings.tell(0, 1, 400.0, 0.0)
    assert not list(holdings.lost(REPLY_S - 0.1)) and holdings.answers[0]
    assert list(holdings.lost(REPLY_S + 0.1)) == [0]
    assert holdings.may[0] == 400.0 and not holdings.answers[0]
    holdings.found(0, 300.0)
    assert holdings.may[0] == 300.0 and holdings.answers[0]


def test_a_late_answer_counts_still() -> None:
    holdings = _one()
    holdings.tell(0, 1, 200.0, 0.0)
    assert list(holdings.lost(10.0)) == [0]
    holdings.settle(Settled(0, 1, _A, 200.0))
    assert holdings.may[0] == 200.0 and holdings.answers[0]


def test_what_was_never_told_is_not_known_whatever_it_was_sent() -> None:
    holdings = Holdings([Slot("n1", "gpu", "limit")])
    holdings.tell(0, 1, 200.0, 0.0)
    assert math.isnan(holdings.may[0])
    list(holdings.lost(10.0))
    assert math.isnan(holdings.may[0]) and not holdings.answers[0]


def test_one_that_was_started_anew_is_not_counted_on() -> None:
    holdings = _one()
    holdings.tell(0, 1, 200.0, 0.0)
    holdings.forget(holdings.of_node["n1"])
    assert math.isnan(holdings.may[0]) and not holdings.answers[0] and not holdings.unsettled()[0]


def test_an_answer_from_before_a_restart_says_nothing_of_what_holds_after_it() -> None:
    holdings = _one()
    holdings.tell(0, 1, 200.0, 0.0)
    holdings.forget([0])
    holdings.settle(Settled(0, 1, _A, 200.0))
    assert math.isnan(holdings.may[0]) and not holdings.answers[0]
