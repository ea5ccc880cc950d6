"""What can be set of a GPU: its power limit, and the highest clock of its SMs.

Source: NVIDIA, NVML API Reference, "Device Commands" (``nvmlDeviceSetPowerManagementLimit``, mW;
``nvmlDeviceSetGpuLockedClocks``, MHz). Neither outlives a reload of the driver.
"""

from __future__ import annotations

import time
from typing import Any

from edgeagent.drivers.nvml.library import Library, Refused
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError

#: Type of clock: the streaming multiprocessors, and the memory.
_SM, _MEMORY = 1, 2

#: The GPU takes this long at most until its clock has followed a lock.
_SETTLE_S = 1.0


class PowerLimit(Actuator):
    """The board's power limit. Raises Refused at the start if the GPU has none."""

    def __init__(self, library: Library, gpu: Any) -> None:
        self._library, self._gpu = library, gpu
        lowest_mw, highest_mw = library.call("DeviceGetPowerManagementLimitConstraints", gpu)
        default_w = library.call("DeviceGetPowerManagementDefaultLimit", gpu) * 1e-3
        about = f"power limit of the board; {default_w:g} W by default"
        self.info = ActuatorInfo("power-limit", "power", lowest_mw * 1e-3, highest_mw * 1e-3, about, 1e-3)

    def get(self) -> float:
        """The limit that was asked for, in W; a lower one may be in force (`power/limit`)."""
        try:
            return float(self._library.call("DeviceGetPowerManagementLimit", self._gpu)) * 1e-3
        except Refused as refused:
            raise DriverError(f"the power limit cannot be read: {refused}") from None

    def set(self, value: float) -> None:
        """Limit the board to `value` W."""
        try:
            self._library.call("DeviceSetPowerManagementLimit", self._gpu, round(value * 1e3))
        except Refused as refused:
            raise refused.to_set(self.info.name) from None


class ClockLimit(Actuator):
    """The highest clock that the SMs may take, a lock from the lowest clock up to it.

    NVML tells nobody what is locked. So `get` returns what was set here last (at first: the highest clock,
    no lock), unless the SMs run faster than that: then the lock is gone, and their clock is the answer.
    The highest clock takes the lock away.
    """

    def __init__(self, library: Library, gpu: Any) -> None:
        self._library, self._gpu = library, gpu
        highest_mhz = library.call("DeviceGetMaxClockInfo", gpu, _SM)
        memory_mhz = library.call("DeviceGetMaxClockInfo", gpu, _MEMORY)
        self._steps_mhz = sorted(library.call("DeviceGetSupportedGraphicsClocks", gpu, memory_mhz))
        if not self._steps_mhz:
            raise Refused(3, "the GPU names no clocks")
        lowest_mhz = self._steps_mhz[0]
        gaps = [b - a for a, b in zip(self._steps_mhz, self._steps_mhz[1:], strict=False)]
        self._step_mhz = max(gaps, default=1)
        about = f"highest clock of the SMs; {highest_mhz * 1e6:g} Hz takes the lock away"
        self.info = ActuatorInfo(
            "sm-clock-limit", "frequency", lowest_mhz * 1e6, highest_mhz * 1e6, about, self._step_mhz * 1e6
        )
        self._limit_mhz = self._highest_mhz = highest_mhz
        self._set_s = 0.0

    def get(self) -> float:
        """The limit in Hz, as far as it can be known."""
        try:
            now_mhz = self._library.call("DeviceGetClockInfo", self._gpu, _SM)
        except Refused as refused:
            raise DriverError(f"the clock of the SMs cannot be read: {refused}") from None
        settled = time.monotonic() - self._set_s > _SETTLE_S
        broken = settled and now_mhz > self._limit_mhz + self._step_mhz
        return float(now_mhz if broken else self._limit_mhz) * 1e6

    def set(self, value: float) -> None:
        """Let the SMs run at `value` Hz at most."""
        limit_mhz = round(value * 1e-6)
        try:
            if limit_mhz >= self._highest_mhz:
                self._library.call("DeviceResetGpuLockedClocks", self._gpu)
            else:
                self._library.call("DeviceSetGpuLockedClocks", self._gpu, self._steps_mhz[0], limit_mhz)
        except Refused as refused:
            raise refused.to_set(self.info.name) from None
        self._limit_mhz, self._set_s = limit_mhz, time.monotonic()


def limits(library: Library, gpu: Any) -> list[Actuator]:
    """What this GPU lets itself be told."""
    found: list[Actuator] = []
    for kind in (PowerLimit, ClockLimit):
        try:
            found.append(kind(library, gpu))
        except Refused:
            continue
    return found
