"""Setting the small text files by which Linux lets itself be steered: one class for every such file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from edgeagent.drivers.sysfs import Attribute, reason
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError

#: Files under /sys that set something belong to root, who alone may write them.
_REMEDY = (
    "run the agent as root or with the capability CAP_DAC_OVERRIDE "
    "(AmbientCapabilities= and CapabilityBoundingSet= of edgeagent.service)"
)

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class Knob(Actuator):
    """One file with one whole number in it, which can be written.

    Args:
        info: what it sets, between which limits, in the quantity's unit.
        path: the file.
        scale: what one count is worth in the quantity's unit.
        obstacle: why a write would have no effect now, empty if it would; asked before each.
        locked: what it means that the file can be opened but the kernel forbids the write.
    """

    def __init__(
        self,
        info: ActuatorInfo,
        path: Path,
        scale: float,
        *,
        obstacle: Callable[[], str] = str,
        locked: str = "",
    ) -> None:
        self.info = info
        self._path, self._scale = path, scale
        self._obstacle, self._locked = obstacle, locked

    def get(self) -> float:
        """What the kernel holds now, which may be less than what it was told."""
        file = Attribute(self._path, self._scale)
        value = file.read()
        file.close()
        if isinstance(value, Fault):
            raise DriverError(value.reason)
        return value

    def set(self, value: float) -> None:
        """Write the nearest whole count."""
        why = self._obstacle()
        if why:
            raise DriverError(why)
        count = round(value / self._scale)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
        except OSError as error:
            raise self._refused(error, _REMEDY if error.errno in _FORBIDDEN else "") from None
        try:
            os.write(fd, str(count).encode())
        except OSError as error:
            forbidden = error.errno in _FORBIDDEN
            raise self._refused(error, self._locked if forbidden else f"it was told {count}") from None
        finally:
            os.close(fd)

    def _refused(self, error: OSError, remedy: str) -> DriverError:
        return DriverError(f"{self._path} cannot be set: {reason(error)}", remedy)
