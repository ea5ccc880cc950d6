"""The whole loop around a node: its agent, a real Mosquitto, the aggregator and a real InfluxDB."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Reply
from tests.faults.rig import SITE, Rig
from tests.services import Service, wait_until

AGENT = "n1"
DEVICE = "node"

#: How long the node's outputs stay when its agent falls silent.
LEASE_S = 2.0


class Loop:
    """An agent that reads the node at `port`, within a loop out of real processes.

    Args:
        rig: broker, aggregator and store.
        directory: the agent's own.
    """

    def __init__(self, rig: Rig, port: Path, directory: Path) -> None:
        self.rig = rig
        config = directory / "agent.toml"
        config.write_text(
            f'site = "{SITE}"\nnode = "{AGENT}"\nstate_dir = "{directory}/state"\n'
            f'[broker]\nurl = "mqtt://127.0.0.1:{rig.agent_side.port}"\n'
            f"[outbox]\nbatch_s = 0.2\n"
            f'[[device]]\nname = "{DEVICE}"\ndriver = "node"\nport = "{port}"\n'
            f"interval_s = 0.1\nlease_s = {LEASE_S}\n"
        )
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
        self.agent = Service(command, directory, name="agent")
        self.fleet = Fleet(rig.broker.url)

    def latest(self, quantity: str, channel: str) -> tuple[int, float] | None:
        """Time (ns) and value of the newest reading in the store; None without one."""
        rows = self.rig.store.query(
            f"SELECT value FROM {quantity} WHERE device = '{DEVICE}' AND channel = '{channel}' "
            "ORDER BY time DESC LIMIT 1"
        )
        return (rows[0]["time"], rows[0]["value"]) if rows else None

    def times(self, quantity: str, channel: str, since_ns: int) -> list[int]:
        """When readings were taken that the store has, ns."""
        rows = self.rig.store.query(
            f"SELECT value FROM {quantity} WHERE device = '{DEVICE}' AND channel = '{channel}' "
            f"AND time > {since_ns}"
        )
        return [row["time"] for row in rows]

    def wait_stored(self, quantity: str, channel: str, after_ns: int = 0, timeout_s: float = 20.0) -> float:
        """The newest value, once there is one that was taken after a moment. Raises TimeoutError."""

        def there() -> bool:
            newest = self.latest(quantity, channel)
            return newest is not None and newest[0] > after_ns

        wait_until(there, f"{quantity} of {channel} is in the store", timeout_s)
        newest = self.latest(quantity, channel)
        assert newest is not None
        return newest[1]

    def cap(self, actuator: str, value: float, lease_s: float) -> Reply:
        """The command `cap`, by MQTT."""
        return self._command("cap", {"actuator": actuator, "value": value, "lease_s": lease_s})

    def release(self, actuator: str) -> Reply:
        """The command `release`."""
        return self._command("release", {"actuator": actuator})

    def _command(self, name: str, body: dict[str, Any]) -> Reply:
        return self.fleet.command(SITE, AGENT, name, {"device": DEVICE, **body}, ttl_s=10.0)


@contextmanager
def loop(rig: Rig, port: Path, directory: Path) -> Iterator[Loop]:
    """The loop, with readings of the node in the store already."""
    it = Loop(rig, port, directory)
    try:
        it.agent.start()
        it.wait_stored("temperature", "board", after_ns=time.time_ns())
        yield it
    finally:
        it.fleet.close()
        it.agent.stop()
