"""The horizon: what time couples, over the few domains where it does.

Where nothing but limits binds, the moments are independent, and `fill` is exact for each. Time couples
moments only through ramps and batteries, and those few domains (with all above them) carry the QP: for each
of them and each block of time its power, the segments of what power is worth to the leaves that are its
own, and its battery. Everything below has been merged into those segments beforehand, so the size does not
grow with the fleet.

Units within: power as a share of the root's limit, worth as a share of the highest, time in s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.program import Program, Solution
from edgeagent_central.optimize.power.tree import Array, Indices

#: 30 s in ten moves: soon in single seconds, later in longer blocks.
BLOCKS_S: Final = (1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0)

#: Costs, in the worth of one W for one second at the highest worth: limits outweigh ramps, ramps all work.
_OVER_LIMIT: Final = 1e3
_OVER_RAMP: Final = 30.0
#: Moving a battery's power costs about this, so that it does not cycle for nothing.
_WEAR: Final = 1e-3
#: Of the squared change of a domain's power from block to block: calm where calm costs nothing.
_CHURN: Final = 1e-2


class Battery(NamedTuple):
    """At a domain's input, between it and its load.

    Args:
        energy_j: held now, above what is kept in reserve.
        efficiency: of charging; the same of discharging.
    """

    power_max_w: float
    capacity_j: float
    energy_j: float
    efficiency: float = 0.96


@dataclass(frozen=True)
class Coupled:
    """A domain that time couples, or that stands above one.

    Args:
        above: the place of its parent among the coupled domains; -1 for the root.
        ramp_up_w_per_s, ramp_down_w_per_s: infinite where there is no such limit.
        before_w: what it takes from above now, as measured.
        limit_w: shape (t,), by block.
        floor_w: shape (t,), what its own leaves draw in any case.
        width_w: shape (t, s), segments of its own leaves, by falling worth.
        worth: shape (s,), per W and s.
    """

    above: int
    ramp_up_w_per_s: float
    ramp_down_w_per_s: float
    before_w: float
    limit_w: Array
    floor_w: Array
    width_w: Array
    worth: Array
    battery: Battery | None = None


class Course(NamedTuple):
    """What the horizon decides for one domain.

    Attributes:
        power_w: shape (t,), taken from above.
        charge_w: shape (t,), into its battery; negative out of it.
        limit_price, ramp_price: worth of one more W (W/s) of limit (ramp) in the first block; 0 if it does
            not bind.
    """

    power_w: Array
    charge_w: Array
    limit_price: float
    ramp_price: float


class Horizon:
    """The QP over some coupled domains.

    Args:
        coupled: parents before children.
        price: of energy, in the unit of worth: what a W for a second must be worth at least.
    """

    def __init__(
        self, coupled: Sequence[Coupled], *, price: float = 0.0, blocks_s: Sequence[float] = BLOCKS_S
    ) -> None:
        self._coupled, self._blocks_s = coupled, np.asarray(blocks_s, float)
        self._scale_w = max(float(coupled[0].limit_w.max()), 1e-9)
        self._top = max([float(row.worth.max(initial=0.0)) for row in coupled] + [1e-12])
        self._price = price / self._top
        self.program = Program()
        blocks = len(self._blocks_s)
        self._power = self.program.add(len(coupled), blocks)
        self._charge: dict[int, tuple[Indices, Indices]] = {}
        self._limit_row = np.zeros(len(coupled), np.intp)
        self._ramp_row: dict[int, int] = {}
        for place in range(len(coupled)):
            self._moves(place)
            self._store(place)
            self._balance(place)

    def solve(self) -> list[Course] | None:
        """The best course of each domain, or None. Nobody need take the solver's word for it: what comes of
        it passes the checker, like any plan."""
        found = self.program.solve()
        return found and [self._course(place, found) for place in range(len(self._coupled))]

    def _moves(self, place: int) -> None:
        """Changes from block to block: within the ramps, and calm."""
        row, power = self._coupled[place], self._power[place]
        before = row.before_w / self._scale_w
        haste = self.program.add(len(power), cost=_OVER_RAMP)
        for block, length_s in enumerate(self._blocks_s):
            change = {int(power[block]): 1.0} | ({int(power[block - 1]): -1.0} if block else {})
            offset = 0.0 if block else before
            self.program.add_square(change, offset, _CHURN)
            for sign, ramp in ((-1.0, row.ramp_down_w_per_s), (1.0, row.ramp_up_w_per_s)):
                if np.isfinite(ramp):
                    terms = {column: sign * value for column, value in change.items()}
                    terms[int(haste[block])] = -1.0
                    bound = ramp * length_s / self._scale_w + sign * offset
                    line = self.program.within.add(terms, bound)
                    self._ramp_row.setdefault(place, line)

    def _store(self, place: int) -> None:
        battery = self._coupled[place].battery
        if battery is None:
            return
        blocks, limit = len(self._blocks_s), battery.power_max_w / self._scale_w
        wear = _WEAR * self._blocks_s
        into = self.program.add(blocks, cost=wear, upper=limit)
        out = self.program.add(blocks, cost=wear, upper=limit)
        held = self.program.add(blocks, upper=battery.capacity_j / self._scale_w)
        self._charge[place] = into, out
        for block, length_s in enumerate(self._blocks_s):
            terms = {int(held[block]): 1.0, int(into[block]): -length_s * battery.efficiency}
            terms[int(out[block])] = length_s / battery.efficiency
            if block:
                terms[int(held[block - 1])] = -1.0
            begins = 0.0 if block else min(battery.energy_j, battery.capacity_j) / self._scale_w
            self.program.equal.add(terms, begins)

    def _balance(self, place: int) -> None:
        """Power = floor + segments + children + charge - discharge; held to the limit."""
        row, power = self._coupled[place], self._power[place]
        worth = -self._blocks_s[:, None] * (row.worth / self._top - self._price)
        used = self.program.add(*row.width_w.shape, cost=worth, upper=row.width_w / self._scale_w)
        over = self.program.add(len(power), cost=_OVER_LIMIT * self._blocks_s)
        children = [child for child, other in enumerate(self._coupled) if other.above == place]
        for block in range(len(power)):
            terms = {int(power[block]): -1.0}
            terms |= dict.fromkeys(map(int, used[block]), 1.0)
            terms |= {int(self._power[child, block]): 1.0 for child in children}
            if place in self._charge:
                into, out = self._charge[place]
                terms |= {int(into[block]): 1.0, int(out[block]): -1.0}
            self.program.equal.add(terms, -row.floor_w[block] / self._scale_w)
            held = {int(power[block]): 1.0, int(over[block]): -1.0}
            line = self.program.within.add(held, row.limit_w[block] / self._scale_w)
            if not block:
                self._limit_row[place] = line

    def _course(self, place: int, found: Solution) -> Course:
        power_w = found.x[self._power[place]] * self._scale_w
        charge_w = np.zeros_like(power_w)
        if place in self._charge:
            into, out = self._charge[place]
            charge_w = (found.x[into] - found.x[out]) * self._scale_w
        worth = found.price * self._top / self._blocks_s[0]
        ramp = worth[self._ramp_row[place]] if place in self._ramp_row else 0.0
        return Course(power_w, charge_w, float(worth[self._limit_row[place]]), float(ramp))
