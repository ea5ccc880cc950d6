"""What every actuator is at, by whom and until when: a row for each, asked on its device's own thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from edgeagent.commands import Answer
from edgeagent.hold import Hold
from edgeagent.leases import Key
from edgeagent.readback import Held
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import ActuatorDescription, Outcome


class Look:
    """Gathers the rows; the answer goes out once all are in, or without those of devices that hang.

    Attributes:
        until_ns: how long they are waited for.
    """

    def __init__(self, asked: Sequence[ActuatorDescription], answer: Answer, until_ns: int) -> None:
        self.until_ns = until_ns
        self._answer = answer
        self._missing = len(asked)
        self._rows = {
            Key(info.device, info.actuator): msgspec.to_builtins(info) | {"fault": "its driver hangs"}
            for info in asked
        }

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return not self._missing or time.monotonic_ns() >= self.until_ns

    def take(
        self, key: Key, result: Held | DriverError, hold: Hold | None, *, fallen: bool, decider: str
    ) -> None:
        """What an actuator is at.

        Args:
            fallen: no lease holds it, but its fallback.
            decider: who does where it is steered.
        """
        self._missing -= 1
        row = self._rows[key]
        if hold:
            row |= {"lease": hold.lease.value, "lease_s": round(hold.lease.left_s(time.monotonic_ns()), 3)}
        if isinstance(result, DriverError):
            row["fault"] = str(result)
        else:
            del row["fault"]
            row |= {"value": result.value, "by": result.by or _who(result, hold, fallen, decider)}

    def close(self) -> None:
        """Answer."""
        self._answer(Outcome.APPLIED, {"actuators": list(self._rows.values())})


def _who(held: Held, hold: Hold | None, fallen: bool, decider: str) -> str:
    if hold is None:
        return decider or ("its fallback" if fallen else "")
    if not hold.obeyed(held):
        return "somebody else"
    return hold.whose if hold.target < hold.lease.value else (hold.by or "a lease")
