"""One thread for one device: opens it, reads it in time, and comes back after its failures."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from edgeagent.clock import Clock
from edgeagent.report import Report
from edgeagent.schedule import Schedule
from edgeagent.stream import Change, Rules, Stream
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import ActuatorInfo, Sensor
from edgeagent_sdk.errors import DeviceChanged, DriverError
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import Identity

_REOPEN_MIN_S, _REOPEN_MAX_S = 1.0, 60.0

#: A device may take this long to open, whatever its interval.
_OPEN_S = 15.0


Deliver = Callable[[str, int], None]

Opened = Callable[[str, Sensor], bool]

Order = Callable[[Sensor | None], None]
"""Something to be done on the device's own thread; it gets None while the device is not open."""


class Sampler(threading.Thread):
    """Reads one device until `stop`.

    Args:
        device: its name; `sensor` its driver, not yet open.
        deliver: called with lines and their number after each pass.
        opened: called with the driver once it is open, on this thread and before any order; whether it
            has set something.
        changed: called when the channels have become known or have changed.
    """

    def __init__(
        self,
        device: str,
        sensor: Sensor,
        identity: Identity,
        rules: Rules,
        schedule: Schedule,
        *,
        stale_after_s: float,
        clock: Clock,
        deliver: Deliver,
        opened: Opened,
        changed: Callable[[], None],
        report: Report,
    ) -> None:
        super().__init__(name=f"device-{device}", daemon=True)
        self.device = device
        self.sensor = sensor
        self.schedule = schedule
        self.stream: Stream | None = None
        self.actuators: list[ActuatorInfo] = []
        self.readings = 0
        self.faults = 0
        self._identity, self._rules = identity, rules
        self._stale_after_s = stale_after_s
        self._clock, self._deliver, self._opened = clock, deliver, opened
        self._changed, self._report = changed, report
        self._ended = threading.Event()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._abandoned = False
        self._seen_ns = time.monotonic_ns()
        self.trouble = ""
        self._stale = False
        self._excused_ns = 0

    def stop(self) -> None:
        """Ask the thread to end; the read that it is in still counts."""
        self._ended.set()
        self._orders.put(lambda sensor: None)  # wakes it

    def order(self, order: Order) -> None:
        """Have something done: at once, or after the read that the thread is in. It must not raise."""
        self._orders.put(order)

    def abandon(self) -> None:
        """Give up on a thread that hangs in its driver: what it may still read no longer counts."""
        self._abandoned = True

    @property
    def age_s(self) -> float:
        """Seconds since the device was last read well, or since the start."""
        return (time.monotonic_ns() - self._seen_ns) / 1e9

    @property
    def stale(self) -> bool:
        """Whether what it last read is too old to act upon."""
        return self.age_s > self._stale_after_s

    def latest(self, key: tuple[str, str]) -> tuple[Value, float]:
        """A channel's last value and its age in seconds; a fault if that is too old to act upon."""
        age_s = self.age_s
        if self.stream is None or age_s > self._stale_after_s:
            return Fault(f"{self.device}/{'/'.join(key)} was last read {age_s:.1f} s ago"), age_s
        value = self.stream.latest(key)
        if isinstance(value, Fault):
            value = Fault(f"{self.device}/{'/'.join(key)}: {value.reason}")
        return value, age_s + self.sensor.age_s

    def excuse(self) -> None:
        """The whole process stood still: its silence until now is not the driver's."""
        if not self._stale:
            self._excused_ns = time.monotonic_ns()

    def check_stale(self) -> None:
        """Called from outside, because a thread that hangs in its driver cannot say so itself."""
        silent_s = (time.monotonic_ns() - max(self._seen_ns, self._excused_ns)) / 1e9
        stale = silent_s > (self._stale_after_s if self.stream else max(_OPEN_S, self._stale_after_s))
        if stale and not self._stale and not self.trouble:
            self._report(
                "stale",
                f"no reading for {self.age_s:.1f} s; the driver hangs",
                Severity.ERROR,
                device=self.device,
            )
        self._stale = stale

    def run(self) -> None:
        """The thread's body."""
        pause_s = _REOPEN_MIN_S
        while not self._ended.is_set():
            before = self.readings
            retry_s = None
            try:
                self._adopt(self._open())
                self._tell_occurrences()
                self._sample()
            except DeviceChanged as error:
                retry_s = error.retry_s
                self._tell_of_change(str(error))
            except DriverError as error:
                retry_s = error.retry_s
                self._failed(str(error))
            except Exception as error:
                # A driver is anybody's code: its bug costs its own device, with a word, and no other.
                self._failed(f"the driver failed: {type(error).__name__}: {error}")
            self._close()
            pause_s = _REOPEN_MIN_S if self.readings > before else min(2 * pause_s, _REOPEN_MAX_S)
            self._wait(time.monotonic_ns() + int((retry_s or pause_s) * 1e9), None)
        while not self._orders.empty():
            self._orders.get()(None)

    def _wait(self, until_ns: int, sensor: Sensor | None) -> bool:
        """Carry out orders until then, one at least if any waits; False once the thread is to end."""
        while not self._ended.is_set():
            wait_s = max(0, until_ns - time.monotonic_ns()) / 1e9
            try:
                order = self._orders.get(timeout=wait_s)
            except queue.Empty:
                return not self._ended.is_set()
            order(sensor)
            if not wait_s:
                return not self._ended.is_set()
        return False

    def _open(self) -> Sequence[Channel]:
        channels = self.sensor.open()
        # One that was ended meanwhile is given nothing back: its name is another device's by now.
        if not self._ended.is_set() and self._opened(self.device, self.sensor):
            self.sensor.close()  # what it can be set to may follow from what it was at
            channels = self.sensor.open()
        return channels

    def _adopt(self, channels: Sequence[Channel]) -> None:
        if not channels:
            raise DriverError("the driver found nothing to read there")
        self.actuators = [actuator.info for actuator in self.sensor.actuators()]
        old = self.stream.channels if self.stream else []
        if [(c.key, c.minimum, c.maximum) for c in channels] == [(c.key, c.minimum, c.maximum) for c in old]:
            return
        keys = [channel.key for channel in channels]
        if len(set(keys)) < len(keys):
            raise DriverError("the driver gave two channels of one quantity the same name")
        self._seen_ns = time.monotonic_ns()
        self.stream = Stream(self.device, self._identity, channels, self._rules)
        self._changed()

    def _sample(self) -> None:
        stream = self.stream
        assert stream is not None
        while self._wait(self.schedule.next_ns(time.monotonic_ns()), self.sensor):
            begun_ns = time.monotonic_ns()
            values = self.sensor.read()
            if self._abandoned:
                return
            self._seen_ns = time.monotonic_ns()
            stamp = self._clock.stamp_ns(begun_ns) - int(self.sensor.age_s * 1e9)
            faults = stream.faults
            lines, count, changes = stream.take(values, stamp)
            if count:
                self._deliver(lines, count)
            self.readings += count
            self.faults += stream.faults - faults
            self._recovered()
            for change in changes:
                self._tell(change)
            self._tell_occurrences()

    def _failed(self, reason: str) -> None:
        if self._ended.is_set():
            return  # the devices that it reads have ended before it, perhaps: no fault of anybody's
        if self.stream:
            self.stream.fail(reason)
            self.faults += len(self.stream.channels)
        if reason != self.trouble:  # once, not at each attempt
            self._report("device-fault", reason, Severity.ERROR, device=self.device)
        self.trouble = reason

    def _tell_of_change(self, what: str) -> None:
        if not self._ended.is_set():
            self._report("device-changed", what, device=self.device)

    def _recovered(self) -> None:
        if self.trouble:
            self._report("device-recovered", "reads again", device=self.device)
        self.trouble = ""

    def _tell(self, change: Change) -> None:
        kind, severity = (
            ("channel-fault", Severity.WARNING) if change.reason else ("channel-recovered", Severity.INFO)
        )
        self._report(
            kind, change.reason or "reads again", severity, device=self.device, channel=change.channel.name
        )

    def _tell_occurrences(self) -> None:
        for kind, message, severity, channel, age_s in self.sensor.occurrences():
            self._report(kind, message, severity, device=self.device, channel=channel, age_s=age_s)

    def _close(self) -> None:
        try:
            self.sensor.close()
        except Exception as error:
            self._report("device-fault", f"close: {error}", Severity.WARNING, device=self.device)
