"""The real command line as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: What would change the commands' defaults.
_OURS = ("BROKER", "INFLUX_URL", "EDGEAGENT_CONFIG", "EDGEAGENT_URL", "EDGEAGENT_CENTRAL_CONFIG")


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def mistake(self) -> str:
        """The one line by which a user's mistake ended it."""
        assert self.code != 0, self
        assert self.err.count("\n") == 1, self
        assert "Traceback" not in self.out + self.err
        return self.err.strip()


def command(*arguments: str | Path) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-P", "-m", "edgeagent", *map(str, arguments)]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would change defaults; a terminal of fixed width."""
    return {k: v for k, v in os.environ.items() if k not in _OURS} | {"COLUMNS": "200"} | dict(more or {})


def edgeagent(
    *arguments: str | Path,
    cwd: Path | None = None,
    more: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
