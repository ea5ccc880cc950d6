"""The machine's power limit by DCMI, as an actuator.

Source: Intel, Data Center Manageability Interface Specification 1.5, 6.6.2 to 6.6.4: a limit is set,
and apart from that active or not.
"""

from __future__ import annotations

from typing import Final

from edgeagent.drivers.ipmi.output import fields, number
from edgeagent.drivers.ipmi.tool import Tool
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError

#: What the actuator says and takes where no limit is active.
NO_LIMIT_W: Final = 0.0

_ACTIVE = "Power Limit Active"


class DcmiLimit(Actuator):
    """The limit in whole watts. 0 W stands for none."""

    survives_reboot = True

    def __init__(self, tool: Tool, minimum_w: float, maximum_w: float) -> None:
        self.info = ActuatorInfo("limit", "power", minimum_w, maximum_w, "power limit; 0 W is none", 1.0)
        self._tool = tool

    def get(self) -> float:
        """The limit in W; `NO_LIMIT_W` where none is active."""
        return self._limit_w(self._ask())

    def set(self, value: float) -> None:
        """Set and activate the limit; `NO_LIMIT_W` takes it away."""
        if value == NO_LIMIT_W:
            self._tool.run("dcmi", "power", "deactivate")
            return
        now = self._ask()
        if "power off" in now.get("Exception actions", "").lower():
            raise DriverError(
                f"{self._tool.where}: the BMC would turn the machine off when it exceeds the limit",
                "first: ipmitool dcmi power set_limit action sel_logging",
            )
        self._tool.run("dcmi", "power", "set_limit", "limit", str(round(value)))
        if self._limit_w(now) == NO_LIMIT_W:
            self._tool.run("dcmi", "power", "activate")

    def _ask(self) -> dict[str, str]:
        return fields(self._tool.run("dcmi", "power", "get_limit"))

    def _limit_w(self, said: dict[str, str]) -> float:
        if said.get("Current Limit State") != _ACTIVE:
            return NO_LIMIT_W
        watts = number(said.get("Power Limit", ""), "Watts")
        if watts is None:
            raise DriverError(f"{self._tool.where}: says no power limit that can be understood")
        return watts
