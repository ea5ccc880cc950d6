"""`edgeagent rig dvfs --live`: governors against each other on this machine, in real time.

A real model runs in a control group whose quota stands in the place of a clock, so that real latencies answer
real decisions. Most machines show no power, and none is made up: what is told is how much of a CPU each
governor allows to keep the deadline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from edgeagent_hil.dvfs.baselines.cpufreq import Cpufreq, Ondemand, Performance, Schedutil
from edgeagent_hil.dvfs.live.cell import cell
from edgeagent_hil.dvfs.live.trial import PERIOD_S, Tick, trial
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import GROUP, Governor, Machine
from edgeagent_sdk.plugins import installed, load

_COLUMNS: Final = (
    "governor", "latency_p50_ms", "latency_p99_ms", "misses_%", "cpu_ms_per_inference", "mean_quota", "units",
)  # fmt: skip

#: Seconds are real here: the governors share what is asked for, and this part of it is to learn.
_LEARNING: Final = 0.4

Maker = Callable[[Machine], Governor]


def show_live(seconds: float, *, as_json: bool) -> None:
    """Print the table, or why it is skipped. `seconds` are shared among the governors."""
    why = obstacle()
    if why:
        print(f"skipped: {why}", file=sys.stderr)
    show([] if why else _rows(_makers(), seconds), _COLUMNS, as_json=as_json, empty="")


def obstacle() -> str:
    """Why it cannot run here; empty if it can."""
    missing = [package for package in ("onnx", "onnxruntime") if find_spec(package) is None]
    if missing:
        return f"it runs a model: pip install {' '.join(missing)}"
    try:
        with cell():
            return ""
    except EdgeError as error:
        return str(error)


def _makers() -> Mapping[str, Maker]:
    rules = {"performance": Performance, "ondemand": Ondemand, "schedutil": Schedutil}
    baselines = {name: partial(_baseline, rule=rule) for name, rule in rules.items()}
    return {**baselines, **{name: load(GROUP, name) for name in installed(GROUP)}}


def _baseline(machine: Machine, rule: Any) -> Governor:
    return Cpufreq(machine, rule)


def _rows(makers: Mapping[str, Maker], seconds: float) -> Iterator[dict[str, Any]]:
    from edgeagent_hil.dvfs.live.model import onnx_bytes

    with TemporaryDirectory(prefix="live") as directory:
        model = Path(directory) / "camera.onnx"
        model.write_bytes(onnx_bytes())
        for name, make in makers.items():
            ticks = trial(make, model, seconds / len(makers))
            yield {"governor": name, **_score(ticks[round(_LEARNING * len(ticks)) :])}


def _score(ticks: Sequence[Tick]) -> dict[str, Any]:
    latencies_s = sorted(unit.latency_s for tick in ticks for unit in tick.units)
    if not latencies_s:
        raise EdgeError("the worker did not finish a frame: give it more time with --for")
    lasted_s = sum(tick.lasted_s for tick in ticks)
    return {
        "latency_p50_ms": 1e3 * latencies_s[len(latencies_s) // 2],
        "latency_p99_ms": 1e3 * latencies_s[int(0.99 * (len(latencies_s) - 1))],
        "misses_%": 100 * sum(latency_s > PERIOD_S for latency_s in latencies_s) / len(latencies_s),
        "cpu_ms_per_inference": 1e3 * sum(tick.used_s for tick in ticks) / len(latencies_s),
        "mean_quota": sum(tick.share * tick.lasted_s for tick in ticks) / lasted_s,
        "units": len(latencies_s),
    }
