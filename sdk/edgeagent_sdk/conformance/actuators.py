"""The rules of what can be set: absolute, idempotent, read back, and let go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from edgeagent_sdk.conformance.bench import Bench, in_time, opened, refusal
from edgeagent_sdk.driver import Actuator, LeasedActuator, Sensor
from edgeagent_sdk.names import check_name
from edgeagent_sdk.quantities import QUANTITIES

#: A lease as short as this must be over after twice of it.
_LEASE_S = 1.0


class ActuatorChecks:
    """Derive from `DriverConformance` instead. Skipped for a driver that sets nothing."""

    driver: ClassVar[type[Sensor]]

    def test_actuators_describe_themselves(self, bench: Bench) -> None:
        """Name, quantity and limits are such that the agent can offer them."""
        with _actuators(self.driver, bench) as actuators:
            names = [actuator.info.name for actuator in actuators]
            assert len(set(names)) == len(names), f"two actuators share a name: {names}"
            for actuator in actuators:
                info = actuator.info
                check_name(info.name, "actuator")
                assert info.quantity in QUANTITIES, f"{info.name}: unknown quantity {info.quantity!r}"
                assert math.isfinite(info.minimum) and math.isfinite(info.maximum), f"{info.name}: no limits"
                assert info.minimum < info.maximum, f"{info.name}: {info.minimum:g} to {info.maximum:g}"
                assert info.step >= 0

    def test_what_holds_can_be_read(self, bench: Bench) -> None:
        """`get` gives a finite float: it is saved before the first change, and restored."""
        with _actuators(self.driver, bench) as actuators:
            for actuator in actuators:
                value = in_time(actuator.get, bench, "get")
                assert type(value) is float, f"{actuator.info.name}: {value!r} is not a float"
                assert math.isfinite(value), f"{actuator.info.name}: holds {value}"

    def test_what_is_set_holds(self, bench: Bench) -> None:
        """Each limit can be set, twice in a row, and is read back as exactly as `step` says."""
        for actuator in _settable(self.driver, bench):
            info = actuator.info
            for value in (info.minimum, info.minimum, info.maximum, info.maximum):
                in_time(_setting(actuator, value), bench, "set")
                held = in_time(actuator.get, bench, "get")
                near = max(0.501 * info.step, 1e-9 * abs(value))
                assert abs(held - value) <= near, f"{info.name}: set {value:g}, holds {held:g}"

    def test_what_is_no_number_is_refused(self, bench: Bench) -> None:
        """NaN and infinity raise DriverError and change nothing."""
        for actuator in _settable(self.driver, bench):
            before = in_time(actuator.get, bench, "get")
            for value in (math.nan, math.inf, -math.inf):
                error = refusal(_setting(actuator, value), bench, "set")
                assert error, f"{actuator.info.name}: {value} was taken"
            assert in_time(actuator.get, bench, "get") == before

    def test_a_lease_ends_by_itself(self, bench: Bench) -> None:
        """What a leased actuator holds falls back after its time, without anybody's doing."""
        for actuator in _leased(self.driver, bench):
            in_time(actuator.release, bench, "release")
            fallen = in_time(actuator.get, bench, "get")
            other = _other(actuator, fallen)
            in_time(lambda a=actuator, v=other: a.hold(v, _LEASE_S), bench, "hold")  # type: ignore[misc]
            assert in_time(actuator.get, bench, "get") != fallen, f"{actuator.info.name}: did not take it"
            time.sleep(2 * _LEASE_S)
            assert in_time(actuator.get, bench, "get") == fallen, f"{actuator.info.name}: holds on"

    def test_a_lease_is_released_at_once(self, bench: Bench) -> None:
        """`release` may also come without a lease."""
        for actuator in _leased(self.driver, bench):
            in_time(actuator.release, bench, "release")
            fallen = in_time(actuator.get, bench, "get")
            other = _other(actuator, fallen)
            in_time(lambda a=actuator, v=other: a.hold(v, a.ttl_s), bench, "hold")  # type: ignore[misc]
            in_time(actuator.release, bench, "release")
            assert in_time(actuator.get, bench, "get") == fallen


@contextmanager
def _actuators(driver: type[Sensor], bench: Bench) -> Iterator[list[Actuator]]:
    """The driver's actuators while it is open; skips if there is none."""
    with opened(driver, bench) as device:
        actuators = list(device.sensor.actuators())
        if not actuators:
            pytest.skip("the driver sets nothing")
        yield actuators


def _settable(driver: type[Sensor], bench: Bench) -> Iterator[Actuator]:
    """One actuator after the other; what was found is put back after each."""
    if not bench.set_actuators:
        pytest.skip("the bench does not let the kit set anything")
    with _actuators(driver, bench) as actuators:
        for actuator in actuators:
            found = in_time(actuator.get, bench, "get")
            try:
                yield actuator
            finally:
                let_go = (
                    actuator.release if isinstance(actuator, LeasedActuator) else _setting(actuator, found)
                )
                in_time(let_go, bench, "restore")


def _leased(driver: type[Sensor], bench: Bench) -> Iterator[LeasedActuator]:
    """Those of `_settable` whose device forgets by itself; skips if there is none."""
    any_leased = False
    for actuator in _settable(driver, bench):
        if isinstance(actuator, LeasedActuator):
            any_leased = True
            yield actuator
    if not any_leased:
        pytest.skip("the driver has no actuator whose device forgets")


def _setting(actuator: Actuator, value: float) -> Callable[[], None]:
    return lambda: actuator.set(value)


def _other(actuator: Actuator, value: float) -> float:
    """A limit that is not `value`."""
    info = actuator.info
    return info.minimum if abs(value - info.minimum) > info.step / 2 else info.maximum
