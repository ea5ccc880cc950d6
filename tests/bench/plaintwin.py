"""The twin's servers in plain Python, one object each: the same physics, for a peer and for a second opinion.

Only what `edgeagent_hil.twin.servers` does at full clock: no limits, no liquid cooling.
"""

from __future__ import annotations

import math

from edgeagent_hil.twin.kinds import Kind
from edgeagent_hil.twin.losses import loss_coefficients
from edgeagent_hil.twin.units import AIR_J_PER_M3_K


class PlainServer:
    """One air-cooled server."""

    def __init__(self, kind: Kind, ambient_c: float) -> None:
        assert kind.fans is not None
        self._kind, self._fans, self._parts = kind, kind.fans, kind.components
        self._loss = [float(k) for k in loss_coefficients(kind.supply.efficiency)]
        self._sink_c = [ambient_c] * len(self._parts)
        self.junction_c = [ambient_c] * len(self._parts)
        self._case_c = ambient_c
        self._share = self._fans.share_min

    def step(self, demand: float, inlet_c: float, dt_s: float) -> float:
        """One step; the power at the supply's input, W."""
        fans, parts = self._fans, self._parts
        powers_w = [self._power_w(i, demand) for i in range(len(parts))]
        heat = (max(self.junction_c) - fans.low_c) / (fans.high_c - fans.low_c)
        wanted = fans.share_min + (1 - fans.share_min) * min(max(heat, 0.0), 1.0)
        self._share = wanted + (self._share - wanted) * fans.lag_s / (fans.lag_s + dt_s)
        fan_w = fans.power_max_w * self._share**3
        dc_w = sum(powers_w) + self._kind.board_w + fan_w
        k0, k1, k2 = self._loss
        rated_w = self._kind.supply.rated_w
        lost_w = k0 * rated_w + dc_w * (k1 + k2 * dc_w / rated_w)
        self._warm(powers_w, self._kind.board_w + fan_w + lost_w, inlet_c, dt_s)
        return dc_w + lost_w

    def _power_w(self, i: int, demand: float) -> float:
        part = self._parts[i]
        clock_hz, volt_v = part.points_hz_v[-1]
        busy = min(demand, 1.0)
        leakage_w = part.leakage_w * math.exp((self.junction_c[i] - part.leakage_at_c) / part.leakage_efold_k)
        switching_w = busy * part.cores * part.capacitance_f * clock_hz * volt_v**2
        return switching_w + leakage_w + part.awake_w * min(busy * part.cores, 1.0) + part.idle_w

    def _warm(self, powers_w: list[float], other_w: float, inlet_c: float, dt_s: float) -> None:
        kind, fans = self._kind, self._fans
        blown = max(math.sqrt(self._share), fans.still_share)
        case_inertia = kind.case_heat_capacity_j_per_k / dt_s
        out_w_per_k = kind.passive_w_per_k + AIR_J_PER_M3_K * fans.flow_max_m3_per_s * self._share
        above = case_inertia * self._case_c + other_w + out_w_per_k * inlet_c
        below = case_inertia + out_w_per_k
        links = []
        for part, sink_c, power_w in zip(self._parts, self._sink_c, powers_w, strict=True):
            inertia, link = part.heat_capacity_j_per_k / dt_s, part.conductance_w_per_k * blown
            given_w, weight = inertia * sink_c + power_w, link / (inertia + link)
            above += weight * given_w
            below += weight * inertia
            links.append((inertia, link, given_w))
        self._case_c = above / below
        for i, (inertia, link, given_w) in enumerate(links):
            self._sink_c[i] = (given_w + link * self._case_c) / (inertia + link)
            self.junction_c[i] = self._sink_c[i] + self._parts[i].junction_k_per_w * powers_w[i]
