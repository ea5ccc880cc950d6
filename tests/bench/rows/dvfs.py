"""The governor `edge`: what a decision costs, and how near it comes to the clairvoyant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from math import inf

from edgeagent.dvfs.governor import EdgeGovernor
from edgeagent_hil.dvfs.boards import Board, board
from edgeagent_hil.dvfs.contestants import CLAIRVOYANT, contestant
from edgeagent_hil.dvfs.judge import Score, judge
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_hil.dvfs.simulator import run
from edgeagent_hil.dvfs.workloads import scenario
from edgeagent_hil.load.report import quantile
from edgeagent_sdk.governor import Decision, Observation
from tests.bench.table import Bench, Figure, at_most, row

#: A board with three domains behind one meter, and one with six of which each has its own.
_COSTS = (("rk3399", "two"), ("v100x4", "two"))

_CASES = (("rk3399", "bursty"), ("hikey960", "memory"), ("v100", "cap"))

#: Virtual seconds, of which the first minute is for learning.
_SECONDS = 180

_PER_SECOND = 5


class _Timed:
    """A governor with a watch: CPU time, so that others on the machine do not count."""

    def __init__(self, governor: EdgeGovernor) -> None:
        self.tick_s = governor.tick_s
        self.took_ms: list[float] = []
        self._governor = governor

    def decide(self, seen: Observation) -> Decision:
        """As the governor does."""
        begun_s = time.thread_time()
        decision = self._governor.decide(seen)
        self.took_ms.append(1e3 * (time.thread_time() - begun_s))
        return decision


@row
def dvfs(bench: Bench) -> Iterator[Figure]:
    """Decisions of the governor `edge` on twin boards, and its energy against the clairvoyant's."""
    took_ms: dict[str, list[float]] = {}
    for name, workload in _COSTS:
        plant = board(name)
        timed = _Timed(EdgeGovernor(plant.machine))
        run(plant, scenario(workload, plant, duration_s=60), timed)
        took_ms[name] = timed.took_ms[1:]  # the first one imports and builds
    worst = max(took_ms, key=lambda name: quantile(took_ms[name], 0.99))
    means = {name: sum(took) / len(took) for name, took in took_ms.items()}
    counts = ", ".join(f"{name} {len(board(name).parts)} domains" for name in took_ms)
    yield Figure(
        "a decision about clocks, p99",
        quantile(took_ms[worst], 0.99),
        "ms",
        at_most(1),
        note=f"CPU time, two sessions; {counts}; worst {worst}, mean {means[worst]:.2f} ms",
    )
    yield Figure(
        f"the governor's share of a core at {_PER_SECOND} Hz",
        100 * _PER_SECOND * max(means.values()) / 1e3,
        "%",
        at_most(1),
        note="CPU time of its decisions",
    )
    for name, workload in _CASES:
        yield _ratio(name, workload)


def _ratio(name: str, workload: str) -> Figure:
    plant = board(name)
    future = scenario(workload, plant, duration_s=_SECONDS)
    scores = {who: _score(plant, future, who) for who in ("edge", CLAIRVOYANT, "schedutil")}
    edge, least = scores["edge"], scores[CLAIRVOYANT]
    return Figure(
        f"energy per unit, {name} {workload}",
        edge.unit_j / least.unit_j if edge.misses <= 0.01 else inf,
        "× clairvoyant",
        at_most(1.05),
        _ratios(scores, least.unit_j),
        f"{100 * edge.misses:.2f} % late, {edge.over_limit_s} s too hot, {edge.over_cap_s} s over the cap; "
        f"{_SECONDS - 60} s after a minute of learning",
    )


def _ratios(scores: Mapping[str, Score], least_j: float) -> dict[str, float]:
    return {who: score.unit_j / least_j for who, score in scores.items() if who not in ("edge", CLAIRVOYANT)}


def _score(plant: Board, future: Scenario, who: str) -> Score:
    return judge(run(plant, future, contestant(who)(plant, future)))
