"""One name, one installation: who gets it, and when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeagent.claim import Claim
from edgeagent_sdk.messages import Command, Outcome, Reply, State, Status, decode
from tests.services import wait_until

from .reports import Reports


class Side:
    """One claim, with short waits, and what came of it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.decided: list[bool] = []
        self.reports = Reports()
        ours = State(status=Status.ONLINE, since_ns=100, instance="ours")
        self.claim = Claim(ours, self.asked.append, self.decided.append, self.reports)

    def answer(self) -> None:
        question = decode(self.asked[-1], Command)
        self.claim.answered(Reply(id=question.id, outcome=Outcome.APPLIED, time_ns=1))


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    for name, seconds in (("_LISTEN_S", 0.05), ("_ANSWER_S", 0.15), ("_AGAIN_S", 0.3)):
        monkeypatch.setattr(f"edgeagent.claim.{name}", seconds)
    made = Side()
    yield made
    made.claim.cancel()


def state(status: Status = Status.ONLINE, since_ns: int = 1, instance: str = "theirs") -> State:
    return State(status=status, since_ns=since_ns, instance=instance)


@pytest.mark.parametrize(
    "retained",
    [
        pytest.param(None, id="nobody"),
        pytest.param(state(Status.OFFLINE), id="somebody who has left"),
        pytest.param(state(instance="ours"), id="ourselves, before a crash"),
        pytest.param(state(instance=""), id="a node without an agent"),
    ],
)
def test_a_free_name_is_taken_without_asking(side: Side, retained: State | None) -> None:
    side.claim.begin()
    if retained:
        side.claim.seen(retained)
    wait_until(lambda: side.decided == [True], "ours", 2)
    assert side.asked == []


def test_a_holder_who_does_not_answer_is_gone(side: Side) -> None:
    side.claim.begin()
    side.claim.seen(state())
    wait_until(lambda: side.decided == [True], "ours", 2)
    assert len(side.asked) == 1
    assert side.claim.held


def test_a_holder_who_answers_keeps_the_name_until_it_leaves(side: Side) -> None:
    side.claim.begin()
    side.claim.seen(state())
    wait_until(lambda: bool(side.asked), "asked", 2)
    assert side.claim.is_question(side.asked[0]), "we must not answer ourselves"
    side.answer()
    assert side.decided == [False]
    assert not side.claim.held
    side.claim.seen(state(Status.OFFLINE))
    wait_until(lambda: side.decided == [False, True], "ours at last", 2)
    assert side.reports.kinds == ["name-taken", "name-free"]


@pytest.mark.parametrize(
    ("since_ns", "held"),
    [
        pytest.param(50, False, id="the one who came first keeps it"),
        pytest.param(150, True, id="and that may be us"),
    ],
)
def test_two_that_came_at_once(side: Side, since_ns: int, held: bool) -> None:
    side.claim.begin()
    wait_until(lambda: side.claim.held, "ours", 2)
    side.claim.seen(state(since_ns=since_ns))
    assert bool(side.asked) is not held
    if side.asked:
        side.answer()
    assert side.claim.held is held


def test_a_state_that_nobody_stands_behind_takes_no_name_away(side: Side) -> None:
    side.claim.begin()
    wait_until(lambda: side.claim.held, "ours", 2)
    side.claim.seen(state(since_ns=1, instance="forged"))
    assert side.claim.held, "readings go on meanwhile"
    wait_until(lambda: side.decided == [True, True], "our own state is published again", 2)
    assert side.reports.kinds == []


def test_our_own_will_come_late_is_contradicted(side: Side) -> None:
    side.claim.begin()
    wait_until(lambda: side.claim.held, "ours", 2)
    side.claim.seen(state(Status.OFFLINE, instance="ours"))
    assert side.decided == [True, True], "state and description are published again"
