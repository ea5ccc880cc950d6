"""One pass over devices: each is opened, read once and closed, and none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

from edgeagent.config import DeviceConfig
from edgeagent.stream import Rules, Stream
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Source
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import Identity

#: Shares and powers are differences: this is what they are taken over.
_SETTLE_S = 0.5

_NOWHERE = Identity("none", "none")


class Row(NamedTuple):
    """One channel's value. A device that failed as a whole has one row, without a channel."""

    device: str
    channel: Channel | None
    value: Value


class _Pass(threading.Thread):
    """A thread for each device: one that hangs in its driver is left behind."""

    def __init__(self, host: Host, config: DeviceConfig) -> None:
        super().__init__(name=f"read-{config.name}", daemon=True)
        self._host, self._config = host, config
        self.rows = [Row(config.name, None, Fault("no answer; the driver hangs"))]

    def run(self) -> None:
        try:
            self.rows = self._read()
        except EdgeError as error:
            self.rows = [Row(self._config.name, None, Fault(str(error)))]
        except Exception as error:
            fault = Fault(f"the driver failed: {type(error).__name__}: {error}")
            self.rows = [Row(self._config.name, None, fault)]

    def _read(self) -> list[Row]:
        name = self._config.name
        sensor = self._config.sensor(self._host, self._config.options)
        try:
            channels = sensor.open()
            time.sleep(_SETTLE_S)
            stream = Stream(name, _NOWHERE, channels, Rules({}, 0.0, self._config.calibration))
            stream.take(sensor.read(), 0)
        finally:
            sensor.close()
        return [Row(name, c, v) for c, v in zip(stream.channels, stream.values, strict=True)]


def read_once(host: Host, devices: Sequence[DeviceConfig], timeout_s: float = 5.0) -> list[Row]:
    """Read every device, calibrated and checked as the agent would, in the order given.

    A device that has not answered after `timeout_s` is a fault.
    """
    passes = {device.name: _Pass(host, device) for device in devices if not _reads_others(device)}
    _run(passes.values(), timeout_s)
    whole = replace(host, readings=_Rows([row for each in passes.values() for row in each.rows]))
    second = {device.name: _Pass(whole, device) for device in devices if _reads_others(device)}
    _run(second.values(), timeout_s)
    return [row for device in devices for row in (passes | second)[device.name].rows]


def _run(passes: Collection[_Pass], timeout_s: float) -> None:
    for each in passes:
        each.start()
    deadline = time.monotonic() + timeout_s
    for each in passes:
        each.join(max(0.0, deadline - time.monotonic()))


def _reads_others(device: DeviceConfig) -> bool:
    return bool(getattr(device.sensor, "reads_others", False))


class _Rows(NamedTuple):
    """What has been read so far, for drivers that read other devices."""

    rows: list[Row]

    @property
    def version(self) -> int:
        """Always the same: what is read once does not change."""
        return 0

    def waiting(self, pattern: str) -> list[str]:
        """The devices that could match, but failed as a whole."""
        device = pattern.partition("/")[0]
        return [row.device for row in self.rows if not row.channel and fnmatchcase(row.device, device)]

    def find(self, pattern: str) -> list[Source]:
        """The channels that match ``device/quantity/name``."""
        return [
            Source(row.device, row.channel, partial(_latest, row.value))
            for row in self.rows
            if row.channel and fnmatchcase("/".join((row.device, *row.channel.key)), pattern)
        ]


def _latest(value: Value) -> tuple[Value, float]:
    return value, 0.0
