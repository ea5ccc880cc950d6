"""Which GPUs there are: by NVML, and by the traces that they leave in /sys and /dev without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from edgeagent.drivers.nvml.library import Library, Refused
from edgeagent.drivers.sysfs import listing, text
from edgeagent_sdk.driver import Found, Host
from edgeagent_sdk.errors import DriverError

_CONTROL = "/dev/nvidiactl"
_PCI = "/sys/bus/pci/devices"

#: PCI: NVIDIA's number, and the class of displays and 3D controllers, under which all its GPUs go.
_VENDOR, _DISPLAY = "0x10de", "0x03"

_MIG_ENABLED = 1


class Gpu(NamedTuple):
    """A GPU, or a MIG instance of one."""

    handle: Any
    uuid: str
    name: str
    number: str  # its number; of a MIG instance, that of its GPU with its own


def discover(host: Host) -> Iterator[Found]:
    """Every GPU and MIG instance, and what is missing where one cannot be read."""
    traces = _traces(host)
    if not traces:
        return
    found, troubles = _look()
    for gpu in found:
        yield Found(f"gpu{gpu.number}", {"gpu": gpu.uuid}, f"{gpu.name}, {gpu.uuid}")
    for trouble in troubles:
        yield Found("gpu", {"gpu": "0"}, f"NVIDIA GPU ({traces})", trouble.reason, trouble.remedy)


def find(library: Library, wanted: str) -> Gpu:
    """The GPU with this UUID or number. Raises DriverError with those that there are."""
    known, troubles = gpus(library)
    for gpu in known:
        if wanted in (gpu.uuid, gpu.number):
            return gpu
    if troubles:
        raise troubles[0]
    here = ", ".join(gpu.uuid for gpu in known) or "none"
    raise DriverError(f"GPU {wanted} is not there (GPUs here: {here})", retry_s=10.0)


def gpus(library: Library) -> tuple[list[Gpu], list[DriverError]]:
    """All GPUs in NVML's order, each with its MIG instances after it; and what is wrong with the others."""
    known: list[Gpu] = []
    troubles: list[DriverError] = []
    for index in range(library.call("DeviceGetCount")):
        try:
            handle = library.call("DeviceGetHandleByIndex", index)
            name = _text(library.call("DeviceGetName", handle))
            known.append(Gpu(handle, _text(library.call("DeviceGetUUID", handle)), name, str(index)))
            known += _instances(library, handle, name, index)
        except DriverError as error:
            troubles.append(error)
    return known, troubles


def _look() -> tuple[list[Gpu], list[DriverError]]:
    try:
        library = Library()
    except DriverError as error:
        return [], [error]
    try:
        return gpus(library)
    except DriverError as error:
        return [], [error]
    finally:
        library.close()


def _instances(library: Library, handle: Any, name: str, index: int) -> Iterator[Gpu]:
    try:
        enabled, _ = library.call("DeviceGetMigMode", handle)
        count = library.call("DeviceGetMaxMigDeviceCount", handle) if enabled == _MIG_ENABLED else 0
    except Refused:
        return
    for number in range(count):
        try:
            instance = library.call("DeviceGetMigDeviceHandleByIndex", handle, number)
            uuid = _text(library.call("DeviceGetUUID", instance))
        except DriverError:  # "not found" is said of a place that no instance has
            continue
        yield Gpu(instance, uuid, f"MIG instance {number} of GPU {index} ({name})", f"{index}-mig{number}")


def _traces(host: Host) -> str:
    """How GPUs show without NVML; empty if there is none."""
    if host.path(_CONTROL).exists():
        return _CONTROL
    slots = [
        device.name
        for device in listing(host.path(_PCI))
        if text(device / "vendor") == _VENDOR and text(device / "class").startswith(_DISPLAY)
    ]
    return ", ".join(slots)


def _text(answer: str | bytes) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer
