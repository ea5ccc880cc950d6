"""The board's power and heat while its clocks stand still, with the twin's formulas."""

from __future__ import annotations

from math import inf

import numpy as np

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.scenario import Activity
from edgeagent_hil.twin.chips import leakage_w
from edgeagent_hil.twin.fans import conductance_share, flow_m3_per_s, power_w, spun_share, wanted_share
from edgeagent_hil.twin.heat import Warmed, warm
from edgeagent_hil.twin.kinds import CASE
from edgeagent_hil.twin.losses import loss_w
from edgeagent_hil.twin.units import Array

_ONE, _ZERO, _CONTROLLED = np.ones(1), np.zeros(1), np.full(1, np.nan)

#: A step so long that an implicit one ends in the steady state.
_FOREVER_S = 1e9

#: Rounds until leakage, fans and temperatures agree with each other; fans go a fifth of the way in each,
#: so that they do not swing from one end to the other.
_ROUNDS, _FAN_SHARE = 200, 0.25

#: Settled is what moves less than this, all temperatures together.
_SETTLED_K = 1e-7

#: All temperatures together are never so high; where leakage outgrows what the cooling takes, they would be.
_RUNAWAY_C = 5000.0
_MELTED_C = 500.0


class Plant:
    """One board; it starts settled: it has done the same for hours, by default nothing at its lowest clocks.

    Power is exact between two changes of anything; temperatures move in steps of at most 0.1 s, with the mean
    power since the last one.

    Attributes:
        junction_c: of each part.
        case_c: of the case.
        off: whether it has switched itself off for its heat.
    """

    def __init__(
        self, board: Board, ambient_c: float, fouling: float = 0.0, before: Activity | None = None
    ) -> None:
        self._board, self._twin = board, board.plant
        self._parts = board.parts
        self._loss = self._twin.supplies.loss[:, 0]
        self._rated_w = float(self._twin.supplies.rated_w[0])
        self._board_w = float(self._twin.board_w[0])
        self._sink_c = np.full((len(self._parts), 1), ambient_c)
        self._case_c = np.full(1, ambient_c)
        self._fan_share = self._twin.fans.share_min
        self._fan_w = 0.0
        self._chips_j = [0.0] * len(self._parts)
        self._other_j = self._since_s = 0.0
        self.off = False
        self._see(np.zeros_like(self._sink_c))
        idle = (0,) * len(self._parts)
        self.settle(before or Activity(idle, idle, idle), ambient_c, fouling)

    def draw(self, activity: Activity, dt_s: float) -> tuple[float, list[float]]:
        """Run for `dt_s`; mean power at the meter and of each part, W."""
        points, awake, active = activity
        chips_w = [
            part.idle_w
            + part.awake_w * awake[i]
            + part.core_w[points[i]] * active[i]
            + part.leak_share[points[i]] * self._leak_w[i]
            for i, part in enumerate(self._parts)
        ]
        dc_w = sum(chips_w) + self._board_w + self._fan_w
        lost_w = float(loss_w(dc_w, self._rated_w, self._loss))
        for i, part_w in enumerate(chips_w):
            self._chips_j[i] += part_w * dt_s
        self._other_j += (self._board_w + self._fan_w + lost_w) * dt_s
        self._since_s += dt_s
        return dc_w + lost_w if self._board.ac else dc_w, chips_w

    def warm(self, ambient_c: float, fouling: float, fan_s: float | None = None) -> None:
        """Move the temperatures on by the time since the last call.

        Args:
            fan_s: how much time the fans have to follow, if not as much.
        """
        dt_s, twin, fans = self._since_s, self._twin, self._twin.fans
        chip_w = np.array(self._chips_j)[:, None] / dt_s
        wanted = wanted_share(fans, self._junctions.max(axis=0), _CONTROLLED)
        self._fan_share = spun_share(fans, self._fan_share, wanted, _ONE, dt_s if fan_s is None else fan_s)
        warmed: Warmed = warm(
            twin.heat,
            self._sink_c,
            self._case_c,
            chip_w=chip_w,
            other_w=np.full(1, self._other_j / dt_s),
            air_share=conductance_share(fans, self._fan_share, _ZERO),
            plate_share=_ONE,
            clean_share=np.full(1, 1 / (1 + fouling)),
            flow_m3_per_s=flow_m3_per_s(fans, self._fan_share, _ZERO),
            inlet_c=np.full(1, ambient_c),
            coolant_c=np.full(1, ambient_c),
            dt_s=dt_s,
        )
        self._sink_c, self._case_c = warmed.sink_c, warmed.case_c
        self._see(chip_w)
        self._chips_j = [0.0] * len(self._parts)
        self._other_j = self._since_s = 0.0

    def over_k(self) -> float:
        """By how much the temperature nearest to its limit is above it, K; negative if none is."""
        case_k = self.case_c - self._board.machine.limits_c.get(CASE, inf)
        return max(case_k, *(c - part.limit_c for c, part in zip(self.junction_c, self._parts, strict=True)))

    def settle(self, activity: Activity, ambient_c: float, fouling: float = 0.0) -> float:
        """Go to the steady state of running like this for ever; the power at the meter there, W."""
        metered_w, settled_c, fan_s = 0.0, 0.0, _FAN_SHARE * float(self._twin.fans.lag_s[0])
        for _ in range(_ROUNDS):
            metered_w, _ = self.draw(activity, _FOREVER_S)
            self.warm(ambient_c, fouling, fan_s)
            before_c, settled_c = settled_c, self.case_c + sum(self.junction_c)
            if abs(settled_c - before_c) < _SETTLED_K or settled_c > _RUNAWAY_C:
                break
        self.off = any(c >= part.shutdown_c for c, part in zip(self.junction_c, self._parts, strict=True))
        return metered_w

    def _see(self, chip_w: Array) -> None:
        """What follows from the new temperatures."""
        chips, fans = self._twin.chips, self._twin.fans
        self._junctions = self._sink_c + chips.junction_k_per_w * chip_w
        self._leak_w = leakage_w(chips, np.minimum(self._junctions, _MELTED_C))[:, 0].tolist()
        self._fan_w = float(power_w(fans, self._fan_share, _ZERO, _ONE)[0])
        self.junction_c: list[float] = self._junctions[:, 0].tolist()
        self.case_c = float(self._case_c[0])
        self.off |= any(c >= part.shutdown_c for c, part in zip(self.junction_c, self._parts, strict=True))
