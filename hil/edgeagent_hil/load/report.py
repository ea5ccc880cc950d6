"""A load run in figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edgeagent_hil.load.plan import Plan, Tally


class Report(msgspec.Struct, kw_only=True):
    """What a run is judged by. Latencies are from publishing a batch to the aggregator's ack of it.

    `lag_growth_s` is the median latency of the last third of the batches less that of the first
    third; `backlog` the batches without ack when the last had been sent; `late_p99_s` how far this
    generator itself was behind its plan: if that is large, it measured itself.
    """

    nodes: int
    channels: int
    duration_s: float
    batches: int
    readings_per_s: float
    unacknowledged: int
    refused: int
    resent: int
    reconnects: int
    ack_p50_s: float
    ack_p99_s: float
    ack_max_s: float
    first_third_p50_s: float
    last_third_p50_s: float
    lag_growth_s: float
    backlog: int
    in_flight_max: int
    late_p99_s: float
    generator_cores: float


def report(plan: Plan, tally: Tally) -> Report:
    """The figures of a tally."""
    count = len(tally.latency_s)
    acks = sorted(zip(tally.sent_s, tally.latency_s, strict=True))
    third = max(tally.sent_s, default=0.0) / 3  # of the time that was, if Ctrl-C ended it
    first = quantile([latency for sent, latency in acks if sent < third], 0.5)
    last = quantile([latency for sent, latency in acks if sent >= 2 * third], 0.5)
    took_s = max((sent + latency for sent, latency in acks), default=0.0)
    return Report(
        nodes=plan.nodes,
        channels=plan.channels,
        duration_s=round(took_s, 3),
        batches=tally.batches,
        readings_per_s=count * plan.channels / took_s if took_s else 0.0,
        unacknowledged=tally.unacknowledged,
        refused=tally.refused,
        resent=tally.resent,
        reconnects=tally.reconnects,
        ack_p50_s=quantile(tally.latency_s, 0.5),
        ack_p99_s=quantile(tally.latency_s, 0.99),
        ack_max_s=max(tally.latency_s, default=0.0),
        first_third_p50_s=first,
        last_third_p50_s=last,
        lag_growth_s=last - first,
        backlog=tally.backlog,
        in_flight_max=tally.in_flight_max,
        late_p99_s=quantile(tally.late_s, 0.99),
        generator_cores=tally.cpu_s / took_s if took_s else 0.0,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank); 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
