"""The control: lends setpoints to actuators for a time, keeps them held meanwhile, and lets go in time.

One thread owns the leases; it waits for no disk, network or device. What is to be done to a device is
handed to the device's own thread, and what came of it comes back through the inbox. A device that keeps
leases itself is held on to in short turns: when this thread hangs or dies, the device lets go by itself.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from edgeagent import grip
from edgeagent.commands import Answer
from edgeagent.devices import Devices
from edgeagent.grip import Held
from edgeagent.hold import Hold, holds
from edgeagent.leases import Key, Lease, LeaseTable
from edgeagent.report import Report
from edgeagent.setpoints import Setpoint, released, setpoint
from edgeagent_sdk.driver import ActuatorInfo
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.messages import Outcome

#: A held actuator is read back and, where the device forgets, held again this often.
_REFRESH_S = 1.0

#: A device has this long to take what it was told before the command is answered without it.
_ANSWER_S = 2.5

#: So long a stop waits for the devices to let go.
_FAREWELL_S = 1.0

#: The thread comes round at least this often; the watchdog asks.
_TURN_S = 1.0

Result = Held | DriverError
Then = Callable[[Result], None]


def _nothing(_: Result) -> None:
    """For what nobody waits for."""


class Control(threading.Thread):
    """Leases on the actuators of `devices`."""

    def __init__(self, devices: Devices, report: Report) -> None:
        super().__init__(name="control", daemon=True)
        self._devices, self._report = devices, report
        self._table = LeaseTable()
        self._holds: dict[Key, Hold] = {}
        #: What devices that keep no leases held before the first change, and when to try again to give
        #: it back to those that could not be reached.
        self._originals: dict[Key, float] = {}
        self._owed: dict[Key, int] = {}
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._alive_ns = time.monotonic_ns()
        self._ending = False

    # From any thread.

    @property
    def silent_s(self) -> float:
        """Seconds since the thread last came round."""
        return (time.monotonic_ns() - self._alive_ns) / 1e9

    def cap(self, body: dict[str, Any], answer: Answer) -> None:
        """The command `cap`; answered once the device has taken it. Raises EdgeError to refuse."""
        wanted = setpoint(body, self._known)
        until_ns = _in(wanted.lease_s)
        self._inbox.put(lambda: self._take(wanted, until_ns, answer))

    def release(self, body: dict[str, Any], answer: Answer) -> None:
        """The command `release`; answered once the device has let go. Raises EdgeError to refuse."""
        key = released(body, self._known)
        self._inbox.put(lambda: self._release(key, answer))

    def let_go(self, devices: Collection[str] | None, why: str) -> None:
        """End the leases on `devices`, None for all; returns when they have let go, or after a second."""
        done = threading.Event()
        self._inbox.put(lambda: self._end_all(devices, why, done))
        done.wait(_FAREWELL_S)

    def finish(self) -> None:
        """End every lease, and the thread."""
        self.let_go(None, "the agent ends")
        self._inbox.put(self._end)

    def _known(self, device: str) -> Sequence[ActuatorInfo]:
        return self._devices.sampler(device).actuators

    # The thread.

    def run(self) -> None:
        """The thread's body."""
        while not self._ending:
            self._read_inbox()
            now_ns = self._alive_ns = time.monotonic_ns()
            for lease in self._table.expire(now_ns):
                self._over(lease, "its time was over")
            for hold in list(self._holds.values()):
                self._keep(hold, now_ns)
            for key, again_ns in list(self._owed.items()):
                if now_ns >= again_ns:
                    self._drop(key)

    def _read_inbox(self) -> None:
        moments = [_in(_TURN_S), *self._owed.values()]
        for hold in self._holds.values():
            moments += [hold.lease.until_ns, hold.wait_until_ns if hold.busy else hold.refresh_ns]
        try:
            self._inbox.get(timeout=max(0, min(moments) - time.monotonic_ns()) / 1e9)()
        except queue.Empty:
            pass

    def _take(self, wanted: Setpoint, until_ns: int, answer: Answer) -> None:
        key = wanted.key
        before = self._holds.get(key)
        if before:
            before.answer(Outcome.REFUSED, key._asdict(), "another cap came after it")
        lease = self._table.grant(key, wanted.value, until_ns)
        hold = self._holds[key] = Hold(lease, wanted, answer, before, self._report)
        hold.wait_until_ns = _in(_ANSWER_S)

        def found(value: float) -> None:
            self._originals.setdefault(key, value)

        self._ask(hold, grip.take(wanted.value, until_ns, found), self._taken)

    def _taken(self, hold: Hold, result: Result) -> None:
        key = hold.lease.key
        if self._holds.get(key) is hold:
            if isinstance(result, DriverError):
                self._not_taken(hold, str(result))
            else:
                hold.refresh_ns = _in(_REFRESH_S)
                hold.taken(result)
        elif key not in self._holds:
            self._drop(key)  # it came too late, and nobody wants it any more

    def _not_taken(self, hold: Hold, why: str) -> None:
        """What held before holds on, if anything did."""
        before = hold.before
        hold.answer(Outcome.REFUSED, hold.lease.key._asdict(), why)
        if before and self._table.restore(before.lease, time.monotonic_ns()):
            before.busy, before.refresh_ns = False, 0
            self._holds[hold.lease.key] = before
        else:
            self._over(hold.lease, why)

    def _keep(self, hold: Hold, now_ns: int) -> None:
        """Hold on to it, if that is due; only while the device's readings are fresh."""
        key, value, until_ns, _ = hold.lease
        if hold.busy:
            if now_ns >= hold.wait_until_ns:
                hold.wait_until_ns = _in(_TURN_S)
                if hold.waited_for:
                    self._not_taken(hold, f"{key.device} does not take it: its driver hangs")
        elif now_ns >= hold.refresh_ns:
            hold.refresh_ns = hold.wait_until_ns = _in(_REFRESH_S)
            if self._fresh(key.device):
                self._ask(hold, grip.refresh(value, until_ns), self._refreshed)

    def _fresh(self, device: str) -> bool:
        try:
            return not self._devices.sampler(device).stale
        except EdgeError:
            return False

    def _refreshed(self, hold: Hold, result: Result) -> None:
        if self._holds.get(hold.lease.key) is not hold:
            return
        if isinstance(result, DriverError):
            hold.failed(str(result))
        else:
            hold.seen(result)

    def _release(self, key: Key, answer: Answer) -> None:
        hold = self._holds.get(key)
        nothing = {**key._asdict(), "lease_s": 0.0}
        if hold is None:
            answer(Outcome.APPLIED, nothing, "no lease held it")
            return
        ended = hold.lease._replace(until_ns=0)

        def let_go(result: Result) -> None:
            if isinstance(result, DriverError):
                answer(Outcome.APPLIED, nothing, f"the device could not be told: {result}")
            else:
                answer(Outcome.APPLIED, holds(ended, result))

        self._over(hold.lease, "it was released", let_go)

    def _over(self, lease: Lease, why: str, then: Then = _nothing) -> None:
        """End a lease, and have the device let go."""
        self._table.revoke(lease.key)
        self._holds.pop(lease.key).ended(why)
        self._drop(lease.key, then)

    def _drop(self, key: Key, then: Then = _nothing) -> None:
        """Have the device let go; one that keeps no leases is asked until it has."""
        original = self._originals.get(key)
        if original is not None:
            self._owed[key] = _in(_TURN_S)

        def dropped(result: Result) -> None:
            if key in self._holds:
                self._owed.pop(key, None)  # it is held again
            elif isinstance(result, Held):
                self._owed.pop(key, None)
                self._originals.pop(key, None)
            then(result)

        self._hand_over(key, grip.let_go(original), dropped)

    def _end_all(self, devices: Collection[str] | None, why: str, done: threading.Event) -> None:
        ending = [lease for lease in self._table if devices is None or lease.key.device in devices]
        left = len(ending)

        def one_less(_: Result) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done.set()

        for lease in ending:
            self._over(lease, why, one_less)
        if not ending:
            done.set()

    def _end(self) -> None:
        self._ending = True

    def _ask(self, hold: Hold, action: grip.Action, then: Callable[[Hold, Result], None]) -> None:
        def answered(result: Result) -> None:
            hold.busy = False
            then(hold, result)

        hold.busy = True
        self._hand_over(hold.lease.key, action, answered)

    def _hand_over(self, key: Key, action: grip.Action, then: Then) -> None:
        """Have `action` done by the device's thread; `then` is called by this one."""

        def done(result: Result) -> None:
            self._inbox.put(lambda: then(result))

        try:
            grip.hand_over(self._devices.sampler(key.device), key, action, done)
        except EdgeError as error:
            done(DriverError(str(error)))


def _in(seconds: float) -> int:
    """The moment of the monotonic clock, ns, in so many seconds."""
    return time.monotonic_ns() + int(seconds * 1e9)
