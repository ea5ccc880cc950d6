"""What somebody at a terminal waits for: `edgeagent probe`, and the imports before anything happens."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from tests.bench.table import Bench, Figure, at_most, row
from tests.bench.trees import hwmon_tree

_TURNS = 11
_CHIPS, _SENSORS = 20, 10


@row
def probe(bench: Bench) -> Iterator[Figure]:
    """`edgeagent probe` of a host with 200 sensors, and importing the CLI and the SDK."""
    tree = bench.directory / "tree"
    hwmon_tree(tree, _CHIPS, _SENSORS)
    command = ["-m", "edgeagent", "probe", "--root", str(tree)]
    found = json.loads(subprocess.check_output([sys.executable, *command, "--json"]))
    if sum(finding["driver"] == "hwmon" for finding in found) != _CHIPS:
        raise RuntimeError(f"probe found {len(found)} devices, not {_CHIPS} chips")
    programs = {
        "nothing": ["-c", "pass"],
        "probe": command,
        "cli": ["-c", "import edgeagent.cli.main"],
        "typer": ["-c", "import typer"],
        "sdk": ["-c", "import edgeagent_sdk"],
        "driver": ["-c", "from edgeagent_sdk import Channel, DriverError, Sensor"],
        "msgspec": ["-c", "import msgspec"],
    }
    took_s = _by_turns(programs)
    bare_s = took_s["nothing"]
    over_ms = {name: 1e3 * (seconds - bare_s) for name, seconds in took_s.items()}
    how = f"median of {_TURNS} whole processes less a bare interpreter's {1e3 * bare_s:.0f} ms"
    count = f"{_CHIPS} chips with {_SENSORS} sensors each, all installed drivers asked"
    yield Figure(
        "probe of a host with 200 sensors",
        took_s["probe"],
        "s",
        at_most(2),
        {"python -c pass": bare_s},
        count,
    )
    yield Figure(
        "import of the CLI", over_ms["cli"], "ms", at_most(150), {"import typer": over_ms["typer"]}, how
    )
    yield Figure(
        "import of the SDK", over_ms["sdk"], "ms", at_most(50), {"python -c pass": 1e3 * bare_s}, how
    )
    yield Figure(
        "import of what a driver needs of the SDK",
        over_ms["driver"],
        "ms",
        None,
        {"import msgspec": over_ms["msgspec"]},
        how,
    )


def _by_turns(programs: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Seconds that each takes as a process of its own; all of them meet the same weather."""
    took_s: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(_TURNS):
        for name, arguments in programs.items():
            took_s[name].append(_seconds(arguments))
    return {name: median(seconds) for name, seconds in took_s.items()}


def _seconds(arguments: Sequence[str]) -> float:
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun_s
