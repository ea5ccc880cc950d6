"""A scenario: all that will happen in a run, known beforehand, so that all contestants see the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from edgeagent_hil.dvfs.curves import Curve, constant
from edgeagent_hil.twin.units import Array

_AMBIENT, _CLEAN, _UNCAPPED = constant(25.0), constant(0.0), constant(inf)


@dataclass(frozen=True, eq=False)
class Stream:
    """The units of one session: each keeps `threads` cores of one domain busy, one after the other.

    A unit takes ``cycles / clock + memory_s``; both parts are spread evenly over it.

    Attributes:
        domain: index into the board's parts. A domain serves one stream at most.
        deadline_s: from a unit's arrival to its end.
        arrival_s, cycles, memory_s: shape (units,); arrivals do not fall.
        stalled: what a core draws while it waits for memory, as a share of its dynamic power.
        depth: so many units wait at most; one that arrives then is lost.
    """

    name: str
    domain: int
    threads: int
    deadline_s: float
    arrival_s: Array
    cycles: Array
    memory_s: Array
    stalled: float = 0.6
    depth: int = 64


class Activity(NamedTuple):
    """What all parts of a board do, steadily; one entry for each.

    Args:
        points: index of the operating point.
        awake: share of the time during which any of its cores is busy.
        active: how many cores work, the mean; those that wait for memory count less.
    """

    points: Sequence[int]
    awake: Sequence[float]
    active: Sequence[float]


class Gap(NamedTuple):
    """A time during which a sensor tells nothing.

    Args:
        sensor: ``power``, or the name of a domain (or ``case``) whose temperature is not known.
    """

    sensor: str
    from_s: float
    to_s: float

    @classmethod
    def parse(cls, text: str) -> Gap:
        """From ``SENSOR:FROM-TO``, in seconds. Raises ValueError."""
        sensor, _, times = text.rpartition(":")
        from_s, _, to_s = times.partition("-")
        gap = cls(sensor, float(from_s), float(to_s))
        if not sensor or not 0 <= gap.from_s < gap.to_s:
            raise ValueError(text)
        return gap


@dataclass(frozen=True, eq=False)
class Scenario:
    """One future.

    Attributes:
        learn_s: what happens before is not judged.
        ambient_c, fouling, cap_w: over time; fouling is the resistance to the air that dust adds, as a share
            of that of the clean machine. Steps of the cap fall on whole seconds.
        before: what the board has done for hours; None for nothing.
        seed: of the sensors' noise.
        note: what one must know of it, for people.
    """

    name: str
    duration_s: int
    streams: tuple[Stream, ...]
    ambient_c: Curve = _AMBIENT
    fouling: Curve = _CLEAN
    cap_w: Curve = _UNCAPPED
    gaps: tuple[Gap, ...] = ()
    before: Activity | None = None
    learn_s: int = 60
    seed: int = 0
    note: str = ""
