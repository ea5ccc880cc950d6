"""The thread of one device, as far as nothing else shows it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from edgeagent.clock import Clock
from edgeagent.sampler import Sampler
from edgeagent.schedule import Schedule
from edgeagent.stream import Rules
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Host, Sensor
from edgeagent_sdk.errors import DeviceChanged, DriverError
from edgeagent_sdk.names import Identity

from .reports import Reports


class Looking(Sensor):
    """Looks for another device while `found` is not set, and does not find it."""

    def __init__(self) -> None:
        super().__init__(Host(), None)
        self.looks, self.found = threading.Event(), threading.Event()

    def open(self) -> Sequence[Channel]:
        self.looks.set()
        self.found.wait(10)
        raise DriverError("there is no such channel")

    def read(self) -> Sequence[Value]:
        return []

    def close(self) -> None:
        pass


def _sampler(sensor: Sensor, reports: Reports) -> Sampler:
    clock = Clock()
    return Sampler(
        "soon",
        sensor,
        Identity("lab", "n1"),
        Rules({}, 60.0, {}),
        Schedule(1.0, clock),
        stale_after_s=3.0,
        clock=clock,
        deliver=lambda lines, count: None,
        opened=lambda device, sensor: False,
        changed=lambda: None,
        report=reports,
    )


@pytest.mark.parametrize(("ended", "told"), [(False, ["device-fault"]), (True, [])])
def test_what_fails_because_all_ends_is_no_fault(ended: bool, told: list[str]) -> None:
    sensor, reports = Looking(), Reports()
    failed = threading.Event()
    sampler = _sampler(sensor, reports)
    sampler.start()
    assert sensor.looks.wait(10)
    if ended:
        sampler.stop()
    sensor.found.set()
    sampler.order(lambda sensor: failed.set())  # taken once the opening has failed
    assert failed.wait(10)
    sampler.stop()
    sampler.join(10)
    assert reports.kinds == told


class Changing(Sensor):
    """Is another device the second time that it is opened."""

    def __init__(self) -> None:
        super().__init__(Host(), None)
        self.opened, self.again = 0, threading.Event()

    def open(self) -> Sequence[Channel]:
        self.opened += 1
        return [Channel("a", "count")]

    def read(self) -> Sequence[Value]:
        if self.opened == 1:
            raise DeviceChanged("it has another clock now", retry_s=0.01)
        self.again.set()
        return [1.0]

    def close(self) -> None:
        pass


def test_a_device_that_is_another_now_is_opened_anew_and_is_no_fault() -> None:
    sensor, reports = Changing(), Reports()
    sampler = _sampler(sensor, reports)
    sampler.start()
    assert sensor.again.wait(10)
    sampler.stop()
    sampler.join(10)
    assert reports.kinds == ["device-changed"] and reports.messages == ["it has another clock now"]
    assert (sampler.trouble, sampler.faults) == ("", 0)
