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
from functools import partial
from typing import Any

from edgeagent import grip
from edgeagent.commands import Answer
from edgeagent.config import DeviceConfig
from edgeagent.custody import Custody
from edgeagent.devices import Devices
from edgeagent.driving import Rank, Result, Then
from edgeagent.fingerprint import fingerprint
from edgeagent.hold import Hold, Policy, holds
from edgeagent.leases import Key, Lease, LeaseTable
from edgeagent.look import Look
from edgeagent.originals import Originals
from edgeagent.reach import Reach
from edgeagent.readback import Held, read_back
from edgeagent.report import Report
from edgeagent.setpoints import Setpoint, released, setpoint, unusable
from edgeagent.steering import Steering
from edgeagent_sdk.driver import ActuatorInfo, Driven, Sensor
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.messages import ActuatorDescription, Outcome, Severity

#: A held actuator is read back and, where the device forgets, held again this often.
_REFRESH_S = 1.0

#: A device has this long to take what it was told before the command is answered without it.
_ANSWER_S = 2.5

#: So long a stop waits for the devices to let go.
_FAREWELL_S = 1.0

#: The thread comes round at least this often; the watchdog asks.
_TURN_S = 1.0

#: When to try again what has been handed over and has not come back: not before.
_ONCE_BACK = 1 << 63


def _nothing(_: Result) -> None:
    """For what nobody waits for."""


