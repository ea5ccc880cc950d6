"""All that is steered: wishes become orders for the devices, on the thread of the control."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from time import monotonic_ns

from edgeagent import grip
from edgeagent.custody import Custody
from edgeagent.driving import LEASE, Driving, Order, Rank, Result, Then
from edgeagent.leases import Key
from edgeagent.originals import Originals
from edgeagent.report import Report
from edgeagent_sdk.driver import Driven
from edgeagent_sdk.messages import Severity

HandOver = Callable[[Key, grip.Action, Then], None]
Drop = Callable[[Key], None]
Lent = Callable[[Key], float | None]


class Steering:
    """The drivings of all actuators.

    Args:
        hand_over: has an action done by the device's thread, and what came of it told on this one.
        drop: has an actuator given back.
        lent: what a lease, or its fallback, allows it at most; None if there is neither.

    Attributes:
        met: how often a driven actuator was found at another process's value.
    """

    def __init__(
        self, originals: Originals, report: Report, hand_over: HandOver, drop: Drop, lent: Lent
    ) -> None:
        self.met = 0
        self._originals, self._report = originals, report
        self._hand_over, self._drop, self._lent = hand_over, drop, lent
        self._drivings: dict[Key, Driving] = {}
        #: Devices that are being ended: nothing is set that nobody would give back.
        self._shut: set[str] = set()
        self._closed = False

    def state(self, key: Key, rank: Rank) -> Driven:
        """What has come of it; for any thread."""
        driving = self._drivings.get(key)
        return driving.state(rank) if driving else Driven()

    def wish(self, key: Key, rank: Rank, value: float, insist: bool) -> None:
        """`rank` wants it at `value` at most."""
        if not self._closed and key.device not in self._shut:
            driving = self._drivings.setdefault(key, Driving(key))
            driving.wish(rank, value, monotonic_ns(), insist=insist)

    def withdraw(self, key: Key, rank: Rank) -> None:
        """`rank` wants nothing of it any more."""
        if driving := self._drivings.get(key):
            driving.withdraw(rank)

    def turn(self, now_ns: int, held: Collection[Key]) -> None:
        """Give the orders that are due; those that are `held` get theirs by their lease."""
        for key, driving in self._drivings.items():
            lent = self._lent(key)
            if lent is None:
                driving.withdraw(LEASE)
            else:
                driving.wish(LEASE, lent, now_ns)
            driving.lapse(now_ns)
            if driving.late_ns <= now_ns:
                self._hangs(driving)
            if not driving.driven:
                if driving.begun and not driving.busy:
                    driving.forget()
                    self._drop(key)
            elif key not in held and driving.due_ns <= now_ns:
                self._send(driving, now_ns)

    def next_ns(self, held: Collection[Key]) -> float:
        """When `turn` is to come at the latest."""
        moments = [min(driving.until_ns, driving.late_ns) for driving in self._drivings.values()]
        moments += [driving.due_ns for key, driving in self._drivings.items() if key not in held]
        return min(moments, default=float("inf"))

    def bounded(self, key: Key, value: float) -> float:
        """What a lease on `value` comes to under all who steer."""
        driving = self._drivings.get(key)
        return min(value, driving.wanted) if driving and driving.driven else value

    def decider(self, key: Key) -> str:
        """Who decides what it is at; empty if nobody steers it."""
        driving = self._drivings.get(key)
        return driving.decider if driving and driving.driven else ""

    def urgent(self, key: Key) -> bool:
        """Whether what is wanted of it waits for no disk."""
        driving = self._drivings.get(key)
        return driving is not None and driving.urgent

    def take_over(self, key: Key, then: Then) -> bool:
        """Whether it is driven on now that no lease holds it; then `then` learns what it is at."""
        driving = self._drivings.get(key)
        if driving is None or not driving.driven:
            return False
        driving.take_over(then)
        return True

    def saw(self, key: Key, result: Result) -> None:
        """A lease that holds it has read it back."""
        if driving := self._drivings.get(key):
            driving.begun = driving.begun or driving.driven
            driving.saw(result)

    def end(self, devices: Collection[str] | None) -> list[Key]:
        """Nobody steers these devices any more, None for all; what has been driven of them.

        Those that are opened again can be steered again.
        """
        self._closed = self._closed or devices is None
        self._shut |= set(devices or ())
        ended = []
        for key, driving in self._drivings.items():
            if devices is None or key.device in devices:
                driving.withdraw(*(rank for rank in driving.ranks if rank is not LEASE))
                if driving.begun:
                    ended.append(key)
                driving.forget()
        return ended

    def opened(self, device: str) -> None:
        """It has been opened, perhaps anew: what hangs in its old thread is waited for no longer."""
        self._shut.discard(device)
        for key, driving in self._drivings.items():
            if key.device == device:
                driving.busy = False

    def _send(self, driving: Driving, now_ns: int) -> None:
        order = driving.order(now_ns)
        custody = Custody(driving.key, self._originals, self._report)
        self._hand_over(driving.key, grip.drive(order, custody), partial(self._done, driving, order))

    def _done(self, driving: Driving, order: Order, result: Result) -> None:
        news = driving.done(order, result, monotonic_ns())
        if order.met:
            self.met += 1
        if news == "again":
            self._tell(driving.key, "actuator-recovered", "can be driven again", Severity.INFO)
        elif news:
            words = f"cannot be driven to {order.value:g}: {news}; tried again, with growing pauses"
            self._tell(driving.key, "actuator-fault", words, Severity.ERROR)

    def _hangs(self, driving: Driving) -> None:
        driving.hangs("its driver hangs")
        words = "is not at what it is driven to, or nobody knows: its driver hangs"
        self._tell(driving.key, "actuator-fault", words, Severity.ERROR)

    def _tell(self, key: Key, kind: str, words: str, severity: Severity) -> None:
        data = {"actuator": key.actuator}
        self._report(kind, f"{key.actuator}: {words}", severity, device=key.device, data=data)
