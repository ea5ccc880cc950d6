"""A small site for the power optimizer: servers of the twin, a real agent on each, broker and aggregator.

Only the processors can be capped here; the rest of a server is drawn whatever is planned.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.sysfs import SysfsTree
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.names import Identity
from tests.integration.cli import command
from tests.services import Service, free_port, mosquitto, spawn, wait_until

MIN_W, MAX_W, FALLBACK_W = 70.0, 150.0, 90.0

LEASE_S = 6.0

_AGENT = """
site = "lab"
node = "{node}"
state_dir = "{home}/state"
host_root = "{home}"
[broker]
url = "{url}"
[outbox]
batch_s = 0.3
[agent]
interval_s = 0
[[device]]
name = "cpu"
driver = "powercap"
zone = "intel-rapl:0"
interval_s = 0.5
[device.fallback]
package-0-long_term = {fallback_w}
"""

_TOPOLOGY = """
site = "lab"
[[domain]]
name = "root"
limit_kw = {limit_kw}
{more}
[[server]]
name = "n[1-{count}]"
domain = "root"
{server}
[[server.component]]
name = "cpu"
cap = "cpu/package-0-long_term"
power = "cpu/package-0"
min_w = {min_w}
max_w = {max_w}
idle_w = 20
fallback_w = {fallback_w}
"""


class PowerSite:
    """All that an optimizer needs, running.

    Attributes:
        agents: by their nodes' names.
    """

    def __init__(self, home: Path, broker: Service, aggregator: Service, count: int, runner: Runner) -> None:
        self.home, self.broker, self.aggregator, self.count = home, broker, aggregator, count
        self.agents: dict[str, Service] = {}
        self.topology = home / "site.toml"
        self.runner = runner
        self.fleet = Fleet(broker.url)

    def configure(self, limit_kw: float, *, more: str = "", server: str = "") -> None:
        """Write site.toml."""
        bounds = {"min_w": MIN_W, "max_w": MAX_W, "fallback_w": FALLBACK_W}
        text = _TOPOLOGY.format(limit_kw=limit_kw, more=more, count=self.count, server=server, **bounds)
        self.topology.write_text(text)

    @contextmanager
    def optimizer(self, name: str = "first", *, broker: str = "") -> Iterator[Service]:
        """One process of the optimizer; ready once its API answers."""
        port = free_port()
        arguments = command(
            *("optimize", "power", "--topology", self.topology, "--broker", broker or self.broker.url),
            *("--aggregator", self.aggregator.url, "--listen", f"127.0.0.1:{port}"),
            *("--state-dir", self.home / name, "--lease", str(LEASE_S), "--stale", "3"),
        )
        with spawn(arguments, self.home, name=f"optimizer-{name}", port=port) as service:
            yield service

    @property
    def power_w(self) -> float:
        """What the processors draw, by the plant itself."""
        return float(self.runner.outputs.servers.power_w[0].sum())

    @property
    def caps_w(self) -> list[float]:
        """What the kernels hold."""
        zone = "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw"
        return [int(_text(self.home / node / zone)) / 1e6 for node in self.nodes]

    @property
    def nodes(self) -> list[str]:
        """Their names."""
        return [f"n{number + 1}" for number in range(self.count)]

    def holds(self, node: str) -> dict[str, Any]:
        """What the agent says of its one actuator."""
        reply = self.fleet.command("lab", node, "actuators", {})
        row: dict[str, Any] = reply.holds["actuators"][0]
        return row


def _text(file: Path) -> str:
    """What stands in a file; one that is just being written is empty for a moment."""
    while not (text := file.read_text().strip()):
        time.sleep(0.001)
    return text


def ask(service: Service, path: str, method: str = "GET", body: Any = None) -> Any:
    """JSON of one of its routes."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        service.url + path, data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def leads(service: Service) -> bool:
    """Whether an optimizer says that it is in charge."""
    try:
        return bool(ask(service, "/healthz")["role"] == "is in charge")
    except OSError:
        return False


@contextmanager
def power_site(home: Path, count: int, *, mean: float = 0.95, seed: int = 1) -> Iterator[PowerSite]:
    """A site of so many busy servers."""
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(home, persistence=False))
        port = free_port()
        aggregator = stack.enter_context(
            spawn(
                command(
                    *("aggregate", "--broker", broker.url, "--listen", f"127.0.0.1:{port}"),
                    *("--store-path", home / "store.db", "--state-dir", home / "aggregator"),
                ),
                home,
                name="aggregator",
                port=port,
            )
        )
        twin = design.site([kinds.load("v100")], [count], seed=seed)
        trees = [SysfsTree(home / f"n{i + 1}", twin, i) for i in range(count)]
        load = Workload(twin.servers.shape, seed, mean=mean, deviation=0.02)
        runner = stack.enter_context(Runner(twin, load, trees))
        site = PowerSite(home, broker, aggregator, count, runner)
        stack.callback(site.fleet.close)
        for node in site.nodes:
            directory = home / node
            config = directory / "agent.toml"
            text = _AGENT.format(node=node, home=directory, url=broker.url, fallback_w=FALLBACK_W)
            config.write_text(text)
            arguments = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
            site.agents[node] = stack.enter_context(spawn(arguments, directory, name="agent"))
        everybody = {Identity("lab", node) for node in site.nodes}
        wait_until(lambda: everybody <= _known(aggregator), "every node at the aggregator", 40)
        yield site


def _known(aggregator: Service) -> set[Identity]:
    latest = ask(aggregator, "/v1/latest?quantity=power")["latest"]
    return {Identity("lab", series.split("node=")[1].split(",")[0]) for series, _, _ in latest}
