"""The control over one device in this process, asked as MQTT would ask it, and what it answered and told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from edgeagent.clock import Clock
from edgeagent.config import DeviceConfig
from edgeagent.control import Control
from edgeagent.devices import Devices
from edgeagent.driving import GOVERNOR
from edgeagent.originals import Originals
from edgeagent_sdk.driver import Host
from edgeagent_sdk.messages import Outcome
from edgeagent_sdk.names import Identity
from tests.services import wait_until
from tests.unit.agent.reports import Reports


class Said(NamedTuple):
    """An answer of the control's."""

    outcome: Outcome
    holds: Mapping[str, Any]
    why: str


class Desk:
    """One device, open, and the control that lends its actuator.

    Args:
        host_root: where the driver looks.
        boot: the kernel's boot id.
    """

    def __init__(
        self,
        config: DeviceConfig,
        actuator: str,
        state_dir: Path,
        *,
        host_root: Path = Path("/"),
        boot: str = "boot",
    ) -> None:
        self.config, self.reports = config, Reports()
        self.answers: list[Said] = []
        self._body = {"device": config.name, "actuator": actuator}
        self.devices = Devices(
            Identity("lab", "n1"),
            Host(host_root),
            Clock(),
            deliver=lambda lines, count: None,
            opened=lambda device, sensor: self.control.opened(device, sensor),
            changed=lambda: None,
            report=self.reports,
            reach=lambda device: self.control.reach(GOVERNOR, device),
        )
        self.originals = Originals(state_dir, boot, self.reports)
        self.control = Control(self.devices, self.originals, self.reports)
        self.control.start()
        self.devices.apply([config])
        wait_until(lambda: bool(self.devices.sampler(config.name).actuators), "the device is open")

    def answer(self, outcome: Outcome, holds: Mapping[str, Any], why: str = "") -> None:
        """Keep an answer."""
        self.answers.append(Said(outcome, holds, why))

    def cap(self, value: float = 200.0, lease_s: float = 60.0) -> Said:
        """The command `cap`, and its answer."""
        count = len(self.answers)
        self.control.cap({**self._body, "value": value, "lease_s": lease_s}, self.answer)
        return self.wait(count)

    def release(self) -> Said:
        """The command `release`, and its answer."""
        count = len(self.answers)
        self.control.release(self._body, self.answer)
        return self.wait(count)

    def wait(self, count: int) -> Said:
        """The newest answer, once there are more than `count`."""
        wait_until(lambda: len(self.answers) > count, "an answer")
        return self.answers[-1]

    def told(self, kind: str) -> bool:
        """Whether such an event was reported."""
        return kind in self.reports.kinds

    def reload(self, *wanted: DeviceConfig) -> None:
        """Go on with other devices, as the agent does."""
        self.control.let_go(self.devices.leaving(wanted), "its device is configured anew")
        self.devices.apply(wanted)
        self.originals.tell_orphans({config.name for config in wanted})

    def stop(self) -> None:
        """End it cleanly; may be called twice."""
        if self.control.is_alive():
            self.control.finish()
            self.control.join(5)
        self.devices.stop()
