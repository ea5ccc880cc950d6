"""What runs an optimizer, whatever it decides about: clock, deadline, lead, check, dispatch, log, figures.

Each turn: look → observe → decide, in a worker → check → carry out. A decision that comes too late, or does
not pass the check, gives way to the optimizer's stopgaps; where none of them passes, nothing is sent, and the
leases run out. Who does not lead looks on, and says nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from edgeagent_central.optimize.decisions import Decisions

_LOG = logging.getLogger("edgeagent")

#: A decision may take so much of a turn; the rest is for carrying it out.
_DEADLINE: Final = 0.5

Seen = TypeVar("Seen")
Plan = TypeVar("Plan")
SeenIn = TypeVar("SeenIn", contravariant=True)
PlanIn = TypeVar("PlanIn", contravariant=True)
PlanOut = TypeVar("PlanOut", covariant=True)


class Optimizer(Protocol[SeenIn, PlanOut]):
    """What decides. Its methods are called by one thread at a time, but for `stopgaps`."""

    def observe(self, seen: SeenIn, /) -> None:
        """Take in what is known now."""

    def decide(self) -> PlanOut:
        """What to do until the next turn."""

    def stopgaps(self, seen: SeenIn, /) -> Iterable[PlanOut]:
        """Plans for when `decide` is late or wrong, best first; cheap, and while `decide` still runs."""


class Field(Protocol[Seen, PlanIn]):
    """What it decides about, as it is reached in the field."""

    def look(self) -> Seen:
        """What is known now."""

    def taken_over(self) -> None:
        """From now on we lead: what others have done is to be asked for."""

    def check(self, seen: Seen, plan: PlanIn, /) -> str:
        """Why a plan must not be sent; empty if it may."""

    def carry_out(self, seen: Seen, plan: PlanIn, until_s: float, /) -> Mapping[str, Any]:
        """Send it; return before `until_s` of the monotonic clock, with what was done."""

    def explain(self, seen: Seen, plan: PlanIn, /) -> Mapping[str, Any]:
        """What was decided and why, for the log."""


class Lead(Protocol):
    """Whether we are in charge."""

    @property
    def leads(self) -> bool:
        """At this moment."""


@dataclass(frozen=True)
class Turn(Generic[Seen, Plan]):
    """The last turn in which something was decided."""

    time_s: float
    seen: Seen
    plan: Plan


class Frame(Generic[Seen, Plan]):
    """Turns of an optimizer.

    Args:
        every_s: how often.

    Attributes:
        counts: turns, and those that were late, rejected or skipped.
        took_s: time that deciding has taken in all.
        turn: the last one that decided something.
    """

    def __init__(
        self,
        optimizer: Optimizer[Seen, Plan],
        field: Field[Seen, Plan],
        lead: Lead,
        decisions: Decisions,
        *,
        every_s: float = 1.0,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.took_s = 0.0
        self.turn: Turn[Seen, Plan] | None = None
        self._optimizer, self._field, self._lead = optimizer, field, lead
        self.decisions = decisions
        self._every_s = every_s
        self._worker = ThreadPoolExecutor(1, "decide")
        self._thinking: Future[Plan] | None = None
        self._led = False

    def run(self, ended: threading.Event) -> None:
        """Take turns until `ended`; those for which it is too late are left out, not made up for."""
        next_s = time.monotonic()
        while not ended.wait(max(0.0, next_s - time.monotonic())):
            self.step(next_s + self._every_s)
            passed = int((time.monotonic() - next_s) / self._every_s)
            self.counts["skipped"] += max(0, passed - 1) if passed > 1 else 0
            next_s += self._every_s * max(1, passed)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def step(self, until_s: float) -> None:
        """One turn, over by about `until_s` of the monotonic clock."""
        begun_s = time.monotonic()
        leads = self._lead.leads
        if leads and not self._led:
            _LOG.info("in charge now")
            self._field.taken_over()
        elif self._led and not leads:
            _LOG.warning("no longer in charge")
        self._led = leads
        seen = self._field.look()
        if not leads:
            return
        plan = self._thought(seen, until_s - (1 - _DEADLINE) * self._every_s)
        took_s = time.monotonic() - begun_s
        self.counts["turns"] += 1
        self.took_s += took_s
        plan, objection = self._fit(seen, plan)
        said: dict[str, Any] = {"time_s": time.time(), "took_s": round(took_s, 4), "objection": objection}
        if plan is not None:
            self.turn = Turn(said["time_s"], seen, plan)
            said |= self._field.explain(seen, plan)
            said |= self._field.carry_out(seen, plan, until_s)
        self.decisions.add(said)

    def _thought(self, seen: Seen, deadline_s: float) -> Plan | None:
        """What the optimizer says to this; None if it does not in time."""
        if self._thinking and not self._thinking.done():
            self.counts["late"] += 1
            return None
        self._thinking = self._worker.submit(self._think, seen)
        try:
            return self._thinking.result(max(0.0, deadline_s - time.monotonic()))
        except TimeoutError:
            self.counts["late"] += 1
            _LOG.warning("the decision is late; an earlier or plainer one is carried out")
        except Exception:
            # Whatever it is that a solver cannot cope with, the site is still to be held within its limits.
            self.counts["failed"] += 1
            _LOG.exception("the optimizer failed; an earlier or plainer decision is carried out")
        return None

    def _think(self, seen: Seen) -> Plan:
        self._optimizer.observe(seen)
        return self._optimizer.decide()

    def _fit(self, seen: Seen, plan: Plan | None) -> tuple[Plan | None, str]:
        """The plan, or the first stopgap that passes the check; and what is said against the plan."""
        first = ""
        if plan is not None:
            first = self._field.check(seen, plan)
            if not first:
                return plan, ""
            self.counts["rejected"] += 1
            _LOG.warning("a plan does not pass the check and is not sent: %s", first)
        first = first or "late"
        for stopgap in self._optimizer.stopgaps(seen):
            if not self._field.check(seen, stopgap):
                return stopgap, first
        self.counts["unsent"] += 1
        _LOG.error("no plan passes the check; nothing is sent, and the leases run out")
        return None, first
