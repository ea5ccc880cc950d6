"""NVML as the package `nvidia-ml-py` loads it, and its errors in words.

Source of the codes and of what they mean: NVIDIA, NVML API Reference, "Enumerations" and "Device Commands".
"""

from __future__ import annotations

from typing import Any, Final

from edgeagent_sdk.errors import DriverError

SUPPORTS_NOT: Final = frozenset({2, 3, 13, 25, 26})
"""Invalid argument, not supported, function not found, version mismatch, deprecated: this GPU, MIG
instance or driver does not have it."""

_NO_PERMISSION = 4

#: The GPU or its driver is gone, and with it every channel: uninitialized, not found, driver not loaded,
#: GPU is lost, reset required, library and driver differ, GPU not found.
_GONE = frozenset({1, 6, 9, 15, 16, 18, 28})

_REMEDIES: Final = {
    4: "the agent must be able to open /dev/nvidiactl and /dev/nvidia0 …: see who may (ls -l /dev/nvidia*)",
    9: "load the driver: modprobe nvidia; its messages: dmesg | grep -i -e nvrm -e nvidia",
    12: "install the part of the NVIDIA driver that has libnvidia-ml.so.1 (Debian: libnvidia-ml1, Ubuntu: "
    "nvidia-utils-…); in a container: the NVIDIA container toolkit with NVIDIA_DRIVER_CAPABILITIES=utility",
    15: "the GPU has fallen off the bus: look at dmesg for Xid 79; it comes back with a reset or a reboot",
    16: "nvidia-smi --gpu-reset, with nothing running on the GPU, or a reboot",
    18: "the driver was updated under way: reboot, or stop all that uses the GPU and reload the module",
}

MISSING_PACKAGE: Final = "pip install 'edgeagent[nvml]'"

SET_REMEDY: Final = (
    "NVML lets root alone set it, and the kernel module asks for CAP_SYS_ADMIN: run the agent as root, or "
    "add CAP_SYS_ADMIN to AmbientCapabilities= and CapabilityBoundingSet= of edgeagent.service"
)

#: A GPU that is gone takes so long to come back that it is not looked for more often.
_RETRY_S = 10.0


class Library:
    """NVML, in use from `__init__` until `close`.

    Raises:
        DriverError: the package, the library or the driver is missing; with the remedy.
    """

    def __init__(self) -> None:
        try:
            import pynvml
        except ImportError:
            raise DriverError("the Python package nvidia-ml-py is not installed", MISSING_PACKAGE) from None
        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise _gone(error) from None
        self._open = True

    def call(self, function: str, *arguments: Any) -> Any:
        """What the function, named without its prefix ``nvml``, returns.

        Raises:
            Refused: NVML refused this call only.
            DriverError: the GPU or its driver is gone.
        """
        try:
            return getattr(self._nvml, f"nvml{function}")(*arguments)
        except self._nvml.NVMLError as error:
            if error.value in _GONE:
                raise _gone(error) from None
            raise Refused(error.value, str(error)) from None
        except AttributeError:
            raise Refused(13, f"nvidia-ml-py has no nvml{function}") from None

    def close(self) -> None:
        """Let go of NVML. May be called twice."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                pass  # the driver is gone already


class Refused(DriverError):
    """One call that NVML refused.

    Args:
        code: one of NVML's, e.g. 3 for "not supported".
        words: NVML's own.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"NVML: {words.lower().rstrip('.')}")
        self.code = code

    def to_set(self, what: str) -> DriverError:
        """The error for a user who wanted to set `what`."""
        return DriverError(f"{what} cannot be set: {self}", SET_REMEDY if self.code == _NO_PERMISSION else "")


def _gone(error: Any) -> DriverError:
    return DriverError(
        f"NVML: {str(error).lower().rstrip('.')}", _REMEDIES.get(error.value, ""), retry_s=_RETRY_S
    )
