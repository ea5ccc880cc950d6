"""Workloads' hints into a real agent, which is killed, started anew and reloaded under them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.hintroad import VARIABLE
from edgeagent_sdk.names import Identity
from tests.services import Service, mosquitto, spawn, wait_until

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
batch_s = 0.1
[hints]
socket = "{socket}"
[agent]
interval_s = 0.1
"""

_WORKLOAD = """
import time
from edgeagent_sdk import hints

with hints.session("camera", deadline_ms=33) as s:
    while True:
        with s.unit():
            time.sleep(0.01)
"""


class Site:
    """An agent that counts its hints, and whoever reads the count."""

    def __init__(self, home: Path, socket: Path, broker: Service) -> None:
        self.config, self.socket, self.home = home / "agent.toml", socket, home
        self.config.write_text(_CONFIG.format(home=home, url=broker.url, socket=socket))
        self.fleet = Fleet(broker.url, data=True)

    @contextmanager
    def agent(self) -> Iterator[Service]:
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(self.config)]
        with spawn(command, self.home, name="agent", ready=self.socket.exists) as service:
            yield service

    def taken(self, since_ns: int = 0) -> float:
        """How many were counted, as it was last told since then."""
        node = self.fleet.nodes().get(Identity("lab", "n1"))
        reading = node.latest.get(("count", "agent", "hints")) if node else None
        return reading.value if reading and reading.time_ns > since_ns else 0.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with TemporaryDirectory(prefix="hints") as short, mosquitto(tmp_path, persistence=False) as broker:
        made = Site(tmp_path, Path(short) / "hints", broker)
        yield made
        made.fleet.close()


@pytest.fixture
def workload(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _WORKLOAD], env={VARIABLE: str(site.socket)}) as process:
        yield process
        process.kill()


def test_a_workload_outlives_its_agents_and_is_heard_by_each(
    site: Site, workload: subprocess.Popen[bytes]
) -> None:
    with site.agent() as agent:
        wait_until(lambda: site.taken() > 20, "hints")
        agent.kill()
        killed_ns = time.time_ns()
        agent.start()
        wait_until(lambda: site.taken(killed_ns) > 20, "hints to the new agent")
        site.config.write_text(site.config.read_text().replace("[hints]", "[hints]\nenabled = false"))
        agent.signal(signal.SIGHUP)
        wait_until(lambda: not site.socket.exists(), "nothing is taken in any more")
        before = site.taken()
        site.config.write_text(site.config.read_text().replace("enabled = false", 'mode = "0600"'))
        agent.signal(signal.SIGHUP)
        wait_until(lambda: site.taken() > before + 20, "they are taken in again, and counted on")
        assert agent.stop() == 0
        assert not site.socket.exists()
    assert workload.poll() is None
