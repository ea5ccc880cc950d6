"""A feed that answers late, or never: no turn is late for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeagent_central.optimize.decisions import Decisions
from edgeagent_central.optimize.feed import Asking, Feed, Latest
from edgeagent_central.optimize.frame import Frame
from edgeagent_central.optimize.power.topology.load import load_topology
from edgeagent_central.optimize.power.watch import QUANTITIES, Sight, Watch
from edgeagent_sdk.errors import EdgeError

_SITE = """
site = "lab"
[[domain]]
name = "root"
limit_kw = 2
[[server]]
name = "n1"
domain = "root"
[[server.component]]
name = "gpu"
cap = "gpu/cap"
power = "gpu/board"
min_w = 100
max_w = 400
"""


class _Slow(Feed):
    """Answers one question whenever it is let."""

    def __init__(self) -> None:
        self.let, self.asked = threading.Semaphore(0), 0
        self.answer: Latest | EdgeError = EdgeError("away")

    def ask(self) -> Latest:
        self.asked += 1
        assert self.let.acquire(timeout=30)
        if isinstance(self.answer, EdgeError):
            raise self.answer
        return self.answer


def test_a_late_answer_is_the_next_turns_and_one_question_is_open_at_a_time() -> None:
    feed = _Slow()
    asking = Asking(feed)
    feed.answer = Latest(7, [])
    assert asking.newest(0.01) is None and asking.newest(0.01) is None and feed.asked == 1
    feed.let.release()
    while not (asking._asked and asking._asked.done()):
        time.sleep(0.001)
    came_s = time.monotonic()
    late = asking.newest(0.01)
    assert late and late.latest.now_ns == 7 and late.at_s <= came_s, "as old as it is"
    assert feed.asked == 2, "and the next question is on its way"
    feed.let.release()
    prompt = asking.newest(30.0)
    assert prompt and prompt.at_s >= came_s
    feed.answer = EdgeError("away")
    feed.let.release()
    with pytest.raises(EdgeError, match="away"):
        asking.newest(30.0)


class _Mind:
    """Plans in no time."""

    def observe(self, seen: Sight, /) -> None:
        self.seen = seen

    def decide(self) -> str:
        return "good"

    def stopgaps(self, seen: Sight, /) -> Iterable[str]:
        return ["stopgap"]


class _Field:
    """Looks at a site through its watch, and keeps what is carried out."""

    leads = True

    def __init__(self, watch: Watch) -> None:
        self.watch, self.sent = watch, list[str]()

    def look(self) -> Sight:
        return self.watch.look(time.monotonic(), np.full(1, 400.0), {})

    def taken_over(self) -> None:
        """Nobody else is there."""

    def check(self, seen: Sight, plan: str, /) -> str:
        return ""

    def carry_out(self, seen: Sight, plan: str, until_s: float, /) -> Mapping[str, Any]:
        self.sent.append(plan)
        return {}

    def explain(self, seen: Sight, plan: str, /) -> Mapping[str, Any]:
        return {}


def test_an_aggregator_that_hangs_makes_no_decision_late(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(_SITE)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel accepts; nobody ever answers
        feed = Feed(f"http://127.0.0.1:{mute.getsockname()[1]}", "lab", QUANTITIES, timeout_s=60.0)
        field = _Field(Watch(load_topology(tmp_path / "site.toml"), feed, 5.0))
        frame = Frame(_Mind(), field, field, Decisions(tmp_path / "log.jsonl"), every_s=10.0)
        for _ in range(3):
            frame.step(time.monotonic() + 10.0)
    assert field.sent == ["good"] * 3 and frame.counts["late"] == 0
