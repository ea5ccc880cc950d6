"""Nodes for the rows: the emulated board, the agent that reads it, and a noisy line in memory."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeagent.drivers.node.node import Node
from edgeagent.modbus.bus import join
from edgeagent.modbus.master import Master
from edgeagent.modbus.rtu import Rtu
from edgeagent_hil.rig.boards import board
from edgeagent_hil.rig.line import flipped
from edgeagent_hil.rig.machine import Machine
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import Identity
from tests.services import Service, spawn

BOARD = "ast1030"
IDENTITY = Identity("bench", "n1")

_CONFIG = """
site = "bench"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
batch_s = {batch_s}
[agent]
interval_s = 0
[[device]]
name = "rack"
driver = "node"
port = "{port}"
interval_s = {interval_s}
lease_s = 3
"""


@contextmanager
def emulated(directory: Path) -> Iterator[Machine]:
    """The board, its node answering."""
    with Machine(board(BOARD), directory, directory / "node") as machine:
        deadline = time.monotonic() + 20
        while True:
            try:
                with opened(machine.port):
                    break
            except EdgeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield machine


@contextmanager
def opened(port: Path, timeout_s: float = 0.5) -> Iterator[Node]:
    """The node at a port, by the agent's own master."""
    node = Node.at(str(port), 115_200, 1, timeout_s)
    try:
        node.identify()
        yield node
    finally:
        node.close()


@contextmanager
def agent(
    directory: Path, port: Path, broker: Service, *, interval_s: float = 0.1, batch_s: float = 1.0
) -> Iterator[Service]:
    """The agent with that node as its only device."""
    home = directory / "agent"
    home.mkdir()
    config = home / "agent.toml"
    config.write_text(
        _CONFIG.format(home=home, url=broker.url, port=port, interval_s=interval_s, batch_s=batch_s)
    )
    command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
    with spawn(command, home, name="agent") as service:
        yield service


class NoisyPort:
    """A line in memory on which each bit is wrong with probability `error_rate`, both ways: a `Stream`.

    The slave answers within the call, and silence takes no time: what is lost is lost at once.
    """

    def __init__(self, answer: Callable[[bytes], bytes], error_rate: float, seed: int) -> None:
        self.name = self.key = self.manner = "noise"
        self.ordered = False
        self.frames = 0
        self._answer, self._error_rate = answer, error_rate
        self._random = random.Random(seed)
        self._waiting = b""

    def node(self, timeout_s: float) -> Node:
        """The node at its other end."""
        return Node(Master(join(self), 1, timeout_s, hear_out=False))

    def line(self) -> Rtu:
        """It is its own place."""
        return Rtu(self)

    def write(self, data: bytes) -> None:
        """A request on its way; frames are counted in both directions."""
        self.frames += 1
        answer = self._answer(self._damaged(data))
        self.frames += bool(answer)
        self._waiting = self._damaged(answer)

    def read(self, count: int, deadline_s: float) -> bytes:
        """What has arrived."""
        data, self._waiting = self._waiting, b""
        return data

    def drain(self, silence_s: float) -> None:
        """Read it all away."""
        self._waiting = b""

    def close(self) -> None:
        """Nothing to close."""

    def _damaged(self, data: bytes) -> bytes:
        result = bytearray(data)
        for bit in flipped(8 * len(data), self._error_rate, self._random):
            result[bit // 8] ^= 1 << bit % 8
        return bytes(result)
