"""How much faster than the clock the twin runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from statistics import median

import numpy as np

from edgeagent_hil.twin import Site, calm, design, kinds, start, step
from edgeagent_hil.twin.workload import Workload
from tests.bench.plaintwin import PlainServer
from tests.bench.table import Bench, Figure, at_least, row

_STEP_S = 1.0
_DEMANDS = 60
_TURNS = 9


@row
def twin(bench: Bench) -> Iterator[Figure]:
    """A site in virtual time at steps of 1 s, beside its servers as plain Python objects."""
    kind = kinds.load("x3550m3")
    site = design.site([kind], [1000], seed=1)
    plain = [PlainServer(kind, 24.0) for _ in range(1000)]
    demands = _demands(site)

    def peers() -> None:
        for server, demand in zip(plain, next(demands)[0].tolist(), strict=True):
            server.step(demand, 24.0, _STEP_S)

    ours, theirs = _by_turns([_stepper(site), peers], 0.2 * bench.seconds)
    yield Figure(
        "1,000 servers: times real time",
        ours,
        "×",
        at_least(1000),
        {"plain Python, servers only": theirs},
        f"two components each; median of {_TURNS} turns each, on one core",
    )
    for name, servers, capped, note in (
        ("x3550m3", 10_000, False, "two components each"),
        ("v100x4", 1000, False, "six components each"),
        ("v100x4", 1000, True, "six components each, every one held back by a power cap"),
        ("rk3399", 1, False, "a single board: the cost of a step, however few"),
    ):
        plant = design.site([kinds.load(name)], [servers], seed=1)
        (factor,) = _by_turns([_stepper(plant, capped=capped)], 0.2 * bench.seconds)
        yield Figure(f"{servers:,} × {name}{' capped' if capped else ''}", factor, "×", note=note)


def _demands(site: Site) -> Iterator[np.ndarray]:
    """A minute of demand, again and again: made beforehand, as it is not the plant's work."""
    workload = Workload(site.servers.shape, 1)
    return cycle([workload.next(_STEP_S) for _ in range(_DEMANDS)])


def _stepper(site: Site, *, capped: bool = False) -> Callable[[], None]:
    """Something that advances a site by a step, after a minute to warm up."""
    demands = _demands(site)
    inputs = calm(site)
    if capped:
        cap_w = np.where(site.servers.chips.exists > 0, site.servers.chips.cap_min_w * 1.1, np.inf)
        inputs = replace(inputs, servers=replace(inputs.servers, cap_w=cap_w))
    state = start(site)

    def advance() -> None:
        nonlocal state
        servers = replace(inputs.servers, demand=next(demands))
        state, _ = step(site, state, replace(inputs, servers=servers), _STEP_S)

    for _ in range(_DEMANDS):
        advance()
    return advance


def _by_turns(works: list[Callable[[], None]], seconds: float) -> list[float]:
    """Virtual seconds per second of each, all meeting the same weather."""
    factors: list[list[float]] = [[] for _ in works]
    for _ in range(_TURNS):
        for factor, work in zip(factors, works, strict=True):
            count, begun_s = 0, time.perf_counter()
            while (took_s := time.perf_counter() - begun_s) < seconds:
                work()
                count += 1
            factor.append(count * _STEP_S / took_s)
    return [median(factor) for factor in factors]
