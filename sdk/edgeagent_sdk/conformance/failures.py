"""The rules of every driver when its device fails: gone, absent, silent, or begun anew."""

from __future__ import annotations

import time
from typing import ClassVar

from edgeagent_sdk.channel import Value
from edgeagent_sdk.conformance.bench import Bench, Device, make, opened
from edgeagent_sdk.conformance.calls import refusal, without_error
from edgeagent_sdk.conformance.held import soon
from edgeagent_sdk.conformance.values import check_risen, counts, numbers, one_line
from edgeagent_sdk.driver import Sensor
from edgeagent_sdk.errors import DriverError

_CLOSES = "Let `close` succeed whatever has become of the device"


class FailureChecks:
    """Derive from `DriverConformance` instead. Each check is skipped where the bench cannot do the harm."""

    driver: ClassVar[type[Sensor]]

    def test_unplugged_it_gives_no_number(self, bench: Bench) -> None:
        """A device that is gone is a DriverError or all Faults; a stale value is never a number."""
        unplug, replug = bench.acts("unplug", "replug")
        with opened(make(self.driver, bench), bench) as device:
            device.read()
            unplug()
            try:
                assert soon(lambda: _gives_no_number(device), bench.patience_s), (
                    f"`read` still gives numbers {bench.patience_s:g} s after the device was unplugged. A"
                    " value that cannot be fetched anew is a Fault; if all are, raise DriverError"
                )
                without_error(
                    device.sensor.close, bench.patience_s, "close of a device that is gone", _CLOSES
                )
            finally:
                replug()

    def test_plugged_in_again_it_reads_on(self, bench: Bench) -> None:
        """Closed and opened again, as the agent does after each failure, the same driver gives numbers."""
        unplug, replug = bench.acts("unplug", "replug")
        sensor = make(self.driver, bench)
        with opened(sensor, bench) as device:
            device.read()
            unplug()
            try:
                refusal(sensor.read, bench.patience_s, "read")
            finally:
                replug()
        assert soon(lambda: _reads(sensor, bench), bench.patience_s), (
            "the device is back, but the driver gives no number. Reach it anew in each `open`, and keep"
            " nothing there of what was before"
        )

    def test_absent_it_is_told_in_words(self, bench: Bench) -> None:
        """Without a device `open`, or the first `read`, is a DriverError of one line."""
        unplug, replug = bench.acts("unplug", "replug")
        sensor = make(self.driver, bench)
        unplug()
        try:
            error = refusal(
                lambda: _open_and_read(sensor), bench.patience_s, "open and read without a device"
            )
            without_error(sensor.close, bench.patience_s, "close of a device that never was there", _CLOSES)
        finally:
            replug()
        assert error, "`open` and `read` worked without a device. Reach it in `open`, and raise DriverError"
        assert one_line(error.reason) and one_line(str(error)), (
            f"{str(error)!r} is not one line for people. Say what is wrong and where:"
            " DriverError(f'{path}: …')"
        )

    def test_silent_it_blocks_nobody(self, bench: Bench) -> None:
        """A device that hangs makes `read` and `close` end in time, and gives no number for ever."""
        hang, resume = bench.acts("hang", "resume")
        with opened(make(self.driver, bench), bench) as device:
            device.read()
            hang()
            try:
                assert soon(lambda: _gives_no_number(device), bench.patience_s), (
                    f"`read` still gives numbers {bench.patience_s:g} s after the device fell silent."
                    " Keep the age of what was received last; what is too old is a Fault"
                )
                without_error(device.sensor.close, bench.patience_s, "close of a silent device", _CLOSES)
            finally:
                resume()

    def test_counters_go_on_after_a_reset(self, bench: Bench) -> None:
        """When the device's own counter begins again at 0, the driver's total goes on from where it was."""
        (reset,) = bench.acts("reset")
        with opened(make(self.driver, bench), bench) as device:
            before = counts(device.channels, device.read())
            reset()
            time.sleep(bench.settle_s)
            check_risen(before, counts(device.channels, device.read()))


def _gives_no_number(device: Device) -> bool:
    values: list[Value] = []
    patience_s = device.bench.patience_s
    error = refusal(lambda: values.extend(device.sensor.read()), patience_s, "read of a device that fails")
    assert error is None or one_line(error.reason), "the DriverError of `read` has no reason of one line"
    time.sleep(device.bench.settle_s)
    return not numbers(values)


def _reads(sensor: Sensor, bench: Bench) -> bool:
    try:
        with opened(sensor, bench) as device:
            return bool(numbers(device.read()))
    except DriverError:
        return False


def _open_and_read(sensor: Sensor) -> None:
    sensor.open()
    values = sensor.read()
    if not numbers(values):
        raise DriverError("all values are faults")
