"""What an integrator gives the kit: a device to try the driver on, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pytest

from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.conformance.calls import in_time
from edgeagent_sdk.driver import Actuator, Host, Sensor

Act = Callable[[], object]
"""Something done to the device."""


@dataclass(frozen=True)
class Bench:
    """One device, and what the kit may do to it. Checks that need what it cannot do are skipped.

    Args:
        host: where the driver finds it.
        options: the driver's options that reach it, as they would stand in agent.toml.
        unplug, replug: take the device away and bring it back.
        hang, resume: make it stay silent while it is still there, and answer again.
        reset: let its own counters begin again, as when it loses its supply.
        discovered: whether `discover` must find it.
        patience_s: no call may take longer; a driver that blocks longer hangs.
        settle_s: between passes, for a device that measures at its own pace.
        lease_s: a lease so short is over after twice of it.
        set_actuators: whether the kit may set what the driver lets us set; it restores what it found.
    """

    host: Host
    options: Mapping[str, Any] = field(default_factory=dict)
    unplug: Act | None = None
    replug: Act | None = None
    hang: Act | None = None
    resume: Act | None = None
    reset: Act | None = None
    discovered: bool = False
    patience_s: float = 10.0
    settle_s: float = 0.01
    lease_s: float = 0.5
    set_actuators: bool = True

    def acts(self, *names: str) -> list[Act]:
        """What it can do by those names; skips the check if it cannot."""
        found = [getattr(self, name) for name in names]
        if None in found:
            pytest.skip(f"the bench has no {' and '.join(f'`{name}`' for name in names)}")
        return found


class Device(NamedTuple):
    """A driver that is open, with its channels."""

    sensor: Sensor
    channels: Sequence[Channel]
    bench: Bench

    def read(self) -> list[Value]:
        """One pass, in time."""
        return in_time(lambda: list(self.sensor.read()), self.bench.patience_s, "read")

    def actuators(self) -> list[Actuator]:
        """What can be set; skips the check if that is nothing."""
        found = in_time(lambda: list(self.sensor.actuators()), self.bench.patience_s, "actuators")
        if not found:
            pytest.skip("the driver sets nothing")
        return found


def make(driver: type[Sensor], bench: Bench) -> Sensor:
    """The driver with the bench's options, checked as the agent checks agent.toml; not yet open."""
    try:
        options = msgspec.convert(dict(bench.options), driver.Options)
    except msgspec.ValidationError as error:
        raise AssertionError(
            f"the driver's Options do not take {dict(bench.options)}: {error}. Give the bench options as they"
            " would stand in agent.toml"
        ) from None
    return driver(bench.host, options)


@contextmanager
def opened(sensor: Sensor, bench: Bench) -> Iterator[Device]:
    """`sensor`, open; closed at the end."""
    try:
        channels = in_time(lambda: list(sensor.open()), bench.patience_s, "open")
        yield Device(sensor, channels, bench)
    finally:
        in_time(sensor.close, bench.patience_s, "close")