class Control(threading.Thread):
    """Leases on the actuators of `devices`.

    Attributes:
        reverts: how often a held actuator was found at a value that was not its lease's.
    """

    def __init__(self, devices: Devices, originals: Originals, report: Report) -> None:
        super().__init__(name="control", daemon=True)
        self.reverts = 0
        self._devices, self._originals, self._report = devices, originals, report
        self._table = LeaseTable()
        self._holds: dict[Key, Hold] = {}
        #: Actuators that have not gone back yet to what they were, and when to try again.
        self._owed: dict[Key, int] = {}
        #: Those whose lease has ended by itself, and what they have gone to instead of their original.
        self._fallen: dict[Key, float] = {}
        self._steering = Steering(originals, report, self._hand_over, self._drop, self._lent)
        self._looks: list[Look] = []
        self._told: set[str] = set()
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
        config = self._devices.config(wanted.key.device)
        policy = Policy(config.on_revert == "reapply", config.fallback.get(wanted.key.actuator))
        until_ns = _in(wanted.lease_s)
        self._inbox.put(lambda: self._take(wanted, until_ns, policy, answer))

    def release(self, body: dict[str, Any], answer: Answer) -> None:
        """The command `release`; answered once the device has let go. Raises EdgeError to refuse."""
        key = released(body, self._known)
        self._inbox.put(lambda: self._release(key, answer))

    def actuators(self, body: dict[str, Any], answer: Answer) -> None:
        """The command `actuators`: what they are at, by whom and until when; all, or those of a `device`."""
        device = body.get("device")
        if device is not None:
            self._known(str(device))
        asked = [info for info in self._devices.actuators() if device in (None, info.device)]
        self._inbox.put(lambda: self._look(asked, answer))

    def reach(self, rank: Rank, device: str = "") -> Reach:
        """The actuators that `device`, or a part of the agent, may steer at that rank."""
        return Reach(self, self._devices, rank._replace(device=device), device)

    def drive(self, key: Key, rank: Rank, value: float, *, insist: bool) -> None:
        """Have an actuator at `value` at most, until the wish is renewed, withdrawn, or lapses."""
        self._inbox.put(lambda: self._steering.wish(key, rank, value, insist))

    def undrive(self, key: Key, rank: Rank) -> None:
        """Withdraw such a wish."""
        self._inbox.put(lambda: self._steering.withdraw(key, rank))

    def driven(self, key: Key, rank: Rank) -> Driven:
        """What has come of it, as `rank` is to know it."""
        return self._steering.state(key, rank)

    def let_go(self, devices: Collection[str] | None, why: str) -> None:
        """End the leases on `devices`, None for all; returns when they have let go, or after a second."""
        done = threading.Event()
        self._inbox.put(lambda: self._end_all(devices, why, done))
        done.wait(_FAREWELL_S)

    def finish(self) -> None:
        """End every lease, and the thread."""
        self.let_go(None, "the agent ends")
        self._inbox.put(self._end)

    def opened(self, device: str, sensor: Sensor) -> bool:
        """Give back what an earlier run has left changed; on the device's thread, before any order.

        Returns whether there was something.
        """
        try:
            config = self._devices.config(device)
        except EdgeError:
            return False  # it is being ended
        self._check_fallback(config, sensor)
        left = self._originals.load(device, fingerprint(config.driver, config.options, sensor.identity))
        for key in left:
            custody = Custody(key, self._originals, self._report, retried=True)
            result = grip.carry_out(sensor, key, grip.let_go(custody))
            if isinstance(result, DriverError):
                self._not_given_back(key, result)
                self._inbox.put(partial(self._owe, key))
        self._inbox.put(partial(self._hurry, device))
        return bool(left)

    def _check_fallback(self, config: DeviceConfig, sensor: Sensor) -> None:
        for name, value in config.fallback.items():
            why = unusable(name, value, sensor.actuators())
            if why and why not in self._told:
                self._told.add(why)
                self._report("fallback-unusable", f"fallback: {why}", Severity.WARNING, device=config.name)

    def _known(self, device: str) -> Sequence[ActuatorInfo]:
        return self._devices.sampler(device).actuators

    # The thread.

    def run(self) -> None:
        """The thread's body."""
        while not self._ending:
            self._read_inbox()
            now_ns = self._alive_ns = time.monotonic_ns()
            for lease in reversed(self._table.expire(now_ns)):  # the last lent first, as in `_end_all`
                self._expired(lease)
            self._steering.turn(now_ns, self._holds)
            for hold in list(self._holds.values()):
                self._keep(hold, now_ns)
            for look in [look for look in self._looks if look.over]:
                self._looks.remove(look)
                look.close()
            for key, again_ns in list(self._owed.items()):
                if now_ns >= again_ns:
                    self._drop(key)

    def _read_inbox(self) -> None:
        moments = [_in(_TURN_S), self._steering.next_ns(self._holds), *self._owed.values()]
        moments += [look.until_ns for look in self._looks]
        for hold in self._holds.values():
            moments += [hold.lease.until_ns, hold.wait_until_ns if hold.busy else hold.refresh_ns]
        try:
            self._inbox.get(timeout=max(0, min(moments) - time.monotonic_ns()) / 1e9)()
        except queue.Empty:
            pass

    def _take(self, wanted: Setpoint, until_ns: int, policy: Policy, answer: Answer) -> None:
        key = wanted.key
        before = self._holds.get(key)
        if before:
            before.answer(Outcome.REFUSED, key._asdict(), "another cap came after it")
        lease = self._table.grant(key, wanted.value, until_ns)
        hold = self._holds[key] = Hold(lease, wanted, policy, answer, before, self._report)
        hold.wait_until_ns = _in(_ANSWER_S)
        self._ask(hold, self._taking(hold), self._taken)

    def _taking(self, hold: Hold) -> grip.Action:
        """Have the device take what it lends, or less where somebody steers it lower."""
        key, value, until_ns, _ = hold.lease
        hold.target, hold.whose = self._steering.bounded(key, value), self._steering.decider(key)
        custody = Custody(key, self._originals, self._report)
        return grip.take(
            hold.target,
            until_ns,
            custody,
            wanted=lambda: not hold.given_up,
            driven=bool(hold.whose),
            urgent=self._steering.urgent(key),
        )

    def _taken(self, hold: Hold, result: Result) -> None:
        key = hold.lease.key
        if self._holds.get(key) is hold:
            self._steering.saw(key, result)
            if isinstance(result, DriverError):
                self._not_taken(hold, str(result))
            else:
                hold.refresh_ns = _in(_REFRESH_S)
                self._fallen.pop(key, None)
                hold.taken(result)
        elif key not in self._holds:
            self._drop(key)  # it came too late, and nobody wants it any more

    def _not_taken(self, hold: Hold, why: str) -> None:
        """What held before holds on, if anything did."""
        before, hold.given_up = hold.before, True
        hold.answer(Outcome.REFUSED, hold.lease.key._asdict(), why)
        if before and self._table.restore(before.lease, time.monotonic_ns()):
            before.busy, before.refresh_ns, before.overwritten = False, 0, True
            self._holds[hold.lease.key] = before
        elif before:
            self._ran_out(hold, before.policy.fallback)
        else:
            self._over(hold.lease, why)

    def _keep(self, hold: Hold, now_ns: int) -> None:
        """Hold on to it, if that is due; only while the device's readings are fresh."""
        key, value, until_ns, _ = hold.lease
        if self._steering.bounded(key, value) != hold.target and not hold.busy:
            hold.overwritten, hold.refresh_ns = True, 0
        if hold.busy:
            if now_ns >= hold.wait_until_ns:
                hold.wait_until_ns = _in(_TURN_S)
                if hold.waited_for:
                    self._not_taken(hold, f"{key.device} does not take it: its driver hangs")
        elif now_ns >= hold.refresh_ns:
            hold.refresh_ns = hold.wait_until_ns = _in(_REFRESH_S)
            if self._fresh(key.device):
                if hold.overwritten:
                    action = self._taking(hold)
                else:
                    reapply, driven = hold.policy.reapply, bool(hold.whose)
                    action = grip.refresh(hold.target, until_ns, reapply=reapply, driven=driven)
                self._ask(hold, action, self._refreshed)

    def _fresh(self, device: str) -> bool:
        try:
            return not self._devices.sampler(device).stale
        except EdgeError:
            return False

    def _refreshed(self, hold: Hold, result: Result) -> None:
        if self._holds.get(hold.lease.key) is not hold:
            return
        self._steering.saw(hold.lease.key, result)
        if isinstance(result, DriverError):
            hold.failed(str(result))
        elif not hold.seen(result):
            self.reverts += 1
            if not hold.policy.reapply:
                self._over(hold.lease, "it yields to who has set it")

    def _release(self, key: Key, answer: Answer) -> None:
        hold = self._holds.get(key)
        nothing = {**key._asdict(), "lease_s": 0.0}

        def let_go(result: Result) -> None:
            if isinstance(result, DriverError):
                answer(Outcome.APPLIED, nothing, f"the device could not be told: {result}")
            else:
                answer(Outcome.APPLIED, holds(Lease(key, result.value, 0, 0), result))

        self._fallen.pop(key, None)
        if hold:
            self._over(hold.lease, "it was released", let_go)
        elif key in self._originals:  # it is at its fallback
            self._drop(key, let_go)
        else:
            answer(Outcome.APPLIED, nothing, "no lease held it")

    def _expired(self, lease: Lease) -> None:
        hold = self._holds[lease.key]
        if hold.began:
            self._ran_out(hold, hold.policy.fallback)
        else:
            self._not_taken(hold, "its time was over before the device had taken it")

    def _ran_out(self, hold: Hold, fallback: float | None) -> None:
        goes = ""
        if fallback is not None and hold.fits(fallback):
            self._fallen[hold.lease.key] = fallback
            goes = f"; it goes to its fallback, {fallback:g}"
        self._over(hold.lease, f"its time was over{goes}")

    def _over(self, lease: Lease, why: str, then: Then = _nothing) -> None:
        """End a lease, and have the device let go."""
        self._table.revoke(lease.key)
        self._holds.pop(lease.key).ended(why)
        self._drop(lease.key, then)

    def _drop(self, key: Key, then: Then = _nothing) -> None:
        """Have the device let go; one that keeps no leases is asked until it has.

        One that somebody steers is steered on.
        """
        if self._steering.take_over(key, then):
            self._owed.pop(key, None)
            return
        again = key in self._owed
        custody = Custody(key, self._originals, self._report, retried=again)
        if key in self._originals:
            self._owed[key] = _ONCE_BACK

        def dropped(result: Result) -> None:
            if isinstance(result, Held) or key in self._holds:
                self._owed.pop(key, None)
            elif key in self._owed:
                self._owed[key] = _in(_TURN_S)
                if not again:
                    self._not_given_back(key, result)
            then(result)

        self._hand_over(key, grip.let_go(custody, self._fallen.get(key)), dropped)

    def _lent(self, key: Key) -> float | None:
        """What its lease, or the fallback after it, allows an actuator at most."""
        if key in self._holds:
            return self._holds[key].lease.value
        return self._fallen.get(key) if key in self._originals else None

    def _owe(self, key: Key) -> None:
        self._owed.setdefault(key, 0)

    def _hurry(self, device: str) -> None:
        """It has been opened, perhaps anew: what hangs in its old thread is waited for no longer."""
        self._steering.opened(device)
        for key in self._owed:
            if key.device == device:
                self._owed[key] = 0

    def _not_given_back(self, key: Key, error: DriverError) -> None:
        words = f"{key.actuator}: cannot be set back to what it was found at: {error}; tried until it can"
        data = {"actuator": key.actuator}
        self._report("actuator-fault", words, Severity.ERROR, device=key.device, data=data)

    def _look(self, asked: Sequence[ActuatorDescription], answer: Answer) -> None:
        look = Look(asked, answer, _in(_ANSWER_S))
        self._looks.append(look)
        for info in asked:
            self._look_at(look, Key(info.device, info.actuator))

    def _look_at(self, look: Look, key: Key) -> None:
        def seen(result: Result) -> None:
            fallen = key in self._fallen and key in self._originals
            decider = self._steering.decider(key)
            look.take(key, result, self._holds.get(key), fallen=fallen, decider=decider)

        self._hand_over(key, read_back, seen)

    def _end_all(self, devices: Collection[str] | None, why: str, done: threading.Event) -> None:
        driven = self._steering.end(devices)
        leases = {lease.key: lease for lease in self._table}
        changed = self._originals.keys()
        known = [*(key for key in dict.fromkeys([*driven, *leases]) if key not in changed), *changed]
        ending = [key for key in known if devices is None or key.device in devices]
        left = len(ending)

        def one_less(_: Result) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done.set()

        for key in ending:
            self._fallen.pop(key, None)
            if key in leases:
                self._over(leases[key], why, one_less)
            else:
                self._drop(key, one_less)
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
