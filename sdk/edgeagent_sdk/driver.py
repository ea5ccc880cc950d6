"""What a driver is: a sensor, perhaps with actuators, on a host whose roots can be replaced.

A driver is plain blocking code. The agent gives each device a thread of its own, so a bus that
hangs hurts nobody else. Twenty lines are enough::

    class Thermometer(Sensor):
        summary = "the thermometer on the wall"

        def open(self):
            self.file = self.host.path("/dev/thermo").open()
            return [Channel("air", "temperature")]

        def read(self):
            return [float(self.file.readline())]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import msgspec

from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.governor import Session
from edgeagent_sdk.messages import Severity


class Source(NamedTuple):
    """A channel of another device of the node.

    Args:
        latest: its last value and the age of that in seconds; a fault once it is too old to act upon.
    """

    device: str
    channel: Channel
    latest: Callable[[], tuple[Value, float]]


class Readings(Protocol):
    """What the node's other devices read."""

    @property
    def version(self) -> int:
        """Another number whenever devices come or go or change their channels: time to `find` anew."""
        ...

    def find(self, pattern: str) -> Sequence[Source]:
        """The channels that match ``device/quantity/name``, with ``*`` and ``?``; those known by now.

        A device that itself reads others is found by its full name only, so that nothing counts twice.

        Raises:
            DriverError: the pattern names the device that asks.
        """
        ...

    def waiting(self, pattern: str) -> Sequence[str]:
        """The devices that could have channels that match, but are not open yet."""
        ...


class Driven(NamedTuple):
    """What has come of driving an actuator, as far as it is known by now.

    Args:
        value: what it held when it was last read back; None if it never was.
        ceiling: no more than that is set, whatever is asked for: a lease's, a guard's or another governor's
            value; else infinite.
        whose: whose ceiling that is.
        original: what it was found at: it is not set above that. Infinite until that is known.
        fault: why it cannot be set now; it is tried again, with growing pauses. Empty if it can.
        found: what another process has made of it, which is left so unless one insists; None while none has.
        met: how often another process's value was found in the place of ours.
    """

    value: float | None = None
    ceiling: float = inf
    whose: str = ""
    original: float = inf
    fault: str = ""
    found: float | None = None
    met: int = 0


class Drive(Protocol):
    """An actuator of another device, to be set again and again: a bound that a governor moves.

    What it was found at is on the disk before the first change, and is set again in the end: when it is
    let go, when it has not been driven for some seconds, when the agent ends, and at the next start after
    a crash.
    """

    @property
    def device(self) -> str:
        """Whose actuator it is."""
        ...

    @property
    def info(self) -> ActuatorInfo:
        """What it sets, and between which limits."""
        ...

    @property
    def state(self) -> Driven:
        """What has come of it; for any thread, at once."""
        ...

    def drive(self, value: float, *, insist: bool = False) -> None:
        """Have it hold `value`, or its ceiling or original if that is less; at once, and the latest counts.

        Args:
            insist: set it even where another process has changed it since; else what that has set stays.
        """
        ...

    def let_go(self) -> None:
        """Have it given back: to whoever else bounds it, or to what it was found at. Returns at once."""
        ...


class Actuators(Protocol):
    """What the node's other devices can be told."""

    @property
    def version(self) -> int:
        """Another number whenever devices come or go or change: time to `find` anew."""
        ...

    def find(self, pattern: str) -> Sequence[Drive]:
        """The actuators that match ``device/actuator``, with ``*`` and ``?``; those known by now."""
        ...


@dataclass(frozen=True)
class Host:
    """The machine that drivers run against.

    Args:
        root: in front of every path; a test puts a made-up tree here, a container its ``/host``.
        state_dir: where a driver may keep a little state over restarts; None if nowhere.
        readings: of the node's other devices, for a driver whose bus they are; None outside an agent.
        actuators: of the node's other devices, for a driver that steers them; None outside an agent.
        hints: what workloads have told of themselves since the reader that is given to it, mostly the driver
            itself, last asked; None if nobody listens.
    """

    root: Path = Path("/")
    state_dir: Path | None = None
    readings: Readings | None = None
    actuators: Actuators | None = None
    hints: Callable[[object], tuple[Session, ...]] | None = None

    def path(self, path: str) -> Path:
        """`path`, absolute on the host, as a path of this process."""
        return self.root / path.lstrip("/")


class Found(NamedTuple):
    """One device that a driver's `discover` came across.

    Args:
        device: proposed device name.
        options: the driver's options that reach this device, as they would stand in the configuration.
        summary: what it is, for people.
        missing: why it cannot be read now, or is not enabled unasked; empty if it can and is.
        remedy: what would change that: a package, a permission, a credential, a look at what it does.
    """

    device: str
    options: dict[str, Any]
    summary: str
    missing: str = ""
    remedy: str = ""


