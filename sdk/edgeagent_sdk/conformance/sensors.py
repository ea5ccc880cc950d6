"""The rules of every driver: opening, describing, reading, ageing, unplugging, closing, and blocking."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.config import explain
from edgeagent_sdk.conformance.bench import Bench, Opened, in_time, make, opened, refusal
from edgeagent_sdk.driver import Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import check_name
from edgeagent_sdk.quantities import QUANTITIES, Kind

_PASSES = 5

#: A driver may keep a connection or a thread of a library; more with each opening is a leak.
_OPENINGS = 10
_LEAK = 5


class SensorChecks:
    """Derive from `DriverConformance` instead."""

    driver: ClassVar[type[Sensor]]

    @pytest.fixture
    def bench(self) -> Bench:
        """The device to try the driver on: give a fixture of this name in your class."""
        pytest.fail(f"{type(self).__name__} has no fixture `bench` that returns a Bench")

    # Before it is opened.

    def test_it_says_what_it_is(self) -> None:
        """`summary` is one line for people."""
        summary = self.driver.summary
        assert summary.strip() and "\n" not in summary, "set `summary` to one line that says what is read"

    def test_its_options_explain_themselves(self) -> None:
        """Each key has a description: `edgeagent check --explain` prints it."""
        assert issubclass(self.driver.Options, Options), "derive Options from edgeagent_sdk.Options"
        silent = [row["key"] for row in explain(self.driver.Options) if not row["meaning"]]
        assert not silent, (
            f"no description for {', '.join(silent)}; annotate with msgspec.Meta(description=…)"
        )

    def test_making_it_touches_nothing(self, bench: Bench, tmp_path: Path) -> None:
        """`__init__` only stores: the agent makes every driver before it opens any."""
        absent = Bench(Host(tmp_path / "nowhere"), bench.options)
        assert refusal(lambda: make(self.driver, absent), bench, "__init__") is None

    def test_discovery_never_fails(self, bench: Bench, tmp_path: Path) -> None:
        """On a machine without the device, `discover` finds nothing, or says what is missing."""
        for found in in_time(lambda: list(self.driver.discover(Host(tmp_path))), bench, "discover"):
            check_name(found.device, "device")
            assert found.summary or found.missing

    def test_what_it_discovers_can_be_opened(self, bench: Bench) -> None:
        """The options in `Found` are those that reach the device."""
        found = in_time(lambda: list(self.driver.discover(bench.host)), bench, "discover")
        readable = [each for each in found if not each.missing]
        if not bench.discovered:
            pytest.skip("the bench does not say that it can be discovered")
        assert readable, "discover does not find the bench's device"
        for each in readable:
            msgspec.convert(each.options, self.driver.Options)
        with opened(self.driver, Bench(bench.host, readable[0].options, patience_s=bench.patience_s)):
            pass

    # Open.

    def test_its_channels_are_told_apart(self, bench: Bench) -> None:
        """At least one channel; no two with one quantity and name."""
        with opened(self.driver, bench) as device:
            keys = [channel.key for channel in device.channels]
        assert keys, "open returned no channel"
        assert len(set(keys)) == len(keys), f"twice: {sorted({key for key in keys if keys.count(key) > 1})}"

    def test_a_pass_gives_a_value_for_each_channel(self, bench: Bench) -> None:
        """A float in the quantity's unit, within its bounds, or a Fault with a reason in one line."""
        with opened(self.driver, bench) as device:
            for _ in range(_PASSES):
                values = in_time(device.values, bench, "read")
                _check(device.channels, values)
                time.sleep(bench.settle_s)
        numbers = [value for value in values if not isinstance(value, Fault)]
        assert numbers, f"not one number: {values}"

    def test_counters_never_fall(self, bench: Bench) -> None:
        """Over passes, and over closing and opening again within one process."""
        sensor = make(self.driver, bench)
        before: dict[tuple[str, str], float] = {}
        for _ in range(2):
            channels = in_time(sensor.open, bench, "open")
            for _ in range(_PASSES):
                now = _counters(channels, in_time(lambda: list(sensor.read()), bench, "read"))
                fallen = {
                    key: (before[key], now[key])
                    for key in now.keys() & before.keys()
                    if now[key] < before[key]
                }
                assert not fallen, f"fell: {fallen}"
                before |= now
                time.sleep(bench.settle_s)
            in_time(sensor.close, bench, "close")

    def test_the_age_of_values_is_a_time(self, bench: Bench) -> None:
        """`age_s` is finite and not negative."""
        with opened(self.driver, bench) as device:
            in_time(device.values, bench, "read")
            assert 0 <= device.sensor.age_s < math.inf

    def test_what_happened_is_told_once(self, bench: Bench) -> None:
        """`occurrences` gives each occurrence once, as one line."""
        with opened(self.driver, bench) as device:
            in_time(device.values, bench, "read")
            first = list(device.sensor.occurrences())
            assert not list(device.sensor.occurrences()), "asked again, it told the same again"
        for each in first:
            assert each.kind and each.message.strip() and "\n" not in each.message

    # Closing.

    def test_closing_before_opening_and_twice(self, bench: Bench) -> None:
        """`close` may come before `open`, and again."""
        sensor = make(self.driver, bench)
        for _ in range(2):
            assert refusal(sensor.close, bench, "close before open") is None
        in_time(sensor.open, bench, "open")
        for _ in range(2):
            assert refusal(sensor.close, bench, "close") is None

    def test_opened_again_it_is_the_same(self, bench: Bench) -> None:
        """The same channels in the same order: the agent opens it again after each failure."""
        sensor = make(self.driver, bench)
        seen = []
        for _ in range(2):
            seen.append([channel.key for channel in in_time(sensor.open, bench, "open")])
            in_time(lambda: list(sensor.read()), bench, "read")
            in_time(sensor.close, bench, "close")
        assert seen[0] == seen[1]

    def test_it_leaks_nothing(self, bench: Bench) -> None:
        """Neither files nor threads grow with each opening."""
        sensor = make(self.driver, bench)

        def once() -> None:
            sensor.open()
            sensor.read()
            sensor.close()

        in_time(once, bench, "open, read, close")
        files, threads = _open_files(), threading.active_count()
        for _ in range(_OPENINGS):
            in_time(once, bench, "open, read, close")
        assert _open_files() - files < _LEAK, "files stay open after close"
        assert threading.active_count() - threads < _LEAK, "threads go on after close"

    # Failing.

    def test_unplugged_it_gives_no_number(self, bench: Bench) -> None:
        """A device that is gone is a DriverError or all Faults; a stale value is never a number."""
        unplug, replug = _plugs(bench)
        with opened(self.driver, bench) as device:
            in_time(device.values, bench, "read")
            unplug()
            try:
                _check_gone(device, bench)
            finally:
                replug()

    def test_absent_it_is_told_in_words(self, bench: Bench) -> None:
        """`open` without a device raises DriverError with a reason, and works once it is there."""
        unplug, replug = _plugs(bench)
        sensor = make(self.driver, bench)
        unplug()
        try:
            error = refusal(lambda: _open_and_read(sensor), bench, "open")
            assert error, "open and read worked without a device"
            assert error.reason.strip() and "\n" not in str(error), f"not one line: {error}"
            in_time(sensor.close, bench, "close")
        finally:
            replug()
        _check(in_time(sensor.open, bench, "open"), in_time(lambda: list(sensor.read()), bench, "read"))
        in_time(sensor.close, bench, "close")


