"""Linux's thermal governor ``power_allocator``, known as IPA (drivers/thermal/gov_power_allocator.c).

A PID controller turns the distance to a control temperature into a power budget, which is split among the
domains by what they ask for (Documentation/driver-api/thermal/power_allocator.rst). It is told what each
operating point draws with all cores busy, as Linux is by its energy model, and how much heat the machine
can get rid of.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from edgeagent_sdk.governor import Machine, Observation

#: How far below the limit the control temperature stands, and the one from which on anything is limited.
#: Rockchip's kernel has them 15 K apart.
CONTROL_K, SWITCH_ON_K = 5.0, 20.0


class EnergyModel(NamedTuple):
    """What IPA is told.

    Args:
        power_w: of each domain and operating point, with all cores busy.
        sustainable_w: what all domains together may draw for ever at the control temperature.
    """

    power_w: Sequence[Sequence[float]]
    sustainable_w: float


class PowerAllocator:
    """The budget, and its split.

    One thermal zone for the machine: its temperature is the one that is nearest to its own limit.

    Args:
        control_k, switch_on_k: how far below the limit the two temperatures stand.
        integral_cutoff_k: errors below it are summed up.
        period_s: passive polling.
    """

    name = "power_allocator"

    def __init__(
        self,
        machine: Machine,
        model: EnergyModel,
        *,
        control_k: float = CONTROL_K,
        switch_on_k: float = SWITCH_ON_K,
        integral_cutoff_k: float = 0.0,
        period_s: float = 0.1,
    ) -> None:
        self.period_s = period_s
        self._machine, self._model = machine, model
        self._control_k, self._switch_on_k = control_k, switch_on_k
        self._cutoff_k = integral_cutoff_k
        # The kernel's own estimates of the controller's constants, W/K; the derivative's is 0.
        self._k_po = model.sustainable_w / (switch_on_k - control_k)
        self._k_pu = 2 * self._k_po
        self._k_i = self._k_pu / 10
        self._integral_k = 0.0

    def ceilings_hz(self, seen: Observation, busy: Sequence[float]) -> Sequence[float]:
        """None below the switch-on temperature; without any temperature, none."""
        room_k = self._room_k(seen)
        if room_k > self._switch_on_k:
            self._integral_k = 0.0
            return [inf] * len(busy)
        asked_w = [
            power_w[self._place(domain, state.clock_hz)] * share
            for domain, (state, share, power_w) in enumerate(
                zip(seen.domains, busy, self._model.power_w, strict=True)
            )
        ]
        most_w = [power_w[-1] for power_w in self._model.power_w]
        granted_w = split(asked_w, most_w, self._budget_w(room_k - self._control_k, sum(most_w)))
        return [
            self._bearable_hz(domain, grant_w, share)
            for domain, (grant_w, share) in enumerate(zip(granted_w, busy, strict=True))
        ]

    def _room_k(self, seen: Observation) -> float:
        """How far the temperature that is nearest to its limit is from it; infinite if none is known."""
        own = (
            domain.limit_c - state.temperature_c
            for domain, state in zip(self._machine.domains, seen.domains, strict=True)
            if state.temperature_c is not None
        )
        shared = (
            limit_c - seen.temperatures_c[name]
            for name, limit_c in self._machine.limits_c.items()
            if name in seen.temperatures_c
        )
        return min((*own, *shared), default=inf)

    def _budget_w(self, error_k: float, most_w: float) -> float:
        """The controller's output for one period, between 0 and `most_w`."""
        proportional_w = (self._k_po if error_k < 0 else self._k_pu) * error_k
        integral_w = self._k_i * self._integral_k
        if error_k < self._cutoff_k and abs(integral_w + self._k_i * error_k) < most_w:
            self._integral_k += error_k
            integral_w += self._k_i * error_k
        return min(max(self._model.sustainable_w + proportional_w + integral_w, 0.0), most_w)

    def _place(self, domain: int, clock_hz: float) -> int:
        """The lowest point that is not below a clock."""
        opps_hz = self._machine.domains[domain].opps_hz
        return next((place for place, hz in enumerate(opps_hz) if hz >= clock_hz * 0.999), len(opps_hz) - 1)

    def _bearable_hz(self, domain: int, grant_w: float, share: float) -> float:
        """The highest point that draws no more than `grant_w` at the load of now; else the lowest."""
        opps_hz = self._machine.domains[domain].opps_hz
        full_w = grant_w / max(share, 0.01)  # the kernel counts load in percent, and no load as one
        fitting = [
            hz for hz, power_w in zip(opps_hz, self._model.power_w[domain], strict=True) if power_w <= full_w
        ]
        return fitting[-1] if fitting else opps_hz[0]


def split(asked_w: Sequence[float], most_w: Sequence[float], budget_w: float) -> list[float]:
    """Each actor's share of a budget: as it asks; what it cannot use goes to others as they have room."""
    total_w = sum(asked_w)
    granted_w = [budget_w * ask_w / total_w if total_w else 0.0 for ask_w in asked_w]
    extra_w = sum(max(grant_w - limit_w, 0.0) for grant_w, limit_w in zip(granted_w, most_w, strict=True))
    granted_w = [min(grant_w, limit_w) for grant_w, limit_w in zip(granted_w, most_w, strict=True)]
    room_w = [limit_w - grant_w for grant_w, limit_w in zip(granted_w, most_w, strict=True)]
    share = min(extra_w / sum(room_w), 1.0) if sum(room_w) else 0.0
    return [grant_w + free_w * share for grant_w, free_w in zip(granted_w, room_w, strict=True)]
