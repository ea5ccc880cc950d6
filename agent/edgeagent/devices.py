"""The devices of this node: their threads, and what they last read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from edgeagent.clock import Clock
from edgeagent.config import DeviceConfig
from edgeagent.neighbours import Neighbours
from edgeagent.report import Report
from edgeagent.sampler import Deliver, Opened, Sampler
from edgeagent.schedule import Schedule, jitter
from edgeagent.stream import Rules
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Actuators, Explaining, Host, Sensor
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import ActuatorDescription, ChannelInfo, Severity
from edgeagent_sdk.names import Identity
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import quantity

#: A thread may finish the read that it is in; one that takes longer hangs.
_STOP_S = 1.0

#: Whether devices are silent is looked at every second: later than this, it was we who were silent.
_STOOD_S = 2.0


class Devices:
    """Every device in a thread of its own. `apply` and `stop` are for one thread.

    Args:
        reach: what a device of that name may steer of the others.

    Attributes:
        version: another number after each change of the devices or of their channels.
    """

    def __init__(
        self,
        identity: Identity,
        host: Host,
        clock: Clock,
        *,
        deliver: Deliver,
        opened: Opened,
        changed: Callable[[], None],
        report: Report,
        reach: Callable[[str], Actuators] | None = None,
    ) -> None:
        self._identity, self._clock, self._reach = identity, clock, reach
        self._host = host
        self._deliver, self._opened, self._tell_change, self._report = deliver, opened, changed, report
        self._running: dict[str, tuple[DeviceConfig, Sampler]] = {}
        self._wanted: Sequence[DeviceConfig] = ()
        self._changes = count(1)
        self.version = 0
        self._ended_faults = self._ended_overruns = 0
        self._checked_s: float | None = None

    @property
    def faults(self) -> int:
        """Faults in the place of a number, since the start."""
        return self._ended_faults + sum(s.faults for s in self._samplers())

    @property
    def overruns(self) -> int:
        """Moments at which a device was still busy with an earlier read, since the start."""
        return self._ended_overruns + sum(s.schedule.missed for s in self._samplers())

    def apply(self, wanted: Sequence[DeviceConfig]) -> None:
        """Start, stop and replace threads until exactly `wanted` runs; what is unchanged runs on."""
        self._wanted = wanted
        self._end(self.leaving(wanted))
        for config in wanted:
            if config.name not in self._running:
                actuators = self._reach(config.name) if self._reach else None
                host = replace(self._host, readings=Neighbours(self, config.name), actuators=actuators)
                self.start(config, config.sensor(host, config.options))
        self._changed()

    def leaving(self, wanted: Sequence[DeviceConfig]) -> list[str]:
        """The devices whose threads `apply` would end."""
        by_name = {config.name: config for config in wanted}
        return [name for name, (config, _) in self._running.items() if by_name.get(name) != config]

    def start(self, config: DeviceConfig, sensor: Sensor) -> None:
        """Start the thread of one device."""
        aligned = config.start == "aligned"
        phase_s = 0.0 if aligned else jitter(f"{self._identity}/{config.name}", config.interval_s)
        sampler = Sampler(
            config.name,
            sensor,
            self._identity,
            Rules(config.deadband, config.heartbeat_s, config.calibration),
            Schedule(config.interval_s, self._clock, phase_s),
            stale_after_s=config.stale_after_s or 3 * config.interval_s,
            clock=self._clock,
            deliver=self._deliver,
            opened=self._opened,
            changed=self._changed,
            report=self._report,
        )
        self._running[config.name] = (config, sampler)
        sampler.start()

    def stop(self) -> None:
        """End all threads; one that hangs in its driver is left behind."""
        self._end(list(self._running))

    def check_stale(self) -> None:
        """Report devices that have fallen silent; called every second."""
        now_s = time.monotonic()
        stood_s = now_s - (now_s if self._checked_s is None else self._checked_s)
        self._checked_s = now_s
        if stood_s > _STOOD_S:
            self._excuse(stood_s)
        for sampler in self._samplers():
            sampler.check_stale()

    def _excuse(self, stood_s: float) -> None:
        for sampler in self._samplers():
            sampler.excuse()
        self._report(
            "agent-stopped",
            f"the agent did not run for {stood_s:.1f} s: it was stopped, or the machine had no time for it",
            Severity.WARNING,
        )

    def latest(self) -> list[dict[str, Any]]:
        """The last value of every channel: device, channel, quantity, value or fault, and age."""
        return [
            {
                "device": sampler.device,
                "channel": channel.name,
                "quantity": channel.quantity.name,
                "age_s": round(sampler.age_s, 3),
                **({"fault": value.reason} if isinstance(value, Fault) else {"value": value}),
            }
            for sampler in self._samplers()
            if sampler.stream
            for channel, value in zip(sampler.stream.channels, sampler.stream.values, strict=True)
        ]

    def explain(self, device: str | None = None) -> dict[str, dict[str, Any]]:
        """Of every device that decides, or of one: the last decision, and the `trouble` it is in."""
        chosen = self._samplers() if device is None else [self.sampler(device)]
        return {
            s.device: {**s.sensor.explain(), "trouble": s.trouble}
            for s in chosen
            if isinstance(s.sensor, Explaining)
        }

    def sources(self) -> dict[str, Sampler | None]:
        """Every device that runs or is to run; None for one that has no thread at the moment."""
        wanted: dict[str, Sampler | None] = {config.name: None for config in self._wanted}
        return wanted | {sampler.device: sampler for sampler in self._samplers()}

    def channels(self) -> list[ChannelInfo]:
        """All channels, as `describe` tells them."""
        return [
            ChannelInfo(
                device=sampler.device,
                channel=c.name,
                quantity=c.quantity.name,
                unit=c.quantity.unit,
                kind=c.quantity.kind,
                minimum=_finite(c.minimum),
                maximum=_finite(c.maximum),
                description=c.description,
                interval_s=config.interval_s,
                calibration=list(sampler.stream.calibration(c)),
            )
            for config, sampler in list(self._running.values())
            if sampler.stream
            for c in sampler.stream.channels
        ]

    def actuators(self) -> list[ActuatorDescription]:
        """All actuators, as `describe` tells them."""
        return [
            ActuatorDescription(
                device=sampler.device,
                actuator=info.name,
                quantity=info.quantity,
                unit=quantity(info.quantity).unit,
                minimum=info.minimum,
                maximum=info.maximum,
                description=info.description,
            )
            for sampler in self._samplers()
            for info in sampler.actuators
        ]

    def sampler(self, device: str) -> Sampler:
        """The thread of a device; for any thread. Raises EdgeError, with the nearest name."""
        return self._find(device)[1]

    def config(self, device: str) -> DeviceConfig:
        """How a device is configured; for any thread. Raises EdgeError, with the nearest name."""
        return self._find(device)[0]

    def _find(self, device: str) -> tuple[DeviceConfig, Sampler]:
        running = self._running.get(device)
        if running is None:
            raise EdgeError(f"no device {device!r}; {nearest(device, list(self._running))}")
        return running

    def _changed(self) -> None:
        # Each call gets a number of its own, whichever threads call at once: none goes unseen.
        self.version = next(self._changes)
        self._tell_change()

    def _samplers(self) -> list[Sampler]:
        return [sampler for _, sampler in list(self._running.values())]

    def _end(self, names: Sequence[str]) -> None:
        ending = [self._running.pop(name)[1] for name in names]
        for sampler in ending:
            sampler.stop()
        deadline = time.monotonic() + _STOP_S
        for sampler in ending:
            sampler.join(max(0.0, deadline - time.monotonic()))
            if sampler.is_alive():
                sampler.abandon()
            self._ended_faults += sampler.faults
            self._ended_overruns += sampler.schedule.missed


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
