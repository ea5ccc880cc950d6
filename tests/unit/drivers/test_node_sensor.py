"""The `node` driver: channels, faults, energy, events, outputs, and a port that comes and goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.node import NodeSensor
from edgeagent.drivers.node.clock import NodeClock
from edgeagent.drivers.node.occurrences import Follower, NodeEvent, tell
from edgeagent.drivers.node.sensor import NodeOptions
from edgeagent.modbus.adapters import find_port
from edgeagent.modbus.master import Exchange
from edgeagent.modbus.serialport import SerialPort
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.nodemap import CHANNELS, EVENT_LOG, EVENTS, NO_LIMIT_W, NO_VALUE, EventCode, Source
from tests.modelnode import ModelNode
from tests.serialline import SerialLine, serial_line

MS = 10**6
S = 10**9


class Bench:
    """A model node on a line, and the driver."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.model = ModelNode()
        self.line = SerialLine(directory / "tty", lambda request: self.model.answer(request))
        self.sensor = self.driver()

    def driver(self, **options: Any) -> NodeSensor:
        given = {"port": str(self.line.path), "timeout_ms": 150} | options
        return NodeSensor(Host(state_dir=self.directory), msgspec.convert(given, NodeOptions))

    def read(self, sensor: NodeSensor | None = None) -> dict[str, Value]:
        sensor = sensor or self.sensor
        channels = sensor.open()
        return by_name(channels, sensor.read())


