"""What is done to an actuator, on its device's own thread: taken, held on to, let go, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from edgeagent.leases import Key
from edgeagent.sampler import Sampler
from edgeagent_sdk.driver import Actuator, LeasedActuator, Sensor
from edgeagent_sdk.errors import DriverError

#: An order that has waited this long is not carried out: who gave it has gone on.
_TOO_LATE_S = 2.0

#: A device that applies what it is told in a later turn of its own loop is asked a second time.
_SETTLE_S = 0.05


class Held(NamedTuple):
    """What was read back: the value, and who decided it if the device tells and it was not us."""

    value: float
    by: str

    def is_(self, value: float, step: float) -> bool:
        """Whether it is `value`, as exactly as the device can keep one."""
        return abs(self.value - value) <= max(0.501 * step, 1e-9 * abs(value))


Action = Callable[[Actuator], Held]
Done = Callable[[Held | DriverError], None]


def hand_over(sampler: Sampler, key: Key, action: Action, done: Done) -> None:
    """Have `action` done by the device's thread; `done` is called there with what came of it."""
    given_s = time.monotonic()

    def order(sensor: Sensor | None) -> None:
        done(_result(sensor, sampler, key, action, given_s))

    sampler.order(order)


def _result(
    sensor: Sensor | None, sampler: Sampler, key: Key, action: Action, given_s: float
) -> Held | DriverError:
    if sensor is None:
        return DriverError(f"{key.device} cannot be reached: {sampler.trouble or 'it is being opened'}")
    if (late_s := time.monotonic() - given_s) > _TOO_LATE_S:
        return DriverError(f"{key.device} was busy for {late_s:.1f} s")
    for actuator in sensor.actuators():
        if actuator.info.name == key.actuator:
            try:
                return action(actuator)
            except DriverError as error:
                return error
            except Exception as error:  # a driver is anybody's code
                return DriverError(f"the driver failed: {type(error).__name__}: {error}")
    return DriverError(f"{key.device} has lost its actuator {key.actuator}")


def take(value: float, until_ns: int, found: Callable[[float], None]) -> Action:
    """Make it hold `value` until then; what it holds afterwards.

    What a device that keeps no leases held before is given to `found` first, to be restored in the end.
    """

    def action(actuator: Actuator) -> Held:
        if not isinstance(actuator, LeasedActuator):
            found(float(actuator.get()))
        left_s = _left_s(until_ns)
        if left_s <= 0:
            raise DriverError("the lease was over before the device could take it")
        _set(actuator, value, left_s)
        held = _read(actuator)
        if held.is_(value, actuator.info.step):
            return held
        time.sleep(_SETTLE_S)
        return _read(actuator)

    return action


def refresh(value: float, until_ns: int) -> Action:
    """Make it go on, if its time is not over; what it held before, so that another's hand shows."""

    def action(actuator: Actuator) -> Held:
        held = _read(actuator)
        left_s = _left_s(until_ns)
        due = isinstance(actuator, LeasedActuator) or not held.is_(value, actuator.info.step)
        if due and left_s > 0:
            _set(actuator, value, left_s)
        return held

    return action


def let_go(original: float | None) -> Action:
    """End our hold: a device that keeps leases falls back, another gets its original value again."""

    def action(actuator: Actuator) -> Held:
        if isinstance(actuator, LeasedActuator):
            actuator.release()
        elif original is not None:
            actuator.set(original)
        return _read(actuator)

    return action


def _set(actuator: Actuator, value: float, left_s: float) -> None:
    if isinstance(actuator, LeasedActuator):
        # Never longer than the lease itself: then the device ends it on time, whoever is still there.
        actuator.hold(value, min(actuator.ttl_s, left_s))
    else:
        actuator.set(value)


def _left_s(until_ns: int) -> float:
    return (until_ns - time.monotonic_ns()) / 1e9


def _read(actuator: Actuator) -> Held:
    return Held(float(actuator.get()), actuator.holder())
