"""Made-up series: what a machine's sensors give, with and without faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CHANNELS = ("host/utilization/cpu", "psu/power/in", "cpu/temperature/die", "fan/speed/1")
CPU, POWER, DIE, FAN = range(4)


def machine(samples: int, seed: int) -> Array:
    """A server whose load steps about once a minute at 1 Hz; `CHANNELS` × samples, with the sensors' grain.

    Power follows the load at once, the die follows the power in 40 s, the fan follows the die.
    """
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.1, 0.3, 0.5, 0.8, 1.0], samples), rng.geometric(1 / 60, samples))[
        :samples
    ]
    load = np.clip(level + 0.02 * rng.normal(size=samples), 0.0, 1.0)
    power = 60.0 + 180.0 * load + 1.5 * rng.normal(size=samples)
    die = np.empty(samples)
    now_c = 40.0
    for at, watts in enumerate(power):
        now_c += (25.0 + 0.2 * watts - now_c) / 40.0
        die[at] = now_c
    fan = 800.0 + 40.0 * (die - 30.0) + 15.0 * rng.normal(size=samples)
    die = die + 0.15 * rng.normal(size=samples)
    return np.stack([load, np.round(power, 1), np.round(die, 1), np.round(fan, -1)])


class Injected(NamedTuple):
    """A fault of one channel: made of its true values and of other ones of the same channel."""

    name: str
    channel: int
    make: Callable[[Array, Array], Array]


FAULTS = (
    Injected("step of the die by 8 °C", DIE, lambda true, other: true + 8.0),
    Injected("step of the fan by 500 rpm", FAN, lambda true, other: true + 500.0),
    Injected("power up by 100 W, the load as before", POWER, lambda true, other: true + 100.0),
    Injected("spike of the die by 10 °C", DIE, lambda true, other: true + 10.0 * (np.arange(len(true)) == 0)),
    Injected("drift of the die by 0.03 °C/s", DIE, lambda true, other: true + 0.03 * np.arange(len(true))),
    Injected("drift of the power by 0.5 W/s", POWER, lambda true, other: true + 0.5 * np.arange(len(true))),
    Injected("drift of the fan by 2 rpm/s", FAN, lambda true, other: true + 2.0 * np.arange(len(true))),
    Injected("stuck die", DIE, lambda true, other: np.full_like(true, true[0])),
    Injected("stuck power", POWER, lambda true, other: np.full_like(true, true[0])),
    Injected("fan fails", FAN, lambda true, other: np.zeros_like(true)),
    Injected("fan no longer follows the die", FAN, lambda true, other: other),
    Injected("power no longer follows the load", POWER, lambda true, other: other),
)
