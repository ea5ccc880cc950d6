"""The agent put together: devices → courier → link, and what passes between them."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgeagent.clock import Clock
from edgeagent.commands import Commands, at_once
from edgeagent.config import AgentConfig, DeviceConfig, OutboxConfig
from edgeagent.control import Control
from edgeagent.courier import Courier, Terms
from edgeagent.devices import Devices
from edgeagent.driving import GOVERNOR, GUARD
from edgeagent.guard import Guards
from edgeagent.hints import Hints
from edgeagent.installation import StateDir
from edgeagent.link import Link
from edgeagent.neighbours import Neighbours
from edgeagent.originals import Originals
from edgeagent.selfmetrics import DEVICE, Parts, SelfSensor
from edgeagent.storage import Storage
from edgeagent_sdk.driver import Host, Options
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Describe, Event, Severity
from edgeagent_sdk.names import Identity

_LOG = logging.getLogger("edgeagent")

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}

#: What the last readings have, on a clean stop, to reach the store and be acknowledged.
_FAREWELL_S = 2.0


class Agent:
    """One node at work.

    Raises:
        EdgeError: the state directory or the broker settings cannot be used.
    """

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self.identity = Identity(config.site, config.node)
        self._state_dir = StateDir(Path(config.state_dir))
        self._instance = self._state_dir.instance()
        self._clock = Clock()
        self._link: Link | None = None
        self._undescribed = threading.Event()
        storage = Storage(self._state_dir.path / "outbox.db", config.outbox.max_bytes, self._report)
        self._courier = Courier(
            storage,
            _terms(config.outbox),
            self.identity,
            self._instance,
            lambda payload: self._link.send_batch(payload) if self._link else None,
            self._clock,
            self._report,
        )
        self._hints = Hints(self._state_dir.path, self._report)
        self._devices = Devices(
            self.identity,
            Host(Path(config.host_root), self._state_dir.path, hints=self._hints),
            self._clock,
            deliver=self._courier.put,
            opened=lambda device, sensor: self._control.opened(device, sensor),
            changed=self._undescribed.set,
            report=self._report,
            reach=lambda device: self._control.reach(GOVERNOR, device),
        )
        self._originals = Originals(self._state_dir.path, _boot_id(Path(config.host_root)), self._report)
        self._control = Control(self._devices, self._originals, self._report)
        self._guards = Guards(Neighbours(self._devices, ""), self._control.reach(GUARD), self._report)
        self._commands = Commands(
            {
                "ping": at_once(self._ping),
                "read": at_once(self._read),
                "actuators": self._control.actuators,
                "cap": self._control.cap,
                "release": self._control.release,
                "explain": at_once(self._explain),
            },
            self._clock,
            lambda reply: self._link.send_reply(reply) if self._link else None,
            self._report,
        )
        self._link = self._new_link(config)

    @property
    def silent_s(self) -> float:
        """Seconds since the slowest of courier, control and guard last came round; the watchdog asks."""
        return max(self._courier.silent_s, self._control.silent_s, self._guards.silent_s)

    def start(self) -> None:
        """Start every thread; returns at once."""
        assert self._link is not None
        self._courier.start()
        self._control.start()
        self._link.start()
        self._hints.apply(self.config.hints)
        self._apply(self._wanted(self.config))

    def check(self) -> None:
        """Called about once a second."""
        self._devices.check_stale()
        # Many devices open at about the same time; one description then tells of them all.
        if self._undescribed.is_set() and self._link and self._link.ready:
            self._undescribed.clear()
            self._link.announce()

    def reload(self, config: AgentConfig) -> None:
        """Go on under another configuration; readings go on meanwhile, and none is lost.

        Raises:
            EdgeError: what cannot change while running did; nothing has been changed.
        """
        for key in ("site", "node", "prefix", "state_dir", "host_root"):
            before, after = getattr(self.config, key), getattr(config, key)
            if before != after:
                raise EdgeError(
                    f"{key} changed from {before!r} to {after!r}: that takes a restart of the agent"
                )
        link = self._new_link(config) if _link_settings(config) != _link_settings(self.config) else None
        before, self.config = self.config, config
        self._courier.reconfigure(_terms(config.outbox))
        wanted = self._wanted(config)
        self._hints.apply(config.hints)
        self._control.let_go(self._devices.leaving(wanted), "its device is configured anew")
        self._apply(wanted)
        if link:
            old, self._link = self._link, link
            if old:
                old.stop()
            self._courier.road(False, new_client=True)
            link.start()

    def stop(self) -> None:
        """End cleanly within 5 s: the last readings are on the disk, and in the store if that answers."""
        self._guards.stop()
        self._control.finish()
        self._devices.stop()
        self._hints.stop()
        self._courier.finish(_FAREWELL_S)
        self._courier.join(_FAREWELL_S + 1.0)
        if self._link:
            self._link.stop()

    def _apply(self, wanted: Sequence[DeviceConfig]) -> None:
        self._devices.apply(wanted)
        names = {config.name for config in wanted}
        self._guards.apply(self.config.guards, names)
        self._originals.tell_orphans(names)

    def _new_link(self, config: AgentConfig) -> Link:
        return Link(
            config.broker,
            self.identity,
            self._instance,
            prefix=config.prefix,
            in_flight=config.outbox.window,
            clock=self._clock,
            describe=self._describe,
            on_ack=self._courier.acknowledged,
            on_published=self._courier.published,
            on_command=self._commands.receive,
            on_road=self._courier.road,
            report=self._report,
        )

    def _wanted(self, config: AgentConfig) -> list[DeviceConfig]:
        if not config.agent.interval_s:
            return config.devices
        own = DeviceConfig(
            name=DEVICE,
            driver=DEVICE,
            interval_s=config.agent.interval_s,
            start="jittered",
            sensor=self._self_sensor,
            options=Options(),
        )
        return [*config.devices, own]

    def _self_sensor(self, _host: Host, _options: Any) -> SelfSensor:
        return SelfSensor(
            Parts(self._courier, self._devices, self._control, lambda: self._link, self._hints, self._guards)
        )

    def _describe(self) -> Describe:
        try:
            own = version("edgeagent")
        except PackageNotFoundError:
            own = "unknown"
        return Describe(
            boot=self._courier.boot,
            instance=self._instance,
            channels=self._devices.channels(),
            actuators=self._devices.actuators(),
            commands=self._commands.names,
            versions={"edgeagent": own, "python": platform.python_version(), "kernel": platform.release()},
            machine_boot_id=_boot_id(Path(self.config.host_root)),
        )

    def _report(
        self,
        kind: str,
        message: str,
        severity: Severity = Severity.INFO,
        *,
        device: str = "",
        channel: str = "",
        age_s: float = 0.0,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        where = "/".join(part for part in (device, channel) if part)
        _LOG.log(_LEVELS[severity], "%s", f"{where}: {message}" if where else message)
        event = Event(
            kind=kind,
            message=message,
            time_ns=max(0, self._clock.now_ns() - int(age_s * 1e9)),
            severity=severity,
            device=device,
            channel=channel,
            data=dict(data or {}),
        )
        if self._link:
            self._link.send_event(event)

    def _ping(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {"instance": self._instance, "clock": self._clock.state}

    def _explain(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"devices": self._devices.explain(body.get("device"))}

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        device = body.get("device")
        channels = [row for row in self._devices.latest() if device in (None, row["device"])]
        if device is not None and not channels:
            raise EdgeError(f"no device {device!r}, or it has not been read yet")
        return {"channels": channels}


def _terms(outbox: OutboxConfig) -> Terms:
    return Terms(
        max_bytes=outbox.max_bytes,
        batch_s=outbox.batch_s,
        stored=outbox.delivery == "stored",
        ack_timeout_s=outbox.ack_timeout_s,
        window=outbox.window,
    )


def _link_settings(config: AgentConfig) -> tuple[object, ...]:
    return config.broker, config.outbox.window


def _boot_id(root: Path) -> str:
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
