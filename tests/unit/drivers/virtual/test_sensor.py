"""Virtual channels among devices that come, go, fail and are named anew."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from edgeagent.clock import Clock
from edgeagent.config import DeviceConfig
from edgeagent.devices import Devices
from edgeagent.drivers.virtual import VirtualSensor, sensor
from edgeagent.drivers.virtual.sensor import VirtualOptions
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import Identity
from tests.services import wait_until
from tests.unit.agent.reports import Reports


class MeterOptions(Options):
    """A meter of one power; it opens once its gate is open."""

    power_w: float = 100.0
    channel: str = "in"
    gate: threading.Event | None = None


class Meter(Sensor):
    """What the options say."""

    options: MeterOptions

    def open(self) -> Sequence[Channel]:
        gate = self.options.gate
        if gate and not gate.is_set():
            raise DriverError("no answer", retry_s=0.05)
        return [Channel(self.options.channel, "power")]

    def read(self) -> Sequence[Value]:
        return [self.options.power_w]


def meter(
    name: str, power_w: float = 100.0, channel: str = "in", gate: threading.Event | None = None
) -> DeviceConfig:
    options = MeterOptions(power_w=power_w, channel=channel, gate=gate)
    return DeviceConfig(
        name=name, driver="meter", interval_s=0.05, stale_after_s=5.0, sensor=Meter, options=options
    )


def virtual(channels: Mapping[str, str], name: str = "site") -> DeviceConfig:
    options = VirtualOptions(channels=dict(channels), gap_s=5.0)
    return DeviceConfig(
        name=name, driver="virtual", interval_s=0.05, stale_after_s=5.0, sensor=VirtualSensor, options=options
    )


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What opens later is taken in later, and no test waits for what never comes."""
    monkeypatch.setattr(sensor, "_PATIENCE_S", 0.0)


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    devices = node(tmp_path)
    yield devices
    devices.stop()


def node(state_dir: Path) -> Devices:
    return Devices(
        Identity("lab", "n1"),
        Host(state_dir=state_dir),
        Clock(),
        deliver=lambda lines, count: None,
        opened=lambda device, sensor: False,
        changed=lambda: None,
        report=Reports(),
    )


def value(devices: Devices, channel: str, device: str = "site") -> Value:
    """The last one; a fault while there is none."""
    for row in devices.latest():
        if (row["device"], row["channel"]) == (device, channel):
            return Fault(row["fault"]) if "fault" in row else row["value"]
    return Fault("not yet")


def number(devices: Devices, channel: str) -> float:
    """The last number; NaN, which is no more than any other, in the place of a fault."""
    last = value(devices, channel)
    return math.nan if isinstance(last, Fault) else last


def wait_for(devices: Devices, channel: str, expected: float) -> None:
    wait_until(lambda: value(devices, channel) == pytest.approx(expected), f"{channel} is {expected}")


def wait_for_words(devices: Devices, channel: str, words: str) -> None:
    wait_until(lambda: words in getattr(value(devices, channel), "reason", ""), words)


SUM = {"power/sum": "sum({pdu*/power/*})"}


def test_a_device_that_opens_later_is_waited_for_and_taken_in(devices: Devices) -> None:
    gate = threading.Event()
    devices.apply([meter("pdu0"), meter("pdu1", 30.0, gate=gate), virtual(SUM)])
    wait_for_words(devices, "sum", "waits for pdu1, not open yet")
    gate.set()
    wait_for(devices, "sum", 130.0)


def test_a_device_that_comes_and_goes_with_a_reload_is_taken_in_and_left_out(devices: Devices) -> None:
    devices.apply([meter("pdu0"), virtual(SUM)])
    wait_for(devices, "sum", 100.0)
    devices.apply([meter("pdu0"), meter("pdu1", 30.0), virtual(SUM)])
    wait_for(devices, "sum", 130.0)
    devices.apply([meter("pdu1", 30.0), virtual(SUM)])
    wait_for(devices, "sum", 30.0)


def test_an_input_that_is_named_anew_comes_back_and_its_integral_goes_on(devices: Devices) -> None:
    site = virtual({"power/one": "{pdu0/power/in}", "energy/all": "integral(sum({pdu0/power/*}))"})
    devices.apply([meter("pdu0"), site])
    wait_until(lambda: number(devices, "all") > 5.0, "energy")
    before = number(devices, "all")
    devices.apply([meter("pdu0", channel="out"), site])
    wait_for_words(devices, "one", "there is no channel {pdu0/power/in}")
    wait_until(lambda: number(devices, "all") > before, "energy goes on")
    devices.apply([meter("pdu0", 7.0), site])
    wait_for(devices, "one", 7.0)


def test_a_wildcard_takes_in_no_virtual_device_and_none_takes_itself(devices: Devices) -> None:
    other = virtual({"power/double": "2 * {pdu0/power/in}"}, "other")
    site = virtual(
        {
            "power/sum": "sum({*/power/*})",
            "power/named": "{other/power/double}",
            "power/self": "{site/power/sum}",
        }
    )
    devices.apply([site, other, meter("pdu0")])
    wait_for(devices, "named", 200.0)
    wait_for(devices, "sum", 100.0)
    wait_for_words(devices, "self", "a channel of this device itself")


BAD = [
    "1 [W] * ({pdu0/power/in} / 1 [W] * 10 ** 16) ** 16 * 1e99",
    "1 [W] * (1e200 ** 2)",
    "1 [W] * 10 ** 400",
    f"{'9' * 5000} [W]",
    "sum(1e200 [W] * 1e200, -1e200 [W] * 1e200)",
    " + ".join(["{pdu0/power/in}"] * 1500),
    "1 [m999]",
    "{nobody/power/in}",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_expression_fails_alone(devices: Devices, bad: str) -> None:
    devices.apply([meter("pdu0"), virtual({"power/bad": bad, "power/good": "{pdu0/power/in}"})])
    wait_for(devices, "good", 100.0)
    assert isinstance(value(devices, "bad"), Fault)


def test_an_integral_outlives_a_restart_with_another_channel_beside_it(tmp_path: Path) -> None:
    formula = {"energy/all": "integral({pdu0/power/in})"}
    first = node(tmp_path)
    first.apply([meter("pdu0"), virtual(formula)])
    wait_until(lambda: number(first, "all") > 20.0, "energy")
    first.stop()
    second = node(tmp_path)
    second.apply([meter("pdu0"), virtual(formula | {"power/x": "{pdu0/power/in}"})])
    wait_until(lambda: number(second, "all") >= 0.0, "a total")
    total = number(second, "all")
    second.stop()
    assert total > 20.0