def _check(channels: Sequence[Channel], values: Sequence[Value]) -> None:
    assert len(values) == len(channels), f"{len(values)} values for {len(channels)} channels"
    for channel, value in zip(channels, values, strict=True):
        if isinstance(value, Fault):
            assert value.reason.strip() and "\n" not in value.reason, f"{channel}: a Fault without a reason"
            continue
        assert type(value) is float, f"{channel}: {value!r} is {type(value).__name__}, not float"
        assert math.isfinite(value), f"{channel}: {value} is no number; return a Fault"
        assert channel.minimum <= value <= channel.maximum, (
            f"{channel}: {value:g} is outside {channel.minimum:g} to {channel.maximum:g}; is the unit"
            f" {channel.quantity.unit}?"
        )


def _counters(channels: Sequence[Channel], values: Sequence[Value]) -> dict[tuple[str, str], float]:
    return {
        channel.key: value
        for channel, value in zip(channels, values, strict=True)
        if QUANTITIES[channel.quantity.name].kind is Kind.COUNTER and not isinstance(value, Fault)
    }


def _check_gone(device: Opened, bench: Bench) -> None:
    deadline = time.monotonic() + bench.patience_s
    while True:
        try:
            values = in_time(device.values, bench, "read")
        except DriverError as error:
            assert error.reason.strip()
            return
        numbers = [value for value in values if not isinstance(value, Fault)]
        if not numbers:
            return
        assert time.monotonic() < deadline, f"{len(numbers)} numbers, although the device is gone"
        time.sleep(bench.settle_s)


def _open_and_read(sensor: Sensor) -> None:
    sensor.open()
    if all(isinstance(value, Fault) for value in sensor.read()):
        raise DriverError("all faults")


def _plugs(bench: Bench) -> tuple[Callable[[], object], Callable[[], object]]:
    if bench.unplug is None or bench.replug is None:
        pytest.skip("the bench cannot unplug its device")
    return bench.unplug, bench.replug


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
