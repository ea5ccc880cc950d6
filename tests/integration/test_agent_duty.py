"""The whole of it without a clock: a real agent steers a control group's quota by its workload's hints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edgeagent_sdk.hintroad import VARIABLE
from tests.cgroups import Group, obstacle, own_group
from tests.services import Service, mosquitto, spawn, wait_until

pytestmark = pytest.mark.skipif(bool(obstacle()), reason=obstacle())

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
[hints]
socket = "{socket}"
[agent]
interval_s = 0
[[device]]
name = "work"
driver = "cgroup"
interval_s = 0.1
group = "{group}"
[[device]]
name = "governor"
driver = "dvfs"
interval_s = 0.1
[[device.domains]]
name = "cpu"
actuator = "work/quota"
"""

_WORKLOAD = """
import time
from edgeagent_sdk import hints

with hints.session("camera", deadline_s=0.5, domains=("cpu",)) as s:
    while True:
        with s.unit():
            until_s = time.thread_time() + 0.02
            while time.thread_time() < until_s:
                pass
        time.sleep(0.2)
"""


@pytest.fixture
def group() -> Iterator[Group]:
    with own_group() as made:
        yield made


@contextmanager
def _workload(group: Group, socket: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", _WORKLOAD], env={VARIABLE: str(socket)}) as process:
        group.take(process.pid)
        try:
            yield
        finally:
            process.kill()


def test_a_quota_follows_the_deadline_and_is_given_back(tmp_path: Path, group: Group) -> None:
    with TemporaryDirectory(prefix="hints") as short, mosquitto(tmp_path, persistence=False) as broker:
        socket, config = Path(short) / "hints", tmp_path / "agent.toml"
        config.write_text(_CONFIG.format(home=tmp_path, url=broker.url, socket=socket, group=group.name))
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
        with spawn(command, tmp_path, name="agent", ready=socket.exists) as agent, _workload(group, socket):
            wait_until(lambda: group.quota < 0.5, "it needs no more to keep its deadline", 40.0)
            agent.kill()
            assert group.quota < 0.5
            agent.start()
            wait_until(
                lambda: group.quota == 1.0 or "set back" in _log(agent), "what was found is given back"
            )
            wait_until(lambda: group.quota < 0.5, "it is steered again", 40.0)
            assert agent.stop() == 0
            assert group.quota == 1.0


def _log(agent: Service) -> str:
    return agent.log.read_text("utf-8")
