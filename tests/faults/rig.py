"""The whole loop out of real processes, with places where it can be made to fail.

agent → proxy → Mosquitto → proxy → aggregator → storefront → InfluxDB
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.storefront import Storefront, storefront
from tests.faults.verdict import Verdict, judge, read_ledger
from tests.proxy import Proxy, tcp_proxy
from tests.services import DATABASE, Service, Store, free_port, influxd, listens, mosquitto

PLUGIN = Path(__file__).parent / "plugin"

SITE = "rig"

CHANNELS = 10


@dataclass
class Node:
    """One agent of the rig: its process, and the ledger of its device."""

    name: str
    directory: Path
    service: Service
    ledger: Path
    slack_s: float = 0.5

    @property
    def outbox(self) -> Path:
        """Its outbox file."""
        return self.directory / "state" / "outbox.db"

    def waiting(self) -> int:
        """Batches in its outbox now; many while that cannot be read."""
        try:
            with closing(sqlite3.connect(f"file:{self.outbox}?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT count(*) FROM batch").fetchone()[0])
        except sqlite3.Error:
            return 1 << 30


@dataclass
class Rig:
    """Everything that runs."""

    directory: Path
    broker: Service
    store: Store
    front: Storefront
    agent_side: Proxy
    aggregator_side: Proxy
    aggregator: Service
    stack: ExitStack
    nodes: dict[str, Node] = field(default_factory=dict)

    def start_agent(
        self,
        name: str,
        *,
        interval_s: float = 0.1,
        channels: int = CHANNELS,
        home: Path | None = None,
        outbox: str = "",
        environment: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Node:
        """An agent with a counting device.

        Args:
            home: its directory; a second agent of one name needs one of its own.
            outbox: more keys of the ``[outbox]`` table.
            key: how the rig calls it, where two have one name.
        """
        home = home or self.directory / (key or name)
        home.mkdir(exist_ok=True)
        ledger = self.directory / f"ledger-{key or name}"
        first = 10_000_000 * len(self.nodes)  # so that nobody's number can pass for another's
        (home / "agent.toml").write_text(
            f'site = "{SITE}"\nnode = "{name}"\nstate_dir = "{home}/state"\n'
            f'[broker]\nurl = "mqtt://127.0.0.1:{self.agent_side.port}"\nkeepalive_s = 5\n'
            # Short timeouts, so that what a dead broker has forgotten is sent again within the test.
            f"[outbox]\nbatch_s = 0.5\nack_timeout_s = 3.0\n{outbox}\n[agent]\ninterval_s = 1.0\n"
            f'[[device]]\nname = "counter"\ndriver = "counting"\ninterval_s = {interval_s}\n'
            f'ledger = "{ledger}"\nchannels = {channels}\nfirst = {first}\n'
        )
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(home / "agent.toml")]
        path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
        service = Service(
            command,
            home,
            name=f"agent-{key or name}",
            environment={"PYTHONPATH": path} | dict(environment or {}),
            ready=ledger.exists,
        )
        self.stack.callback(service.stop)
        node = self.nodes[key or name] = Node(name, home, service.start(), ledger)
        return node

    def run_for(self, seconds: float) -> None:
        """Let readings flow."""
        time.sleep(seconds)

    def settle(self, timeout_s: float = 60.0) -> Verdict:
        """Stop the agents' devices cleanly, wait until everything they took is stored, and judge.

        The agents are stopped and started again without their device, so that nothing new comes
        while the outboxes empty.
        """
        running = [node for node in self.nodes.values() if node.service.running]
        for node in running:
            node.service.stop()
            config = node.directory / "agent.toml"
            config.write_text(config.read_text().partition("[[device]]")[0])
        for node in running:
            node.service.start(wait=False)
        deadline = time.monotonic() + timeout_s
        verdict = self.judge()
        while verdict.lost and time.monotonic() < deadline:
            time.sleep(0.5)
            verdict = self.judge()
        return verdict

    def judge(self) -> Verdict:
        """Every ledger against the store."""
        total = Verdict()
        for name in {node.name for node in self.nodes.values()}:
            agents = {key: node for key, node in self.nodes.items() if node.name == name}
            ledgers = [read_ledger(node.ledger) for node in agents.values()]
            slack_s = max(node.slack_s for node in agents.values())
            total += judge(self.store, name, ledgers, CHANNELS, slack_s)
        rows = self.store.query("SELECT COUNT(value) FROM depth WHERE device = 'counter'")
        everywhere = rows[0]["count"] if rows else 0
        return total + Verdict(wrong=everywhere - total.stored)  # under a name or channel that there is not

    def produced(self) -> int:
        """How many passes the agents have certainly taken."""
        return sum(len(read_ledger(node.ledger).taken) for node in self.nodes.values())


def assert_kept(verdict: Verdict, rig: Rig, *, at_least: int = 1) -> None:
    """The promise was kept, for at least so many readings."""
    assert verdict.kept, f"{verdict}; logs in {rig.directory}"
    assert verdict.produced >= at_least, f"{verdict}: nothing was proven"


@contextmanager
def rig(directory: Path) -> Iterator[Rig]:
    """The loop without agents yet; everything ends with the block."""
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(directory))
        store = stack.enter_context(influxd(directory))
        front = stack.enter_context(storefront(store.url))
        agent_side = stack.enter_context(tcp_proxy(broker.port))
        aggregator_side = stack.enter_context(tcp_proxy(broker.port))
        aggregator = _aggregator(directory, aggregator_side.port, front.url)
        stack.callback(aggregator.stop)
        aggregator.start()
        yield Rig(directory, broker, store, front, agent_side, aggregator_side, aggregator, stack)


def _aggregator(directory: Path, broker_port: int, store_url: str) -> Service:
    home = directory / "aggregator"
    home.mkdir()
    port = free_port()
    config = home / "central.toml"
    config.write_text(
        f'listen = "127.0.0.1:{port}"\nstate_dir = "{home}"\nreplica = "rig"\n'
        f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\nkeepalive_s = 5\n'
        f'[store]\nkind = "influx1"\nurl = "{store_url}"\ndatabase = "{DATABASE}"\n'
    )
    command = [sys.executable, "-m", "edgeagent", "aggregate", "--config", str(config)]
    return Service(command, home, name="aggregator", port=port, ready=lambda: listens(port))