def by_name(channels: Sequence[Channel], values: Sequence[Value]) -> dict[str, Value]:
    assert len(channels) == len(values) == len({c.key for c in channels})
    return {"/".join(c.key): value for c, value in zip(channels, values, strict=True)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.sensor.close()
    made.line.unplug()


def test_values_are_in_si_units(bench: Bench) -> None:
    bench.model.values["telemetry"] |= {"temperature_board": -40_500, "power_in": 412_500, "speed_fan1": 4500}
    bench.model.energy_mj = 3_600_000
    values = bench.read()
    assert values["temperature/board"] == -40.5
    assert values["power/in"] == 412.5
    assert values["speed/fan1"] == 4500.0
    assert values["energy/in"] == 3600.0
    assert values["state/relay1"] == 1.0 and values["state/relay2"] == 0.0
    assert values["duty/fan1"] == 1.0
    assert values["state/relay1_source"] == Source.SAFE


def test_no_limit_is_no_number_of_watts(bench: Bench) -> None:
    assert bench.read()["power/power_limit"] == Fault("no limit")
    limit = bench.sensor.actuators()[4]
    assert limit.get() == NO_LIMIT_W, "which is what sets none"
    limit.hold(250.0, 3.0)
    assert bench.read()["power/power_limit"] == 250.0


def test_a_relay_that_is_to_stay_stays_as_it_is(bench: Bench) -> None:
    bench.sensor.open()
    relay = bench.sensor.actuators()[1]
    for value in (1.0, 0.0):
        relay.hold(value, 3.0)
        relay.release()
        assert (relay.get(), relay.holder()) == (value, "its safe state")


@pytest.mark.parametrize(
    ("telemetry", "faulty"),
    [
        ({"valid": 0}, {c.name for c in CHANNELS}),
        ({"valid": 0b11_1111_1110}, {"board"}),
        ({"temperature_inlet": NO_VALUE}, {"inlet"}),
        ({"valid": 0, "power_in": 7}, {c.name for c in CHANNELS}),
    ],
)
def test_what_is_not_measured_is_a_fault_that_names_its_chip(
    bench: Bench, telemetry: dict[str, int], faulty: set[str]
) -> None:
    bench.model.values["telemetry"] |= telemetry
    bench.sensor.open()
    for channel, value in zip(CHANNELS, bench.sensor.read(), strict=False):
        if channel.name in faulty:
            assert value == Fault(f"the {channel.chip.name} does not answer")
        else:
            assert isinstance(value, float) and math.isfinite(value)


def test_a_node_that_has_stopped_measuring_gives_no_numbers(bench: Bench) -> None:
    stopped_ms = bench.model.uptime_ms
    bench.model.stopped_measuring_ms = stopped_ms
    bench.model._begun_s -= 30
    values = bench.read()
    assert values["power/in"] == Fault("the node has measured nothing for 30 s")
    assert isinstance(values["state/relay1"], float)


def test_the_age_is_that_of_the_measuring_pass(bench: Bench) -> None:
    bench.sensor.open()
    bench.model._begun_s -= 0.05 - (bench.model.uptime_ms % 100) / 1e3
    before_s = time.monotonic()
    bench.sensor.read()
    # Passes are made on each 0.1 s of uptime, and this is somewhere after one.
    assert -0.05 < bench.sensor.age_s < 0.1 + time.monotonic() - before_s + 0.05


def test_energy_rises_over_resets_and_restarts(bench: Bench) -> None:
    totals: list[Value] = []

    def count(energy_mj: int) -> None:
        bench.model.energy_mj = energy_mj
        totals.append(bench.sensor.read()[len(CHANNELS)])

    bench.sensor.open()
    count(5_000)
    count(6_000)
    bench.model.reset()
    count(500)
    bench.sensor.close()
    bench.sensor = bench.driver()
    bench.sensor.open()
    count(2_500)
    assert totals == [5.0, 6.0, 6.5, 8.5]


def test_events_are_told_once_each_with_their_age(bench: Bench) -> None:
    model, sensor = bench.model, bench.sensor
    model.happen(EventCode.FAN_STALLED, 1)
    sensor.open()
    sensor.read()
    assert sensor.occurrences() == [], "what happened before the first look is not news"
    model.happen(EventCode.SENSOR_LOST, 2)
    model.happen(EventCode.GUARD_BEGAN, 1)
    model._begun_s -= 3
    sensor.read()
    lost, guard = sensor.occurrences()
    assert (lost.kind, lost.severity) == ("sensor-lost", Severity.WARNING)
    assert lost.message == "the ADM1272 does not answer; check its supply and wiring"
    assert (guard.kind, guard.severity) == ("guard-began", Severity.ERROR)
    assert "over temperature" in guard.message
    assert 2.9 < guard.age_s < 4.0
    sensor.read()
    assert sensor.occurrences() == []


def test_a_reset_is_told_and_its_events_count_anew(bench: Bench) -> None:
    bench.sensor.open()
    bench.sensor.read()
    for _ in range(5):
        bench.model.happen(EventCode.FAN_TURNS, 2)
    bench.sensor.read()
    assert len(bench.sensor.occurrences()) == 5
    bench.model.reset()
    bench.sensor.read()
    assert [o.message for o in bench.sensor.occurrences()] == ["the node began: watchdog"]


def test_more_events_than_the_ring_holds_are_missed_aloud(bench: Bench) -> None:
    bench.sensor.open()
    bench.sensor.read()
    for _ in range(EVENTS + 5):
        bench.model.happen(EventCode.FAN_TURNS, 1)
    bench.sensor.read()
    first, *others = bench.sensor.occurrences()
    assert first.message == "5 events came too fast to be read"
    assert len(others) == EVENTS


@pytest.mark.parametrize("code", list(EventCode))
@pytest.mark.parametrize("detail", [0, 1, 2, 0x100, 0x203, -1, 2**31 - 1])
def test_every_event_has_words(code: EventCode, detail: int) -> None:
    occurrence = tell(NodeEvent(1, 1000, code, detail), 3500)
    assert occurrence.age_s == 2.5
    assert occurrence.message and occurrence.kind.islower()


def test_an_event_of_a_later_firmware_is_told_as_it_is() -> None:
    assert tell(NodeEvent(1, 0, 99, -5), 0).message == "event 99, detail -5"


def test_an_event_over_the_wrap_of_its_clock() -> None:
    assert tell(NodeEvent(1, 2**32 - 500, 99, 0), 2**32 + 500).age_s == 1.0


class _Step(NamedTuple):
    events: int
    reset: bool


@given(st.lists(st.builds(_Step, st.integers(0, 20), st.booleans()), max_size=12))
def test_the_follower_tells_each_event_once_or_says_that_it_missed_it(steps: list[_Step]) -> None:
    follower, last, uptime_ms = Follower(), 0, 1000
    assert not follower.behind(last)
    for events, reset in steps:
        if reset:
            follower.began_again()
            last = 0
        before, last = last, last + events
        if not follower.behind(last):
            assert events == 0
            continue
        values = {field.name: 0 for field in EVENT_LOG.fields} | {"uptime_ms": uptime_ms}
        for place, number in enumerate(range(max(1, last - EVENTS + 1), last + 1)):
            values |= {f"event{place}_number": number, f"event{place}_code": EventCode.FAN_TURNS}
        news = list(follower.news(values))
        missed = max(0, events - EVENTS)
        assert len(news) == min(events, EVENTS) + (missed > 0), (before, last)
        if missed:
            assert news[0].message.startswith(f"{missed} events")


def test_outputs_hold_release_and_say_who_decides(bench: Bench) -> None:
    bench.sensor.open()
    relay, _, fan, _, limit = bench.sensor.actuators()
    assert [a.info.name for a in bench.sensor.actuators()] == [
        "relay1",
        "relay2",
        "fan1",
        "fan2",
        "power_limit",
    ]
    assert (fan.info.minimum, fan.info.maximum, fan.info.step) == (0.0, 1.0, 1e-4)
    relay.hold(0.0, 3.0)
    assert (relay.get(), relay.holder()) == (0.0, "")
    fan.hold(0.33333, 3.0)
    assert fan.get() == pytest.approx(0.3333)
    limit.hold(250.0, 3.0)
    assert limit.get() == 250.0
    bench.model.forced["fan1"] = (Source.GUARD, 10_000)
    assert (fan.get(), fan.holder()) == (1.0, "the node's guard")
    relay.release()
    assert (relay.get(), relay.holder()) == (1.0, "its safe state")


def test_a_node_that_was_reset_is_unlocked_again(bench: Bench) -> None:
    bench.sensor.open()
    relay = bench.sensor.actuators()[0]
    relay.hold(0.0, 3.0)
    bench.model.reset()
    relay.hold(0.0, 3.0)
    assert bench.model.output("relay1")[:2] == (Source.LEASE, 0)


def test_unplugged_and_replugged(bench: Bench) -> None:
    bench.read()
    bench.line.unplug()
    with pytest.raises(DriverError) as lost:
        bench.sensor.read()
    bench.sensor.close()
    with pytest.raises(DriverError) as gone:
        bench.sensor.open()
    assert str(lost.value) == str(gone.value), "one fault, one text"
    assert gone.value.retry_s is not None and gone.value.retry_s <= 1.0
    bench.line.plug()
    assert bench.read()["temperature/board"] == 1.0


@pytest.mark.parametrize("unplug", [True, False])
def test_another_node_in_its_place_is_not_read_on(bench: Bench, unplug: bool) -> None:
    bench.model._begun_s -= 60.0  # it has run for a while
    bench.read()
    if unplug:
        bench.line.unplug()
        bench.sensor.close()
        bench.line.plug()
    assert bench.sensor.identity == "7"
    bench.model = ModelNode(serial_number=8)
    with pytest.raises(DriverError, match="another node has been put in its place: serial number 8, not 7"):
        if unplug:
            bench.sensor.open()
        bench.sensor.read()
        bench.sensor.read()


def test_only_the_wanted_node_is_read(bench: Bench) -> None:
    sensor = bench.driver(serial_number=5)
    with pytest.raises(DriverError, match="serial number 7, not 5"):
        sensor.open()
    sensor.close()


# The node's clock.


class Quartz:
    """A node's clock that drifts, behind a line with delays; times in seconds, the host's from 100."""

    def __init__(self, drift: float = 0.0) -> None:
        self.clock = NodeClock()
        self.drift = drift

    def uptime_ms(self, host_s: float) -> int:
        return math.floor(1e3 * (host_s - 90) * (1 + self.drift))

    def exchange(self, sent_s: float, there_s: float, back_s: float) -> None:
        made_s = sent_s + there_s
        times = Exchange(round(sent_s * S), round((made_s + back_s) * S))
        self.clock.learn(times, self.uptime_ms(made_s))

    def error_s(self, host_s: float) -> float:
        return abs(self.clock.host_ns(self.uptime_ms(host_s)) / S - host_s)


@pytest.mark.parametrize("drift", [0.0, 50e-6, -200e-6, 5e-3])
def test_the_clock_is_known_to_a_few_milliseconds_whatever_it_drifts(drift: float) -> None:
    quartz = Quartz(drift)
    for i in range(1200):
        slow_s = 0.05 if i % 7 else 0.002  # most answers are held up on their way back
        quartz.exchange(100 + i * 0.1, 0.001, slow_s)
    assert quartz.error_s(219.9) < 0.004
    assert quartz.clock.drift == pytest.approx(drift, abs=1e-4)


@given(
    delays=st.lists(st.tuples(st.floats(0.0005, 0.2), st.floats(0.0005, 0.2)), min_size=1, max_size=300),
    drift=st.floats(-1e-4, 1e-4),
)
def test_the_truth_lies_within_the_doubt(delays: list[tuple[float, float]], drift: float) -> None:
    quartz = Quartz(drift)
    for i, (there_s, back_s) in enumerate(delays):
        quartz.exchange(100 + i * 0.5, there_s, back_s)
    last_s = 100 + 0.5 * len(delays)
    assert quartz.error_s(last_s) <= quartz.clock.doubt_ns(round(last_s * S)) / S + 0.002


# Discovery.


class Adapter(NamedTuple):
    """What pyserial tells of a port."""

    device: str
    vid: int | None = 0x0403
    serial_number: str | None = "A1"
    product: str | None = "FT232R"
    description: str = "FT232R USB UART"


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def plug(*adapters: Adapter) -> None:
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: list(adapters))

    return plug


