"""Everything that a run needs, written, started, and ready: each program a process of its own."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from edgeagent_hil.curtailment import files
from edgeagent_hil.curtailment.optimizer import Optimizer
from edgeagent_hil.curtailment.plant import Plant
from edgeagent_hil.curtailment.processes import Company, Process, edgeagent
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Status

_READY_S: Final = 60.0

#: Agents are started so far apart: Python's start takes a good part of a second of a CPU.
_APART_S: Final = 0.4

#: With so many at once, on a machine that does other things as well.
_AGENTS_S: Final = 180.0

#: Debian puts it where only root looks.
_SBIN: Final = "/usr/sbin/mosquitto"


class Stage:
    """The programs around a plant.

    Args:
        home: directory for all that is written.
        lease_s: how long caps hold unless they are renewed.

    Attributes:
        optimizer: asked from outside.
    """

    def __init__(self, company: Company, plant: Plant, home: Path, contract_w: float, lease_s: float) -> None:
        self._company, self._plant, self._home = company, plant, home
        self._contract_w, self._lease_s = contract_w, lease_s
        self._broker_port, self._http_port, self._optimizer_port = _free_ports(3)
        self.optimizer = Optimizer(f"http://127.0.0.1:{self._optimizer_port}")
        self._logs = home / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    @property
    def broker_url(self) -> str:
        """Of our own broker."""
        return f"mqtt://127.0.0.1:{self._broker_port}"

    def start_broker(self) -> Process:
        """Mosquitto. Raises EdgeError if it is not installed."""
        program = shutil.which("mosquitto") or (_SBIN if Path(_SBIN).exists() else None)
        if program is None:
            raise EdgeError("mosquitto is not installed: apt-get install mosquitto")
        conf = self._written("mosquitto.conf", files.broker_conf(self._broker_port))
        return self._start("broker", [program, "-c", str(conf)], lambda: _closed(self._broker_port))

    def start_aggregator(self) -> Process:
        """With the embedded store."""
        home, listen = self._home / "aggregator", f"127.0.0.1:{self._http_port}"
        command = edgeagent("aggregate", "--broker", self.broker_url, "--listen", listen)
        command += ["--state-dir", str(home), "--store", "sqlite", "--store-path", str(home / "store.db")]
        home.mkdir(exist_ok=True)
        return self._start("aggregator", command, lambda: _unhealthy(f"http://{listen}"))

    def start_agents(self, roots: Path) -> list[Process]:
        """One for each server, and one for the meter; returns once all are online."""
        texts = {
            name: files.server_toml(self._plant, name, self._home / name, roots / name, self.broker_url)
            for name in self._plant.names
        }
        texts[files.METER] = files.meter_toml(self._home / files.METER, roots / files.METER, self.broker_url)
        agents = []
        for name, text in texts.items():
            command = edgeagent("run", "--config", str(self._written(f"{name}.toml", text)))
            agents.append(self._company.start(f"agent {name}", command, self._logs / f"{name}.log"))
            self._company.wait(_APART_S)
        with Fleet(self.broker_url) as fleet:
            self._company.wait_until(lambda: _offline(fleet, set(texts)), _AGENTS_S, "all agents are online")
        return agents

    def start_optimizer(self) -> Process:
        """The service; returns once it is in charge."""
        topology = self._written("site.toml", files.site_toml(self._plant, self._contract_w))
        command = edgeagent("optimize", "power", "--topology", str(topology), "--broker", self.broker_url)
        command += ["--aggregator", f"http://127.0.0.1:{self._http_port}"]
        command += ["--listen", f"127.0.0.1:{self._optimizer_port}", "--lease", f"{self._lease_s:g}"]
        command += ["--state-dir", str(self._home / "optimizer")]
        return self._start("optimizer", command, self.optimizer.trouble)

    def _start(self, name: str, command: list[str], trouble: Callable[[], str]) -> Process:
        process = self._company.start(name, command, self._logs / f"{name}.log")
        self._company.wait_until(trouble, _READY_S, f"the {name} is ready")
        return process

    def _written(self, name: str, text: str) -> Path:
        path = self._home / name
        path.write_text(text, "utf-8")
        return path


def _offline(fleet: Fleet, wanted: set[str]) -> str:
    """Who is not online; empty if all are."""
    online = {
        node.identity.node
        for node in fleet.nodes().values()
        if node.state is not None and node.state.status is Status.ONLINE
    }
    missing = sorted(wanted - online)
    return f"{len(missing)} are not, {missing[0]} among them" if missing else ""


def _unhealthy(url: str) -> str:
    try:
        with urlopen(f"{url}/healthz", timeout=2):
            return ""
    except OSError as error:
        return str(error)


def _closed(port: int) -> str:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return "" if probe.connect_ex(("127.0.0.1", port)) == 0 else f"nobody listens on port {port}"


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
