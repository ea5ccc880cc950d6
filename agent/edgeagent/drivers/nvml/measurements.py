"""What NVML tells of a GPU, as a table: channel, quantity, call, unit.

Source: NVIDIA, NVML API Reference, "Device Queries" (mW, mJ, °C, MHz, %) and "Field Value Enums".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from edgeagent.drivers.nvml.library import SUPPORTS_NOT, Library, Refused
from edgeagent_sdk.channel import Channel, Fault, Value

#: Arguments: the core's temperature sensor; the clocks of SM and memory; the memory's temperature as a field.
_CORE, _SM, _MEMORY, _MEMORY_TEMPERATURE = 0, 1, 2, 82

#: What stands for "not available" in NVML's unsigned numbers of 32 and of 64 bits.
_NOT_AVAILABLE = (2**32 - 1, 2**64 - 1)

#: Reasons for which a GPU runs slower than it could: bits and words.
_THROTTLE = (
    (0x1, "idle"),
    (0x2, "clocks set by a user"),
    (0x4, "power limit"),
    (0x8, "hardware slowdown"),
    (0x10, "sync boost"),
    (0x20, "thermal slowdown by the driver"),
    (0x40, "thermal slowdown by the hardware"),
    (0x80, "power brake"),
    (0x100, "display clocks"),
    (0x200, "board limit"),
    (0x400, "reliability"),
)

_THROTTLE_CODE = "sum of " + ", ".join(f"{bit} {words}" for bit, words in _THROTTLE)

#: Fans are told in % of what their maker means by full; NVML says that they may pass it.
_FAN_MAXIMUM = 2.0

#: The slowest performance state; NVML says 32 where it does not know.
_SLOWEST = 15


class Measurement(NamedTuple):
    """One channel.

    Args:
        read: its value in the channel's unit. Raises Refused or DriverError.
    """

    channel: Channel
    read: Callable[[], float]


class _Row(NamedTuple):
    """A channel, the function that gives its value, and what one count of that is worth.

    Args:
        pick: the field of the answer, where that is a structure.
    """

    channel: Channel
    function: str
    scale: float
    arguments: tuple[int, ...] = ()
    pick: str = ""


_USED = "share of time in which a kernel ran"
_MOVED = "share of time in which memory was read or written"

_ROWS = (
    _Row(Channel("board", "power", description="the whole board, memory too"), "DeviceGetPowerUsage", 1e-3),
    _Row(Channel("board", "energy"), "DeviceGetTotalEnergyConsumption", 1e-3),
    _Row(Channel("limit", "power", description="the limit in force"), "DeviceGetEnforcedPowerLimit", 1e-3),
    _Row(Channel("core", "temperature"), "DeviceGetTemperature", 1.0, (_CORE,)),
    _Row(Channel("sm", "frequency"), "DeviceGetClockInfo", 1e6, (_SM,)),
    _Row(Channel("memory", "frequency"), "DeviceGetClockInfo", 1e6, (_MEMORY,)),
    _Row(Channel("gpu", "utilization", description=_USED), "DeviceGetUtilizationRates", 1e-2, (), "gpu"),
    _Row(
        Channel("memory", "utilization", description=_MOVED), "DeviceGetUtilizationRates", 1e-2, (), "memory"
    ),
    _Row(Channel("memory-used", "size"), "DeviceGetMemoryInfo", 1.0, (), "used"),
    _Row(Channel("memory-total", "size"), "DeviceGetMemoryInfo", 1.0, (), "total"),
    _Row(
        Channel("performance", "state", minimum=0, maximum=_SLOWEST, description="0 (P0, fastest) to 15"),
        "DeviceGetPerformanceState",
        1.0,
    ),
    _Row(
        Channel("throttle", "state", description=_THROTTLE_CODE), "DeviceGetCurrentClocksThrottleReasons", 1.0
    ),
)


def measurements(library: Library, gpu: Any) -> list[Measurement]:
    """What this GPU, or MIG instance, can tell; what it does not support is left out.

    Raises:
        DriverError: the GPU is gone.
    """
    return [made for made in _candidates(library, gpu) if _supported(made)]


def value(measurement: Measurement) -> Value:
    """Its value now, or a fault with NVML's words. Raises DriverError if the GPU is gone."""
    try:
        return measurement.read()
    except Refused as refused:
        return Fault(str(refused))


def throttle_words(code: float) -> str:
    """The reasons in the sum `code`, e.g. ``power limit, idle``."""
    return ", ".join(words for bit, words in _THROTTLE if int(code) & bit) or "none"


def _candidates(library: Library, gpu: Any) -> Iterator[Measurement]:
    for row in (*_ROWS, *_fans(library, gpu)):
        yield Measurement(row.channel, _reader(library, gpu, row))
    yield Measurement(Channel("memory", "temperature"), lambda: _memory_temperature_c(library, gpu))


def _reader(library: Library, gpu: Any, row: _Row) -> Callable[[], float]:
    def read() -> float:
        answer = library.call(row.function, gpu, *row.arguments)
        count = getattr(answer, row.pick) if row.pick else answer
        if count in _NOT_AVAILABLE:
            raise Refused(0, f"{row.function} says that the value is not available")
        return float(count) * row.scale

    return read


def _memory_temperature_c(library: Library, gpu: Any) -> float:
    (field,) = library.call("DeviceGetFieldValues", gpu, [_MEMORY_TEMPERATURE])
    if field.nvmlReturn:
        raise Refused(field.nvmlReturn, f"no temperature of the memory (code {field.nvmlReturn})")
    temperature_c = float(field.value.uiVal)
    if temperature_c == 0.0:  # GDDR boards without the sensor answer with 0 and no error
        raise Refused(3, "the memory's temperature is said to be 0 °C")
    return temperature_c


def _fans(library: Library, gpu: Any) -> Iterator[_Row]:
    try:
        count = int(library.call("DeviceGetNumFans", gpu))
    except Refused:
        count = 0
    for fan in range(count):
        channel = Channel(f"fan{fan}", "duty", maximum=_FAN_MAXIMUM, description="commanded, of full speed")
        yield _Row(channel, "DeviceGetFanSpeed_v2", 1e-2, (fan,))


def _supported(measurement: Measurement) -> bool:
    try:
        measurement.read()
    except Refused as refused:
        return refused.code not in SUPPORTS_NOT
    return True
