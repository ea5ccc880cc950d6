"""Chips: what they draw, how fast they run, and how limits of clock, power and heat hold them back.

At operating point k a component draws

    P(k) = idle + awake·min(1, m·u) + u·m·C·f·V² + leakage(V, T)

with m cores of which the share u is busy. C·f·V² is the switching power of CMOS (Chandrakasan, Sheng,
Brodersen, IEEE JSSC 27(4), 1992), as in Linux's energy model (Documentation/power/energy-model.rst,
``dynamic-power-coefficient``). Leakage is exponential in temperature over 20–85 °C (De Vogeleer et al.,
arXiv:1404.3381) and grows with the cube of the voltage, as in the power model of Android's kernels
(mali_kbase_ipa_simple.c). `awake` is drawn while any core is busy: the uncore sleeps only when all do.

Between two operating points a chip divides its time, so all that is a mean over time (power, clock, work)
lies on the straight line between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.units import Array, Indices

#: What differs between chips of one kind, as standard deviations of shares. Equal CPUs at equal clocks
#: differ by up to 20 % (Inadomi et al., SC '15), most of it by their leakage.
_CAPACITANCE_SPREAD, _LEAKAGE_SPREAD = 0.02, 0.15

#: Keeps divisions defined where two operating points are the same.
_TINY: Final = 1e-9


@dataclass(frozen=True)
class Chips:
    """The constants of c components in each of n servers; shape (c, n) unless said otherwise.

    Attributes:
        clock_hz: shape (p, c, n); components with fewer operating points repeat their last.
        dynamic_w: shape (p, c, n), with all cores busy.
        leak_share: shape (p, c, n), leakage as a share of that at the highest voltage.
        steps: operating points less one.
        exists: 1 or 0.
        cap_min_w, cap_max_w: infinite where power cannot be limited.
    """

    clock_hz: Array
    dynamic_w: Array
    leak_share: Array
    steps: Indices
    exists: Array
    cores: Array
    idle_w: Array
    awake_w: Array
    leakage_w: Array
    leakage_at_c: Array
    leakage_efold_k: Array
    cap_min_w: Array
    cap_max_w: Array
    cap_window_s: Array
    throttle_c: Array
    critical_c: Array
    shutdown_c: Array
    junction_k_per_w: Array


class Operation(NamedTuple):
    """What components do in one step; shape (c, n).

    Attributes:
        power_w: mean over the step.
        clock_hz: mean over the step; 0 without power.
        work: done, as a share of what all cores do at the highest clock.
        limited: 1 where the power limit or the heat holds the clock below what was asked, else 0.
    """

    power_w: Array
    clock_hz: Array
    work: Array
    limited: Array


def chips(layout: Layout) -> Chips:
    """The constants of a layout's components."""
    parts = layout.parts
    none = [1.0] * layout.points
    clock_hz = parts(lambda part: layout.points_of(part, 0), none)
    volt_v = parts(lambda part: layout.points_of(part, 1), none)
    cores = parts(lambda part: part.cores)
    capacitance_f = layout.varied(parts(lambda part: part.capacitance_f), _CAPACITANCE_SPREAD)
    return Chips(
        clock_hz=clock_hz,
        dynamic_w=cores * capacitance_f * clock_hz * volt_v**2,
        leak_share=(volt_v / volt_v[-1]) ** 3,
        steps=parts(lambda part: len(part.points_hz_v) - 1, 1.0).astype(np.intp),
        exists=parts(lambda part: 1.0),
        cores=cores,
        idle_w=parts(lambda part: part.idle_w),
        awake_w=parts(lambda part: part.awake_w),
        leakage_w=layout.varied(parts(lambda part: part.leakage_w), _LEAKAGE_SPREAD),
        leakage_at_c=parts(lambda part: part.leakage_at_c),
        leakage_efold_k=parts(lambda part: part.leakage_efold_k, 1e9),
        cap_min_w=parts(lambda part: part.cap_w[0] if part.cap_w else np.inf, np.inf),
        cap_max_w=parts(lambda part: part.cap_w[1] if part.cap_w else np.inf, np.inf),
        cap_window_s=parts(lambda part: part.cap_window_s, 1.0),
        throttle_c=parts(lambda part: part.throttle_c, 1e6),
        critical_c=parts(lambda part: part.critical_c, 2e6),
        shutdown_c=parts(lambda part: part.shutdown_c, 3e6),
        junction_k_per_w=parts(lambda part: part.junction_k_per_w),
    )


