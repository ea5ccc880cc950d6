"""What becomes of messages while there is no broker."""

from __future__ import annotations

import pytest

from edgeagent import link as module
from edgeagent.clock import Clock
from edgeagent.link import Link
from edgeagent_sdk.messages import Describe, Outcome, Reply
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import Identity

from .reports import Reports


def void(_: object) -> None:
    """Forget it."""


def no_description() -> Describe:
    raise AssertionError("nobody is there to be told")


def test_more_replies_than_can_wait_are_told_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REPLIES_MAX", 3)
    reports = Reports()
    link = Link(
        Broker(),
        Identity("lab", "n1"),
        "0123456789",
        prefix="edge",
        in_flight=1,
        clock=Clock(),
        describe=no_description,
        on_ack=void,
        on_published=void,
        on_command=lambda name, payload: None,
        on_road=void,
        report=reports,
    )
    for count in range(10):
        link.send_reply(Reply(id=str(count), outcome=Outcome.APPLIED, time_ns=0, holds={}))
        assert link.unanswered == max(0, count - 2)
        assert reports.kinds == ["replies-lost"] * (count > 2)
    assert reports.messages == ["more than 3 replies wait for the broker: the oldest are dropped"]