def test_discovery_tells_a_node_from_other_adapters(tmp_path: Path, plugged: Callable[..., None]) -> None:
    node, mute = ModelNode(42), ModelNode()
    mute.values["config"]["slave_id"] = 9
    asked: list[bytes] = []

    def never(request: bytes) -> bytes:
        asked.append(request)
        return b""

    with (
        serial_line(tmp_path / "a", node.answer) as a,
        serial_line(tmp_path / "b", mute.answer) as b,
        serial_line(tmp_path / "c", never) as c,
    ):
        plugged(
            Adapter(str(a.path)), Adapter(str(b.path), serial_number=None), Adapter(str(c.path), vid=None)
        )
        (found,) = NodeSensor.discover(Host())
    assert (found.device, found.options, found.missing) == ("node-42", {"port": "usb:A1"}, "")
    assert "serial number 42" in found.summary and "FT232R" in found.summary
    assert asked == [], "ports that are no USB adapters are left alone"
    assert list(NodeSensor.discover(Host(root=tmp_path))) == []


def test_discovery_names_a_port_that_is_in_use(tmp_path: Path, plugged: Callable[..., None]) -> None:
    with serial_line(tmp_path / "tty", ModelNode().answer) as line:
        plugged(Adapter(str(line.path)))
        holder = SerialPort(str(line.path), 115_200)
        (found,) = NodeSensor.discover(Host())
        holder.close()
    assert "in use by" in found.missing and "stop" in found.remedy


def test_a_port_is_found_by_its_adapters_number(plugged: Callable[..., None]) -> None:
    plugged(Adapter("/dev/ttyUSB3"), Adapter("/dev/ttyUSB4", serial_number="B2"))
    assert find_port("usb:B2") == "/dev/ttyUSB4"
    assert find_port("/dev/ttyS0") == "/dev/ttyS0"
    with pytest.raises(DriverError, match=r"usb:C3: is not there; plug the adapter in \(here are: A1, B2\)"):
        find_port("usb:C3")
