"""What an integrator gives the kit: a device to try the driver on, and what can be done to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Host, Sensor
from edgeagent_sdk.errors import DriverError

T = TypeVar("T")


@dataclass
class Bench:
    """One device, and what the kit may do to it.

    Args:
        host: where the driver finds it.
        options: the driver's options that reach it, as they would stand in agent.toml.
        unplug, replug: take the device away and bring it back; None if the bench cannot.
        discovered: whether `discover` must find it.
        patience_s: opening, a pass and closing take no longer; a driver that blocks longer hangs.
        settle_s: between passes, for a device that measures at its own pace.
        set_actuators: whether the kit may set what the driver lets us set; it restores what it found.
    """

    host: Host
    options: Mapping[str, Any] = field(default_factory=dict)
    unplug: Callable[[], object] | None = None
    replug: Callable[[], object] | None = None
    discovered: bool = False
    patience_s: float = 10.0
    settle_s: float = 0.01
    set_actuators: bool = True


class Opened(NamedTuple):
    """A driver that is open, with its channels."""

    sensor: Sensor
    channels: Sequence[Channel]

    def values(self) -> list[Value]:
        """One pass."""
        return list(self.sensor.read())


def make(driver: type[Sensor], bench: Bench) -> Sensor:
    """The driver with the bench's options, checked as the agent checks agent.toml; not yet open."""
    return driver(bench.host, msgspec.convert(dict(bench.options), driver.Options))


@contextmanager
def opened(driver: type[Sensor], bench: Bench) -> Iterator[Opened]:
    """The driver, open; closed at the end."""
    sensor = make(driver, bench)
    try:
        yield Opened(sensor, in_time(sensor.open, bench, "open"))
    finally:
        in_time(sensor.close, bench, "close")


def in_time(function: Callable[[], T], bench: Bench, what: str) -> T:
    """What `function` returns or raises, within the bench's patience.

    Raises:
        AssertionError: it has not ended by then; the agent would have reported a driver that hangs.
    """
    outcome: list[T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    worker = threading.Thread(target=run, name=f"conformance-{what}", daemon=True)
    worker.start()
    worker.join(bench.patience_s)
    assert outcome, f"{what} has not returned within {bench.patience_s:g} s"
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def refusal(function: Callable[[], object], bench: Bench, what: str) -> DriverError | None:
    """The DriverError by which `function` ended, None if it did not fail.

    Raises:
        AssertionError: it failed by anything else: an agent would report a bug of the driver.
    """
    try:
        in_time(function, bench, what)
    except DriverError as error:
        return error
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {error}; raise DriverError") from error
    return None
