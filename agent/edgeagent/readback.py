"""What an actuator holds, read back: whether it took what it was told, and who decided otherwise."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from edgeagent_sdk.driver import Actuator
from edgeagent_sdk.errors import DriverError

#: A device that applies what it is told in a later turn of its own loop is asked a second time.
_SETTLE_S = 0.05


class Held(NamedTuple):
    """What was read back: the value, and who decided it if the device tells and it was not us."""

    value: float
    by: str

    def is_(self, value: float, step: float) -> bool:
        """Whether it is `value`, as exactly as the device can keep one."""
        return abs(self.value - value) <= max(0.501 * step, 1e-9 * abs(value))


def read_back(actuator: Actuator) -> Held:
    """What it holds, and by whom. Raises DriverError, also for what is no number."""
    value = float(actuator.get())
    if not math.isfinite(value):
        raise DriverError(f"says that {actuator.info.name} is {value:g}")
    return Held(value, actuator.holder())


def settled(actuator: Actuator, value: float) -> Held:
    """What it holds after it was set to `value`. Raises DriverError."""
    held = read_back(actuator)
    if held.is_(value, actuator.info.step):
        return held
    time.sleep(_SETTLE_S)
    return read_back(actuator)
