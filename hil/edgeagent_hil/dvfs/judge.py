"""What a run is judged by, after the time for learning."""

from __future__ import annotations

from math import inf, isnan, nan

import msgspec

from edgeagent_hil.dvfs.simulator import Run

#: Power above the cap counts from here on: what a meter of class 0.5 cannot see is no one's fault.
CAP_TOLERANCE = 0.005


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run.

    Attributes:
        units: done in the time that is judged.
        energy_j: at the meter.
        unit_j: energy for each unit done; infinite if none was.
        misses: share of the units due in this time that were late, or never done.
        over_limit_s: seconds in which a true temperature was above its limit for any time.
        over_cap_s: seconds whose mean power was above the cap by more than 0.5 %.
        switches: changes of operating points.
        latency_s: mean of the units done.
        off_s: when the machine switched itself off for its heat, if it did.
        decide_p99_s: CPU time of a decision on this computer, the 99th of 100.
    """

    units: int
    energy_j: float
    unit_j: float
    misses: float
    over_limit_s: int
    over_cap_s: int
    switches: int
    latency_s: float
    off_s: float | None
    decide_p99_s: float


def judge(run: Run) -> Score:
    """The score of a run."""
    scenario = run.scenario
    judged = run.seconds[scenario.learn_s :]
    latencies, due, missed = _units(run)
    energy_j = sum(second.power_w for second in judged)
    decide_ns = sorted(run.decide_ns)
    return Score(
        units=len(latencies),
        energy_j=energy_j,
        unit_j=energy_j / len(latencies) if latencies else inf,
        misses=missed / due if due else 0.0,
        over_limit_s=sum(second.over_k > 0 for second in judged),
        over_cap_s=sum(second.power_w > second.cap_w * (1 + CAP_TOLERANCE) for second in judged),
        switches=sum(second.switches for second in judged),
        latency_s=sum(latencies) / len(latencies) if latencies else nan,
        off_s=run.off_s,
        decide_p99_s=decide_ns[len(decide_ns) * 99 // 100] / 1e9 if decide_ns else nan,
    )


def _units(run: Run) -> tuple[list[float], int, int]:
    """Latencies of the units that were done in the time judged; how many were due in it; how many of those
    were missed."""
    from_s, to_s = run.scenario.learn_s, run.scenario.duration_s
    latencies, due, missed = [], 0, 0
    for stream, ended_s in zip(run.scenario.streams, run.ended_s, strict=True):
        for arrived_s, end_s in zip(stream.arrival_s.tolist(), ended_s, strict=True):
            if from_s <= end_s <= to_s:
                latencies.append(end_s - arrived_s)
            if from_s <= arrived_s and arrived_s + stream.deadline_s <= to_s:
                due += 1
                missed += isnan(end_s) or end_s - arrived_s > stream.deadline_s
    return latencies, due, missed
