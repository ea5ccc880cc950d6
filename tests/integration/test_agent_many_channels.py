"""More sensors than select(2) knows descriptors: the agent finds its broker again all the same."""

from __future__ import annotations

from pathlib import Path

from tests.bench.trees import hwmon_tree
from tests.integration.machine import Machine
from tests.responder import responder
from tests.services import mosquitto, wait_until

_CHIPS, _INPUTS = 4, 300


def test_the_broker_comes_back(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        machine = Machine(tmp_path, broker.url)
        machine.root = tmp_path / "many"
        machine.chips, machine.interval_s = _CHIPS, 0.5
        hwmon_tree(machine.root, _CHIPS, _INPUTS)
        with machine.agent() as agent:
            with responder(broker.url, decode_lines=False) as taken:
                wait_until(
                    lambda: sum(h.readings for h in taken.headers) >= 4 * _CHIPS * _INPUTS,
                    "every sensor, often",
                )
            descriptors = len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))
            assert descriptors > 1024, "every sensor's file is kept open"
            broker.restart()
            with responder(broker.url, decode_lines=False) as taken:
                wait_until(lambda: len(taken.headers) > 0, "the agent at the broker's new start", 30.0)
