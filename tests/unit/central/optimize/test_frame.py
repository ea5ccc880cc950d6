"""The frame around an optimizer that is late, wrong, or fails; its clock, and its log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgeagent_central.optimize import decisions
from edgeagent_central.optimize.decisions import Decisions
from edgeagent_central.optimize.frame import Frame


class _Lead:
    leads = True


class _Mind:
    """Decides what it is told to; "boom" fails, "slow" takes until `wake`."""

    def __init__(self, says: str) -> None:
        self.says, self.gaps = says, ["gap-bad", "gap-good"]
        self.wake = threading.Event()

    def observe(self, seen: str, /) -> None:
        self.seen = seen

    def decide(self) -> str:
        if self.says == "boom":
            raise ArithmeticError("no inverse")
        if self.says == "slow":
            self.wake.wait(10)
        return self.says

    def stopgaps(self, seen: str, /) -> Iterable[str]:
        return self.gaps


class _Field:
    """A field in which what is called bad is refused."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.takeovers = 0

    def look(self) -> str:
        return "seen"

    def taken_over(self) -> None:
        self.takeovers += 1

    def check(self, seen: str, plan: str, /) -> str:
        return f"{plan} is bad" if "bad" in plan else ""

    def carry_out(self, seen: str, plan: str, until_s: float, /) -> Mapping[str, Any]:
        self.sent.append(plan)
        return {"sent": 1}

    def explain(self, seen: str, plan: str, /) -> Mapping[str, Any]:
        return {"how": plan}


def _frame(says: str, home: Path) -> tuple[Frame[str, str], _Mind, _Field, _Lead]:
    mind, field, lead = _Mind(says), _Field(), _Lead()
    return Frame(mind, field, lead, Decisions(home / "log.jsonl"), every_s=0.2), mind, field, lead


@pytest.mark.parametrize(
    ("says", "sent", "objection", "count"),
    [
        ("good", ["good"], "", "turns"),
        ("bad", ["gap-good"], "bad is bad", "rejected"),
        ("boom", ["gap-good"], "late", "failed"),
        ("slow", ["gap-good"], "late", "late"),
    ],
)
def test_what_is_sent_has_passed_the_check(
    tmp_path: Path, says: str, sent: list[str], objection: str, count: str
) -> None:
    frame, mind, field, _ = _frame(says, tmp_path)
    frame.step(time.monotonic() + 0.2)
    mind.wake.set()
    assert field.sent == sent and frame.counts[count] == 1
    (decision,) = frame.decisions.last(5)
    assert decision["objection"] == objection and decision["how"] == sent[0] and decision["sent"] == 1


def test_where_nothing_passes_nothing_is_sent(tmp_path: Path) -> None:
    frame, mind, field, _ = _frame("bad", tmp_path)
    mind.gaps = ["gap-bad"]
    frame.step(time.monotonic() + 0.2)
    assert field.sent == [] and frame.counts["unsent"] == 1
    assert frame.decisions.last(1)[0]["objection"] == "bad is bad"


def test_while_one_decision_is_late_no_other_is_begun(tmp_path: Path) -> None:
    frame, mind, field, _ = _frame("slow", tmp_path)
    for _ in range(3):
        frame.step(time.monotonic() + 0.05)
    assert frame.counts["late"] == 3 and field.sent == ["gap-good"] * 3
    mind.says = "good"
    mind.wake.set()
    time.sleep(0.05)
    frame.step(time.monotonic() + 0.2)
    assert field.sent[-1] == "good"


def test_who_does_not_lead_says_nothing_and_asks_anew_when_it_does(tmp_path: Path) -> None:
    frame, _, field, lead = _frame("good", tmp_path)
    for leads in (False, True, True, False, True):
        lead.leads = leads
        frame.step(time.monotonic() + 0.2)
    assert field.sent == ["good"] * 3 and field.takeovers == 2


def test_turns_keep_their_beat(tmp_path: Path) -> None:
    frame, _, _, _ = _frame("good", tmp_path)
    ended = threading.Event()
    threading.Timer(1.1, ended.set).start()
    frame.run(ended)
    assert 2 <= frame.counts["turns"] <= 6, "never faster than the beat, however busy the machine"


def test_the_log_rotates_and_survives_a_disk_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "_FILE_MAX_BYTES", 100)
    log = Decisions(tmp_path / "log.jsonl")
    for number in range(60):
        log.add({"number": number, "why": "x" * 50})
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "log.jsonl",
        *(f"log.jsonl.{n}" for n in range(1, 5)),
    ]
    assert log.last(2)[0]["number"] == 59
    lost = Decisions(tmp_path / "none" / "log.jsonl")
    lost.add({"number": 1})
    assert lost.last(5) == [{"number": 1}]
