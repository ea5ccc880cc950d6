"""What can be set of a GPU: its power limit, and the highest clock of its SMs.

Source: NVIDIA, NVML API Reference, "Device Commands" (``nvmlDeviceSetPowerManagementLimit``, mW;
``nvmlDeviceSetGpuLockedClocks``, MHz). Neither outlives a reload of the driver, thus no restart of the
machine (`survives_reboot`); nor, with persistence mode off, the last client of the GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from edgeagent.drivers.nvml.library import Library, Refused
from edgeagent.drivers.nvml.lock import Lock
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

    NVML tells nobody what is locked. So `get` returns what was set here last (without a lock: the highest
    clock), unless the SMs run faster than that: then the lock is gone, and their clock is the answer.
    The highest clock takes the lock away.

    Args:
        lock: what was set here last, by an earlier run too.
    """

    def __init__(self, library: Library, gpu: Any, lock: Lock) -> None:
        self._library, self._gpu, self._lock = library, gpu, lock
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
            "sm-clock-limit",
            "frequency",
            lowest_mhz * 1e6,
            highest_mhz * 1e6,
            about,
            self._step_mhz * 1e6,
            tuple(mhz * 1e6 for mhz in self._steps_mhz),
        )
        self._highest_mhz = highest_mhz
        self._set_s = 0.0

    def get(self) -> float:
        """The limit in Hz, as far as it can be known."""
        try:
            now_mhz = self._library.call("DeviceGetClockInfo", self._gpu, _SM)
        except Refused as refused:
            raise DriverError(f"the clock of the SMs cannot be read: {refused}") from None
        limit_mhz = self._lock.limit_mhz or self._highest_mhz
        settled = time.monotonic() - self._set_s > _SETTLE_S
        broken = settled and now_mhz > limit_mhz + self._step_mhz
        return float(now_mhz if broken else limit_mhz) * 1e6

    def set(self, value: float) -> None:
        """Let the SMs run at `value` Hz at most."""
        limit_mhz = round(value * 1e-6)
        try:
            if limit_mhz >= self._highest_mhz:
                self._library.call("DeviceResetGpuLockedClocks", self._gpu)
                self._lock.forget()
            else:
                self._take(limit_mhz)
        except Refused as refused:
            raise refused.to_set(self.info.name) from None
        self._set_s = time.monotonic()

    def _take(self, limit_mhz: int) -> None:
        """Note it first: killed in between, we take away a lock that is not there, and leave none."""
        before_mhz = self._lock.limit_mhz
        self._lock.keep(limit_mhz)
        try:
            self._library.call("DeviceSetGpuLockedClocks", self._gpu, self._steps_mhz[0], limit_mhz)
        except Refused:
            if before_mhz is None:
                self._lock.forget()
            else:
                self._lock.keep(before_mhz)
            raise


def limits(library: Library, gpu: Any, lock: Lock) -> list[Actuator]:
    """What this GPU lets itself be told; `lock` is what we have made of its clocks before."""
    found: list[Actuator] = []
    kinds: list[Callable[[Library, Any], Actuator]] = [PowerLimit, partial(ClockLimit, lock=lock)]
    for make in kinds:
        try:
            found.append(make(library, gpu))
        except Refused:
            continue
    return found
