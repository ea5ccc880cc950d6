"""What it costs to make a line out of a reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from edgeagent_sdk.lineproto import encode, head
from edgeagent_sdk.names import Identity
from tests.bench.table import Bench, Figure, row, times_peer

_CHANNELS = 100
_REPEATS = 15
_NOW_NS = 1_790_000_000_123_456_789


@row
def encoding(bench: Bench) -> Iterator[Figure]:
    """Readings of 100 channels to line protocol, by turns with influxdb-client's Point."""
    from influxdb_client.client.write.point import Point

    point: Any = Point
    identity = Identity("s1", "n1")
    values = [412.5 + i / 7 for i in range(_CHANNELS)]
    names = [f"c{i}" for i in range(_CHANNELS)]
    heads = [head("power", name, "psu0", identity) for name in names]

    def ours() -> str:
        return encode(heads, values, _NOW_NS)

    def peers() -> str:
        return "".join(
            point("power")
            .tag("channel", name)
            .tag("device", "psu0")
            .tag("node", "n1")
            .tag("site", "s1")
            .field("value", value)
            .time(_NOW_NS)
            .to_line_protocol()
            + "\n"
            for name, value in zip(names, values, strict=True)
        )

    assert ours() == peers()
    rates = _by_turns(ours, peers, 0.05 * bench.seconds)
    yield Figure(
        "encoding a reading",
        rates[0],
        "readings/s",
        times_peer(8),
        {"influxdb-client Point": rates[1]},
        f"median of {_REPEATS} turns each; both give the same bytes",
    )


def _by_turns(ours: Callable[[], str], peers: Callable[[], str], seconds: float) -> list[float]:
    """Readings per second of each, both meeting the same weather."""
    rates: list[list[float]] = [[], []]
    for _ in range(_REPEATS):
        for rate, work in zip(rates, (ours, peers), strict=True):
            count, begun_s = 0, time.perf_counter()
            while (took_s := time.perf_counter() - begun_s) < seconds:
                work()
                count += 1
            rate.append(count * _CHANNELS / took_s)
    return [median(rate) for rate in rates]