class Options(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A driver's own configuration keys: derive from this, one annotated field for each key.

    The annotation's `msgspec.Meta(description=…)` is the key's documentation.
    """


class ActuatorInfo(NamedTuple):
    """An actuator's place in `describe`: what it sets and between which limits.

    Args:
        step: the device keeps multiples of this; 0 if it keeps any value.
        choices: the values that make a difference, ascending, where they are few and known.
    """

    name: str
    quantity: str
    minimum: float
    maximum: float
    description: str = ""
    step: float = 0.0
    choices: tuple[float, ...] = ()


class Actuator(ABC):
    """Something that a device lets us set. Setpoints are absolute, never steps.

    All calls come on the thread that reads the device: a driver needs no lock.
    """

    info: ActuatorInfo

    #: Whether a setting outlives a restart of this machine, as in a PDU or a BMC; the kernel's own do not.
    survives_reboot: bool = False

    @abstractmethod
    def get(self) -> float:
        """What the device holds now, in the quantity's unit. Raises DriverError."""

    @abstractmethod
    def set(self, value: float) -> None:
        """Make the device hold `value`, in the quantity's unit. Raises DriverError."""

    def holder(self) -> str:
        """Who decided what the last `get` returned, in a word or two; empty if the device does not tell."""
        return ""


class LeasedActuator(Actuator):
    """An actuator whose device itself forgets: what it holds ends by itself unless it is held again.

    The agent refreshes it several times within `ttl_s`, and lets it run out when it fails or hangs.
    """

    #: How long the device goes on by itself after each `hold`, at most.
    ttl_s: float

    @abstractmethod
    def hold(self, value: float, ttl_s: float) -> None:
        """Make the device hold `value` for `ttl_s` from now, then fall back. Raises DriverError."""

    @abstractmethod
    def release(self) -> None:
        """Let the device fall back now. Raises DriverError."""

    def set(self, value: float) -> None:
        """Hold `value` for as long as the device does by itself."""
        self.hold(value, self.ttl_s)


class Occurrence(NamedTuple):
    """Something that happened in a device, for people and programs; it becomes an event of the agent.

    Args:
        kind: a word for programs, e.g. ``"guard-began"``.
        message: one line for people: what, where, what to do.
        age_s: how long ago, where the device told it late.
    """

    kind: str
    message: str
    severity: Severity = Severity.INFO
    channel: str = ""
    age_s: float = 0.0


@runtime_checkable
class Explaining(Protocol):
    """What a driver that decides can do besides: tell why."""

    def explain(self) -> dict[str, Any]:
        """The last decision in numbers and words, as JSON would hold it; for any thread, at once."""
        ...


class Sensor(ABC):
    """One device that can be read.

    Life: `__init__` (stores, touches nothing) → `open` → `read` … → `close`. After a DriverError
    from `read` the agent closes it and opens it again, with growing pauses.
    """

    Options: ClassVar[type[Options]] = Options
    summary: ClassVar[str] = ""

    #: Whether it reads other devices of the node: it is then read after them.
    reads_others: ClassVar[bool] = False

    #: From one reading to the next where the configuration does not say; 0 for what is usual.
    interval_s: ClassVar[float] = 0.0

    #: Age of the values that the last `read` returned, in seconds; a driver whose device buffers sets it.
    age_s: float = 0.0

    #: Once open: the device's own serial number or UUID, where the driver knows one that it always tells;
    #: empty if it told none. Without an answer to that question `open` raises: it is not guessed at.
    identity: str = ""

    def __init__(self, host: Host, options: Any) -> None:
        self.host = host
        self.options = options

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The devices of this kind that `host` has. Never raises for what it cannot read: it says so."""
        return ()

    @classmethod
    def examine(cls, host: Host, options: Any) -> Iterable[tuple[str | tuple[str, ...], str]]:
        """What `edgeagent check` finds wrong beyond the options themselves: keys, and why. May take seconds.

        For what the agent can start without, such as a file that may still come. Never raises.

        Args:
            host: its `readings` know the node's other devices by name, and that none of them is open yet.

        Returns:
            A key, or the path of one within the device's table, and the reason.
        """
        return ()

    @abstractmethod
    def open(self) -> Sequence[Channel]:
        """Reach the device; return its channels, in the order in which `read` gives their values.

        Raises:
            DriverError: with the reason and the remedy. The agent tries again later.
        """

    @abstractmethod
    def read(self) -> Sequence[Value]:
        """One value for each channel: a float in the quantity's unit, or a `Fault`.

        Raises:
            DriverError: the whole device failed.
        """

    def close(self) -> None:  # noqa: B027 - most drivers hold nothing
        """Let go of the device. May be called twice, and before `open`."""

    def actuators(self) -> Sequence[Actuator]:
        """What can be set, once open."""
        return ()

    def occurrences(self) -> Sequence[Occurrence]:
        """What has happened since this was last asked; the agent asks after each `open` and `read`."""
        return ()
