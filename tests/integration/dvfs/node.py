"""An agent with a governor on a server of the twin, whose limits obey what is written."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.sysfs import SysfsTree
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Event
from tests.services import Service, mosquitto, spawn, wait_until

POLICIES = "sys/devices/system/cpu/cpufreq"

#: What the limits are at before anybody steers them, kHz.
FOUND_KHZ = {"policy0": 1_416_000, "policy1": 1_800_000}

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
host_root = "{root}"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
batch_s = 0.2
[agent]
interval_s = 0
[[device]]
name = "cpu"
driver = "cpufreq"
interval_s = 0.1
[[device]]
name = "heat"
driver = "thermal"
interval_s = 0.1
[[device]]
name = "box"
driver = "hwmon"
chip = "chassis"
interval_s = 0.1
"""

_GOVERNOR = """
[[device]]
name = "governor"
driver = "dvfs"
interval_s = 0.1
governor = "{governor}"
{more}
"""


class Node:
    """The machine, its configuration, and a client that hears every event."""

    def __init__(self, home: Path, root: Path, fleet: Fleet, url: str) -> None:
        self.home, self.root, self.fleet, self.url = home, root, fleet, url
        self.events: list[Event] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _, update in self.fleet.watch():
            if isinstance(update, Event):
                self.events.append(update)

    @property
    def config(self) -> Path:
        return self.home / "agent.toml"

    def configure(self, governor: str = "", more: str = "") -> None:
        """Write agent.toml; without a governor, one that steers nothing."""
        text = _CONFIG.format(home=self.home, root=self.root, url=self.url)
        if governor:
            text += _GOVERNOR.format(governor=governor, more=more)
        self.config.write_text(text)

    @contextmanager
    def agent(self, governor: str, more: str = "") -> Iterator[Service]:
        """The agent, with that governor at work."""
        self.configure(governor, more)
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(self.config)]
        with spawn(command, self.home, name="agent") as service:
            wait_until(self.steered, f"the governor is at work: {service.last_words()}")
            yield service

    def limit(self, policy: str) -> Path:
        """The file that bounds a policy's clock."""
        return self.root / POLICIES / policy / "scaling_max_freq"

    @property
    def limits_khz(self) -> dict[str, int]:
        """What the bounds are at; 0 where a file is just being written."""
        return {policy: int(self.limit(policy).read_text().strip() or 0) for policy in FOUND_KHZ}

    def steered(self) -> bool:
        """Whether both are at what somebody has set."""
        now = self.limits_khz
        return all(0 < now[policy] < found for policy, found in FOUND_KHZ.items())

    def restored(self) -> bool:
        """Whether both are as they were found."""
        return self.limits_khz == FOUND_KHZ

    def another_process_sets(self, policy: str, khz: int) -> None:
        """By a process of its own."""
        subprocess.run(["/bin/sh", "-c", f"echo {khz} > {self.limit(policy)}"], check=True)

    def told(self, kind: str, words: str = "") -> bool:
        """Whether such an event was told."""
        return any(event.kind == kind and words in event.message for event in list(self.events))

    def count(self, kind: str) -> int:
        """How often."""
        return sum(event.kind == kind for event in list(self.events))

    def explained(self) -> dict[str, Any]:
        """The governor's last decision."""
        told = self.fleet.command("lab", "n1", "explain", {"device": "governor"}).holds["devices"]
        return dict(told["governor"])

    @property
    def latest(self) -> dict[str, float]:
        """The governor's newest readings, by quantity/channel."""
        return {
            f"{quantity}/{channel}": reading.value
            for node in self.fleet.nodes().values()
            for (quantity, device, channel), reading in list(node.latest.items())
            if device == "governor"
        }


@contextmanager
def node(home: Path) -> Iterator[Node]:
    """A board with two clusters under load, and a broker."""
    root, site = home / "root", design.site([kinds.load("rk3399")], [1], seed=1)
    with SysfsTree(root, site) as tree, mosquitto(home, persistence=False) as broker:
        workload = Workload(site.servers.shape, 1, mean=0.5, deviation=0.05)
        with Runner(site, workload, [tree]), Fleet(broker.url, data=True) as fleet:
            yield Node(home, root, fleet, broker.url)