def leakage_w(chips: Chips, junction_c: Array) -> Array:
    """Leakage at the highest voltage; shape (c, n)."""
    leaks_w: Array = chips.leakage_w * np.exp((junction_c - chips.leakage_at_c) / chips.leakage_efold_k)
    return leaks_w


def full_speed_w(chips: Chips, demand: Array, junction_c: Array) -> Array:
    """What is drawn at the highest clock; shape (c, n). Arguments as for `operate`."""
    busy = np.minimum(demand, 1.0)
    awake = np.minimum(busy * chips.cores, 1.0)
    drawn_w: Array = busy * chips.dynamic_w[-1] + leakage_w(chips, junction_c)
    return drawn_w + chips.awake_w * awake + chips.idle_w


def allowed_w(chips: Chips, cap_w: Array, average_w: Array, dt_s: float) -> Array:
    """What may be drawn in the next step so that the average keeps the cap; shape (c, n).

    RAPL limits an average over a window (Intel SDM volume 3B, 15.10; Linux, powercap.rst,
    ``time_window_us``): after a quiet time a burst may pass the limit. The average is an exponential one,
    ``a' = (τ·a + Δt·P)/(τ + Δt)``, so a' ≤ cap asks for P ≤ cap + (cap − a)·τ/Δt.
    """
    cap_w = np.minimum(np.maximum(cap_w, chips.cap_min_w), chips.cap_max_w)
    return np.maximum(cap_w + (cap_w - average_w) * (chips.cap_window_s / dt_s), 0.0)


def averaged_w(chips: Chips, average_w: Array, power_w: Array, dt_s: float) -> Array:
    """The average that a power limit is held against, after a step; shape (c, n)."""
    return (chips.cap_window_s * average_w + dt_s * power_w) / (chips.cap_window_s + dt_s)


def operate(
    chips: Chips, demand: Array, clock_max_hz: Array, allow_w: Array, junction_c: Array, powered: Array
) -> Operation:
    """Run for one step as fast as clock limit, power limit and heat allow.

    Args:
        demand: shape (c, n), work to be done, as a share of what all cores do at the highest clock. A
            lower clock keeps the cores busy for longer, until they are busy all the time.
        clock_max_hz: shape (c, n), the clock that is asked for.
        allow_w: shape (c, n), from `allowed_w`. The lowest operating point is drawn in any case.
        junction_c: shape (c, n). From `throttle_c` on the clock falls, to the lowest at `critical_c`.
        powered: shape (n,), 1 or 0.
    """
    power_w = full_speed_w(chips, demand, junction_c)
    clock_hz, work = chips.clock_hz[-1].copy(), np.minimum(demand, 1.0)
    limited = (power_w > allow_w) | (junction_c > chips.throttle_c)
    held = np.flatnonzero(limited | (clock_max_hz < clock_hz))
    if held.size:  # most run at full speed most of the time; only the others need their tables
        ladder = _Ladder(chips, held, demand.ravel()[held], junction_c.ravel()[held])
        asked = ladder.climb(ladder.clock_hz, clock_max_hz.ravel()[held])
        bearable = ladder.climb(ladder.power_w, allow_w.ravel()[held])
        place = np.minimum(np.minimum(asked, bearable), ladder.cool())
        limited.ravel()[held] = place < asked
        clock_hz.ravel()[held] = ladder.mean(ladder.clock_hz, place)
        power_w.ravel()[held] = ladder.mean(ladder.power_w, place)
        work.ravel()[held] = ladder.mean(ladder.work, place)
    on = powered * chips.exists
    return Operation(
        power_w=power_w * on,
        clock_hz=clock_hz * on,
        work=work * on,
        limited=limited * on,
    )


