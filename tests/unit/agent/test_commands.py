"""Orders are carried out once, in their time, and always answered."""

from __future__ import annotations

from typing import Any

import pytest

from edgeagent.clock import Clock
from edgeagent.commands import Commands, at_once
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Command, Outcome, Reply

from .reports import Reports

NOW = 1_790_000_000 * 10**9


class Desk:
    """Commands with one handler that counts, and one that refuses."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.reports = Reports()
        self.count = 0
        clock = Clock(lambda: NOW, lambda: 0, lambda: True)
        self.commands = Commands(
            {"count": at_once(self._count), "no": at_once(self._no)}, clock, self.replies.append, self.reports
        )

    def _count(self, body: dict[str, Any]) -> dict[str, Any]:
        self.count += int(body.get("by", 1))
        return {"count": self.count}

    def _no(self, body: dict[str, Any]) -> dict[str, Any]:
        raise EdgeError("out of the question")


def order(id_: str = "1", issued_ns: int = NOW, ttl_s: float = 5.0, **body: Any) -> bytes:
    return Command(id=id_, issued_ns=issued_ns, ttl_s=ttl_s, body=body).encode()


@pytest.mark.parametrize(
    ("name", "payload", "outcome", "why"),
    [
        pytest.param("count", order(), Outcome.APPLIED, "", id="applied"),
        pytest.param("no", order(), Outcome.REFUSED, "out of the question", id="refused by its handler"),
        pytest.param("cuont", order(), Outcome.REFUSED, "did you mean 'count'?", id="unknown"),
        pytest.param(
            "count", order(issued_ns=NOW - 6 * 10**9), Outcome.EXPIRED, "ended 1.0 s ago", id="late"
        ),
        pytest.param(
            "count", order(issued_ns=NOW + 10**9), Outcome.APPLIED, "", id="from a clock that is ahead"
        ),
    ],
)
def test_outcomes(name: str, payload: bytes, outcome: Outcome, why: str) -> None:
    desk = Desk()
    desk.commands.receive(name, payload)
    (reply,) = desk.replies
    assert (reply.id, reply.outcome) == ("1", outcome)
    assert why in reply.why


def test_the_same_command_twice_is_carried_out_once_and_answered_twice() -> None:
    desk = Desk()
    for _ in range(2):
        desk.commands.receive("count", order(by=3))
    assert desk.count == 3
    assert desk.replies[0] == desk.replies[1]
    assert desk.replies[0].holds == {"count": 3}


def test_memory_of_answers_is_bounded() -> None:
    desk = Desk()
    for i in range(1000):
        desk.commands.receive("count", order(str(i)))
    assert len(desk.commands._answers) == 256


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[]", b'{"id":1,"issued_ns":0,"ttl_s":1}'])
def test_what_is_no_command_is_reported_and_not_answered(payload: bytes) -> None:
    desk = Desk()
    desk.commands.receive("count", payload)
    assert (desk.replies, desk.count) == ([], 0)
    assert desk.reports.messages[0].startswith("cmd/count: not a command message")
