"""A made-up machine with an agent on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.trees import hwmon_tree
from tests.services import Service, spawn


class Machine:
    """A made-up machine with three chips of two temperatures, and the configuration of its agent."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.broker = ""  # more keys of the [broker] table
        self.outbox = "batch_s = 0.2"
        self.chips = 1
        self.interval_s = 0.1
        self.root = home / "root"
        hwmon_tree(self.root, 3, 2)

    @property
    def config(self) -> Path:
        """agent.toml, written by `configure`."""
        return self.home / "agent.toml"

    @property
    def outbox_file(self) -> Path:
        """Where readings wait."""
        return self.home / "state" / "outbox.db"

    def log(self) -> str:
        """What the agent has said so far."""
        file = self.home / "agent.log"
        return file.read_text("utf-8") if file.exists() else ""

    def configure(self) -> None:
        """Write agent.toml as the attributes say."""
        devices = "".join(
            f'[[device]]\nname = "chip{i}"\ndriver = "hwmon"\nchip = "chip{i}"\n'
            f"interval_s = {self.interval_s}\n"
            for i in range(self.chips)
        )
        self.config.write_text(
            f'site = "lab"\nnode = "n1"\nstate_dir = "{self.home}/state"\nhost_root = "{self.root}"\n'
            f'[broker]\nurl = "{self.url}"\n{self.broker}\n[outbox]\n{self.outbox}\n'
            f"[agent]\ninterval_s = 0\n{devices}"
        )

    @contextmanager
    def agent(self, **environment: str) -> Iterator[Service]:
        """The agent, running."""
        self.configure()
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(self.config)]
        with spawn(
            command,
            self.home,
            name="agent",
            environment=environment,
            ready=lambda: "runs with" in self.log(),
        ) as service:
            yield service
