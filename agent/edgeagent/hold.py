"""One lease at work: who waits for it, whether it has begun, and whether the device obeys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from edgeagent.commands import Answer
from edgeagent.leases import Lease
from edgeagent.readback import Held
from edgeagent.report import Report
from edgeagent.setpoints import Setpoint
from edgeagent_sdk.messages import Outcome, Severity


class Policy(NamedTuple):
    """What the configuration says about an actuator.

    Args:
        reapply: what somebody else sets under a lease is set again; else the lease ends.
        fallback: what it goes to when a lease ends by itself; None for what it was found at.
    """

    reapply: bool
    fallback: float | None


class Hold:
    """What the control knows of one lease, beside the lease.

    Args:
        before: the hold in whose place this one comes; it comes back if the device does not take this.

    Attributes:
        busy: an order is with the device.
        by: whoever asked for it, in his own words.
        wait_until_ns: how long that order is waited for.
        refresh_ns: when the device is to be told again.
        given_up: what has not been carried out of its orders is not to be any more.
        overwritten: an order that came after it may have set another value: ours, though not this one's.
        target: what the device was last told: the lease's value, or less where somebody steers it lower.
        whose: who does, then.
    """

    def __init__(
        self,
        lease: Lease,
        wanted: Setpoint,
        policy: Policy,
        answer: Answer,
        before: Hold | None,
        report: Report,
    ) -> None:
        self.lease, self.policy = lease, policy
        self.began: bool = False
        self.busy = self.given_up = self.overwritten = False
        # One that never began has nothing to come back to but what was before it.
        self.before: Hold | None = before if before is None or before.began else before.before
        self.wait_until_ns = self.refresh_ns = 0
        self.by = wanted.by
        self.target, self.whose = lease.value, ""
        self._info, self._remarks = wanted.info, list(wanted.remarks)
        self._answer: Answer | None = answer
        self._report = report
        self._reverted: bool = before is not None and before._reverted
        self._trouble = ""

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for an answer."""
        return self._answer is not None

    def taken(self, held: Held) -> None:
        """The device has taken it; this is what it holds now."""
        before, self.before, self.began = self.before, None, True
        if before is None or before.lease.value != self.lease.value:
            whose = f"a lease of {self.by}" if self.by else "a lease"
            self._tell("lease-began", f"{whose} holds it at {self.lease.value:g} for {self._left_s:.0f} s")
        self.seen(held)
        if self._reverted:
            self._remarks.append(f"what decides is {held.by or 'not known'}")
        elif self.target < self.lease.value:
            self._remarks.append(f"{self.whose} keeps it at {self.target:g}")
        self.answer(Outcome.CLAMPED if self._remarks else Outcome.APPLIED, holds(self.lease, held))

    def seen(self, held: Held) -> bool:
        """What the device held when it was asked; whether that was ours, not somebody else's."""
        self._trouble, self.overwritten = "", False
        obeys = self.obeyed(held)
        if not obeys and not self._reverted:
            who = held.by or "somebody else has set it"
            words = f"is {held.value:g}, although a lease holds it at {self.target:g}: {who}"
            self._tell("actuator-reverted", words, Severity.WARNING, found=held.value, by=held.by)
        elif obeys and self._reverted:
            self._tell("actuator-recovered", f"is {held.value:g} again, as its lease says")
        self._reverted = not obeys
        return obeys

    def obeyed(self, held: Held) -> bool:
        """Whether that is what the lease says, or who steers it below that."""
        return held.is_(self.target, self._info.step)

    def failed(self, why: str) -> None:
        """The device could not be asked."""
        if not self._trouble:
            self._tell("actuator-fault", f"cannot be held at {self.lease.value:g}: {why}", Severity.ERROR)
        self._trouble = why

    def ended(self, why: str) -> None:
        """It is over; who still waits is refused."""
        self.answer(Outcome.REFUSED, self.lease.key._asdict(), why)
        if self.began or self.before:
            lease = self.lease if self.began or not self.before else self.before.lease
            self._tell("lease-ended", f"its lease on {lease.value:g} ended: {why}")

    def answer(self, outcome: Outcome, what: Mapping[str, Any], why: str = "") -> None:
        """Answer who waits, if anybody does."""
        if self._answer:
            self._answer(outcome, what, why or "; ".join(self._remarks))
        self._answer = None

    def fits(self, value: float) -> bool:
        """Whether the actuator can be at that."""
        return self._info.minimum <= value <= self._info.maximum

    @property
    def _left_s(self) -> float:
        return self.lease.left_s(time.monotonic_ns())

    def _tell(self, kind: str, words: str, severity: Severity = Severity.INFO, **more: Any) -> None:
        key, value = self.lease.key, self.lease.value
        data = {
            "actuator": key.actuator,
            "value": value,
            "lease_s": round(self._left_s, 3),
            "lease_by": self.by,
        }
        self._report(kind, f"{key.actuator}: {words}", severity, device=key.device, data={**data, **more})


def holds(lease: Lease, held: Held) -> dict[str, Any]:
    """What a reply says that holds."""
    left_s = round(lease.left_s(time.monotonic_ns()), 3)
    by = {"by": held.by} if held.by else {}
    return {**lease.key._asdict(), "value": held.value, "lease_s": left_s, **by}
