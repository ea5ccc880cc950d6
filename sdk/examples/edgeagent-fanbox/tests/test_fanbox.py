"""The driver against a box on a pty: the kit, and the answers that no box should give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from edgeagent_fanbox import FanboxOptions, FanboxSensor
from fanbox import Fanbox

from edgeagent_sdk import DriverError, Fault, Host
from edgeagent_sdk.conformance import Bench, DriverConformance

PORT = "/dev/serial/by-id/usb-Example_Fanbox_42-if00"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Fanbox]:
    path = Host(tmp_path).path(PORT)
    path.parent.mkdir(parents=True)
    made = Fanbox(path)
    yield made
    made.unplug()


@pytest.fixture
def sensor(tmp_path: Path, box: Fanbox) -> Iterator[FanboxSensor]:
    made = FanboxSensor(Host(tmp_path), FanboxOptions(port=PORT, timeout_s=0.2))
    yield made
    made.close()


class TestConformance(DriverConformance):
    driver = FanboxSensor

    @pytest.fixture
    def bench(self, tmp_path: Path, box: Fanbox) -> Bench:
        return Bench(
            Host(tmp_path),
            {"port": PORT, "timeout_s": 0.2},
            unplug=box.unplug,
            replug=box.plug,
            hang=lambda: setattr(box, "silent", True),
            resume=lambda: setattr(box, "silent", False),
            discovered=True,
            patience_s=5.0,
        )


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("T=24.5", 24.5),
        ("T=-3", -3.0),
        ("T=--", Fault("the box answers 'T=--' to T?")),
        ("R=1200", Fault("the box answers 'R=1200' to T?")),
    ],
)
def test_temperatures(box: Fanbox, sensor: FanboxSensor, answer: str, value: float | Fault) -> None:
    box.answers["T?"] = answer
    sensor.open()
    assert list(sensor.read()) == [value, 1200.0, 0.4]


def test_another_device_is_no_fanbox(box: Fanbox, sensor: FanboxSensor) -> None:
    box.answers["ID?"] = "MODEM"
    with pytest.raises(DriverError, match="no fanbox, it says 'MODEM'; set another port"):
        sensor.open()


def test_a_duty_that_the_box_refuses_is_told(box: Fanbox, sensor: FanboxSensor) -> None:
    sensor.open()
    [fan] = sensor.actuators()
    with pytest.raises(DriverError, match="does not take a duty of 2: 'ERR'"):
        fan.set(2.0)
    assert fan.get() == 0.4
