"""Outlets as actuators: 1 is on, 0 is off."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.layout import Point
from edgeagent.drivers.snmp.session import Session
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError

#: A relay, and the PDU's own idea of it, follow within that.
_FOLLOWS_S = 1.0
_LOOK_S = 0.1


class OutletActuator(Actuator):
    """One outlet that can be switched.

    Args:
        recognize: raises DriverError if another device has been put in the place of the outlet's.
    """

    survives_reboot = True

    def __init__(self, session: Session, point: Point, recognize: Callable[[], None]) -> None:
        channel = point.channel
        self.info = ActuatorInfo(
            channel.name, channel.quantity.name, 0.0, 1.0, channel.description or "1 is on, 0 is off", 1.0
        )
        self._session, self._point, self._recognize = session, point, recognize

    def get(self) -> float:
        """What the outlet is now, by the device's word."""
        state = self._state()
        if isinstance(state, Fault):
            raise DriverError(f"{self._session.where}: {self.info.name}: {state.reason}")
        return state

    def set(self, value: float) -> None:
        """Switch it, and wait until the device says that it is switched, one second at most."""
        switch = self._point.switch
        assert switch is not None
        wanted, write = (1.0, switch.on) if value >= 0.5 else (0.0, switch.off)
        self._recognize()
        self._session.set(ber.oid(write.oid) + self._point.tail, write.value)
        until_s = time.monotonic() + _FOLLOWS_S
        while self._state() != wanted and time.monotonic() < until_s:
            time.sleep(_LOOK_S)

    def _state(self) -> Value:
        return self._point.scale.value(self._session.get([self._point.value])[0])