def busy_share(chips: Chips, clock_hz: Array, work: Array) -> Array:
    """Share of the cores' time that `work` took at `clock_hz`; shape (c, n)."""
    return np.asarray(work * chips.clock_hz[-1] / np.maximum(clock_hz, 1.0))


class _Ladder:
    """The operating points of some components, to climb up and down; all arrays have shape (m,).

    A place on it is a number from 0 to `steps`: between two operating points the time is divided.

    Args:
        held: which components, as flat indices into (c, n).
    """

    def __init__(self, chips: Chips, held: Indices, demand: Array, junction_c: Array) -> None:
        self._held, self._count = held, chips.exists.size
        self._clock_hz, self._dynamic_w = chips.clock_hz.ravel(), chips.dynamic_w.ravel()
        self._leak_share = chips.leak_share.ravel()
        self._steps = chips.steps.ravel()[held]
        self._junction_c = junction_c
        self._throttle_c, self._critical_c = chips.throttle_c.ravel()[held], chips.critical_c.ravel()[held]
        self._work_hz = demand * chips.clock_hz[-1].ravel()[held]
        self._top_hz = chips.clock_hz[-1].ravel()[held]
        self._leakage_w = chips.leakage_w.ravel()[held] * np.exp(
            (junction_c - chips.leakage_at_c.ravel()[held]) / chips.leakage_efold_k.ravel()[held]
        )
        self._awake_w, self._idle_w = chips.awake_w.ravel()[held], chips.idle_w.ravel()[held]
        self._cores = chips.cores.ravel()[held]

    def clock_hz(self, point: Indices) -> Array:
        """The clock at an operating point of each."""
        clock_hz: Array = self._clock_hz[point * self._count + self._held]
        return clock_hz

    def power_w(self, point: Indices) -> Array:
        """What is drawn there."""
        at = point * self._count + self._held
        busy = np.minimum(self._work_hz / self._clock_hz[at], 1.0)
        drawn_w: Array = busy * self._dynamic_w[at] + self._leak_share[at] * self._leakage_w
        drawn_w += self._awake_w * np.minimum(busy * self._cores, 1.0) + self._idle_w
        return drawn_w

    def work(self, point: Indices) -> Array:
        """What is done there, as a share of what all cores do at the highest clock."""
        done: Array = np.minimum(self._work_hz, self.clock_hz(point)) / self._top_hz
        return done

    def cool(self) -> Array:
        """The highest place that the heat allows."""
        left = (self._critical_c - self._junction_c) / (self._critical_c - self._throttle_c)
        highest: Array = np.clip(left, 0.0, 1.0) * self._steps
        return highest

    def climb(self, value: Callable[[Indices], Array], limit: Array) -> Array:
        """The highest place where `value` keeps `limit`; the lowest if it does nowhere.

        Bisection: the value keeps the limit at `low` (or `low` is 0), and passes it at the point above
        (or that is past the top). It need not rise all the way.
        """
        low = np.zeros_like(self._steps)
        stride = 1 << int(self._steps.max()).bit_length() - 1
        while stride:
            next_ = np.minimum(low + stride, self._steps)
            low = np.where(value(next_) <= limit, next_, low)
            stride >>= 1
        above = np.minimum(low + 1, self._steps)
        here = value(low)
        share = np.clip((limit - here) / np.maximum(value(above) - here, _TINY), 0.0, 1.0)
        return np.minimum(low + share, self._steps)

    def mean(self, value: Callable[[Indices], Array], place: Array) -> Array:
        """The mean over the time that is divided between the operating points around a place."""
        low = np.minimum(place.astype(np.intp), self._steps - 1)
        below = value(low)
        return below + (value(low + 1) - below) * (place - low)
