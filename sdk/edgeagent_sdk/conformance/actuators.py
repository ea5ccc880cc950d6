"""The rules of what can be set: absolute, idempotent, read back, and let go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import pytest

from edgeagent_sdk.conformance.bench import Bench, Device, make, opened
from edgeagent_sdk.conformance.calls import in_time
from edgeagent_sdk.conformance.held import soon
from edgeagent_sdk.driver import Actuator, LeasedActuator, Sensor
from edgeagent_sdk.errors import NameInvalid
from edgeagent_sdk.names import check_name
from edgeagent_sdk.quantities import QUANTITIES


class ActuatorChecks:
    """Derive from `DriverConformance` instead. Skipped for a driver that sets nothing.

    The agent asks for finite values within the limits only, so the kit does no other.
    """

    driver: ClassVar[type[Sensor]]

    def test_actuators_describe_themselves(self, bench: Bench) -> None:
        """Name, quantity and limits are such that the agent can offer them."""
        with opened(make(self.driver, bench), bench) as device:
            actuators = device.actuators()
            names = [actuator.info.name for actuator in actuators]
            assert len(set(names)) == len(names), f"two actuators share a name: {', '.join(sorted(names))}"
            for actuator in actuators:
                _check_info(actuator)

    def test_what_holds_can_be_read(self, bench: Bench) -> None:
        """`get` gives a finite float: it is saved before the first change, and restored."""
        with opened(make(self.driver, bench), bench) as device:
            for actuator in device.actuators():
                value = in_time(actuator.get, bench.patience_s, "get")
                assert type(value) is float and math.isfinite(value), (
                    f"{actuator.info.name}: `get` gave {value!r}. Return a finite float, or raise DriverError"
                )

    def test_what_is_set_holds(self, bench: Bench) -> None:
        """Each limit can be set, twice in a row, and is read back as exactly as `step` says."""
        with _settable(self.driver, bench) as (_, actuators):
            for actuator in actuators:
                info = actuator.info
                for value in (info.minimum, info.minimum, info.maximum, info.maximum):
                    in_time(partial(actuator.set, value), bench.patience_s, "set")
                    assert soon(lambda a=actuator, v=value: _holds(a, v, bench), bench.patience_s), (  # type: ignore[misc]
                        f"{info.name}: set to {value:g}, it holds {actuator.get():g}. Setpoints are"
                        " absolute and in the quantity's unit; limits are what the device takes; it keeps"
                        f" multiples of `step` ({info.step:g})"
                    )

    def test_a_lease_ends_by_itself(self, bench: Bench) -> None:
        """What a leased actuator holds falls back after its time, without anybody's doing."""
        with _leased(self.driver, bench) as leased:
            fallen = {
                name: in_time(actuator.get, bench.patience_s, "get") for name, actuator in leased.items()
            }
            for name, actuator in leased.items():
                _take(actuator, _other(actuator, fallen[name]), bench.lease_s, bench)
            time.sleep(2 * bench.lease_s)
            for name, actuator in leased.items():
                held = in_time(actuator.get, bench.patience_s, "get")
                assert held == fallen[name], (
                    f"{name}: held for {bench.lease_s:g} s, it still holds {held:g} after twice of that. Give"
                    " `ttl_s` to the device itself: a thread of the driver dies with the agent"
                )

    def test_a_lease_is_released_at_once(self, bench: Bench) -> None:
        """`release` makes it fall back, and may also come without a lease."""
        with _leased(self.driver, bench) as leased:
            for name, actuator in leased.items():
                fallen = in_time(actuator.get, bench.patience_s, "get")
                _take(actuator, _other(actuator, fallen), actuator.ttl_s, bench)
                for _ in range(2):
                    in_time(actuator.release, bench.patience_s, "release")
                held = in_time(actuator.get, bench.patience_s, "get")
                assert held == fallen, (
                    f"{name}: released, it holds {held:g}, not {fallen:g} as before the lease"
                )


def _check_info(actuator: Actuator) -> None:
    info = actuator.info
    try:
        check_name(info.name, "actuator")
    except NameInvalid as error:
        raise AssertionError(f"{error}. edgeagent_sdk.names.slug makes a name of any text") from None
    assert info.quantity in QUANTITIES, (
        f"{info.name}: unknown quantity {info.quantity!r}; known: {', '.join(QUANTITIES)}"
    )
    finite = math.isfinite(info.minimum) and math.isfinite(info.maximum) and info.minimum < info.maximum
    assert finite, (
        f"{info.name}: limits from {info.minimum:g} to {info.maximum:g}. Give the two that the device takes"
    )
    assert 0 <= info.step <= info.maximum - info.minimum, f"{info.name}: a step of {info.step:g} is none"
    assert isinstance(actuator.holder(), str), f"{info.name}: `holder` gives a word or two, or nothing"


@contextmanager
def _settable(driver: type[Sensor], bench: Bench) -> Iterator[tuple[Device, list[Actuator]]]:
    """The driver's actuators while it is open; what was found is put back."""
    if not bench.set_actuators:
        pytest.skip("the bench does not let the kit set anything (`set_actuators`)")
    with opened(make(driver, bench), bench) as device:
        actuators = device.actuators()
        found = [in_time(actuator.get, bench.patience_s, "get") for actuator in actuators]
        try:
            yield device, actuators
        finally:
            for actuator, value in zip(actuators, found, strict=True):
                in_time(_letting_go(actuator, value), bench.patience_s, "restore")


@contextmanager
def _leased(driver: type[Sensor], bench: Bench) -> Iterator[dict[str, LeasedActuator]]:
    """Those of `_settable` whose device forgets by itself, released; skips if there is none."""
    with _settable(driver, bench) as (_, actuators):
        leased = {a.info.name: a for a in actuators if isinstance(a, LeasedActuator)}
        if not leased:
            pytest.skip("the driver has no actuator whose device forgets (LeasedActuator)")
        for actuator in leased.values():
            in_time(actuator.release, bench.patience_s, "release")
        yield leased


def _letting_go(actuator: Actuator, found: float) -> Callable[[], None]:
    return actuator.release if isinstance(actuator, LeasedActuator) else partial(actuator.set, found)


def _take(actuator: LeasedActuator, value: float, ttl_s: float, bench: Bench) -> None:
    in_time(partial(actuator.hold, value, ttl_s), bench.patience_s, "hold")
    assert soon(lambda: _holds(actuator, value, bench), bench.patience_s), (
        f"{actuator.info.name}: `hold` of {value:g} for {ttl_s:g} s has no effect, it holds"
        f" {actuator.get():g}"
    )


def _holds(actuator: Actuator, value: float, bench: Bench) -> bool:
    held = in_time(actuator.get, bench.patience_s, "get")
    return abs(held - value) <= max(0.501 * actuator.info.step, 1e-9 * abs(value))


def _other(actuator: Actuator, value: float) -> float:
    """A limit that is not `value`."""
    info = actuator.info
    return info.minimum if abs(value - info.minimum) > info.step / 2 else info.maximum
