"""What is done to an actuator, on its device's own thread: taken, held on to, let go, and read back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from edgeagent.custody import Custody
from edgeagent.driving import Order
from edgeagent.leases import Key
from edgeagent.readback import Held, read_back, settled
from edgeagent.sampler import Sampler
from edgeagent_sdk.driver import Actuator, LeasedActuator, Sensor
from edgeagent_sdk.errors import DriverError

#: An order that has waited this long is not carried out: who gave it has gone on.
_TOO_LATE_S = 2.0


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
    return carry_out(sensor, key, action)


def carry_out(sensor: Sensor, key: Key, action: Action) -> Held | DriverError:
    """Do `action` on the device's own thread, while it is open."""
    for actuator in sensor.actuators():
        if actuator.info.name == key.actuator:
            try:
                return action(actuator)
            except DriverError as error:
                return error
            except Exception as error:  # a driver is anybody's code
                return DriverError(f"the driver failed: {type(error).__name__}: {error}")
    return DriverError(f"{key.device} has lost its actuator {key.actuator}")


def take(
    value: float,
    until_ns: int,
    custody: Custody | None = None,
    *,
    wanted: Callable[[], bool] = lambda: True,
    driven: bool = False,
    urgent: bool = False,
) -> Action:
    """Make it hold `value` until then; what it holds afterwards.

    What a device that keeps no leases holds before is given into `custody` first, to be given back. If
    that takes so long that it is no longer `wanted`, nothing is set.

    Args:
        driven: somebody steers it besides: the disk is spared, and what it holds may outlast the lease.
        urgent: it is lowered before the disk knows what was found, and also if the disk cannot.
    """

    def action(actuator: Actuator) -> Held:
        keeper = None if isinstance(actuator, LeasedActuator) else custody
        if keeper and _left_s(until_ns) > 0:
            if driven:
                _keep_driven(actuator, keeper, read_back(actuator), value, urgent=urgent)
            else:
                keeper.keep(actuator, value)
        left_s = _left_s(until_ns)
        if left_s <= 0:
            raise DriverError("the lease was over before the device could take it")
        if not wanted():
            raise DriverError("it came too late, and was given up")
        _set(actuator, value, math.inf if driven else left_s)
        held = settled(actuator, value)
        if keeper and not held.is_(value, actuator.info.step):
            keeper.kept_as(held)
        return held

    return action


def refresh(value: float, until_ns: int, *, reapply: bool = True, driven: bool = False) -> Action:
    """Make it go on, if its time is not over; what it held before, so that another's hand shows.

    What another has made of it is left so, unless `reapply` is set; `driven` as in `take`.
    """

    def action(actuator: Actuator) -> Held:
        held = read_back(actuator)
        left_s = _left_s(until_ns)
        obeys = held.is_(value, actuator.info.step)
        due = isinstance(actuator, LeasedActuator) if obeys else reapply
        if due and left_s > 0:
            _set(actuator, value, math.inf if driven else left_s)
        return held

    return action


def drive(order: Order, custody: Custody) -> Action:
    """Make it hold the order's value, once more; whose hand was met there stands in the order.

    What another has made of it is left so, unless the order insists. One that is urgent is carried out before
    the disk knows what was found, and also if the disk cannot.
    """

    def action(actuator: Actuator) -> Held:
        step, leased = actuator.info.step, isinstance(actuator, LeasedActuator)
        found = read_back(actuator)
        if order.known and not any(found.is_(value, step) for value in order.known):
            order.met = found
            if not order.insist:
                return found
        order.tried = leased or not found.is_(order.value, step)
        if not leased:  # a bound that somebody has set before us is not lifted
            order.original = _keep_driven(actuator, custody, found, order.value, urgent=order.urgent)
            order.value = min(order.value, order.original)
        if found.is_(order.value, step) and not leased:
            order.tried = False
            return found
        _set(actuator, order.value, math.inf)
        held = settled(actuator, order.value)
        if not leased and not held.is_(order.value, step):
            custody.kept_as(held)
        return held

    return action


def let_go(custody: Custody | None = None, fallback: float | None = None) -> Action:
    """End our hold: a device that keeps leases falls back by itself, another gets back what it held before.

    Args:
        fallback: what the latter gets instead, for now, where it can take that.
    """

    def action(actuator: Actuator) -> Held:
        if isinstance(actuator, LeasedActuator):
            actuator.release()
        elif custody:
            info = actuator.info
            fits = fallback is not None and info.minimum <= fallback <= info.maximum
            return custody.give_back(actuator, fallback if fits else None)
        return read_back(actuator)

    return action


def _keep_driven(actuator: Actuator, custody: Custody, found: Held, value: float, *, urgent: bool) -> float:
    """Before it is set to `value`: what it is given back in the end. What is urgent is lowered first."""
    if urgent and found.value > value:
        actuator.set(value)
    return custody.drive(actuator, found, value, must=not urgent)


def _set(actuator: Actuator, value: float, left_s: float) -> None:
    if isinstance(actuator, LeasedActuator):
        # Never longer than the lease itself: then the device ends it on time, whoever is still there.
        actuator.hold(value, min(actuator.ttl_s, left_s))
    else:
        actuator.set(value)


def _left_s(until_ns: int) -> float:
    return (until_ns - time.monotonic_ns()) / 1e9
