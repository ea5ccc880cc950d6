"""The live site for the frame: what is seen, what may be sent, how it is carried out, and why."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from edgeagent_central.optimize.power.book import Book
from edgeagent_central.optimize.power.checker import Checker
from edgeagent_central.optimize.power.dispatch import Dispatch
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.told import Told
from edgeagent_central.optimize.power.tree import Array
from edgeagent_central.optimize.power.watch import Watch
from edgeagent_sdk.fleet import Fleet

#: How far ahead the optimizer is told of limits that come.
_AHEAD_S: Final = tuple(float(s) for s in (1, 2, 3, 5, 8, 12, 18, 25, 30))

#: So many binding domains stand in the log.
_BINDING: Final = 5


class Live:
    """A site in the field.

    Attributes:
        told: what is wrong with readings and nodes.
        total_w: what the site draws.
    """

    def __init__(self, site: Site, watch: Watch, dispatch: Dispatch, book: Book, fleet: Fleet) -> None:
        self.site, self.told, self.total_w = site, Told(), float("nan")
        self.watch, self.dispatch = watch, dispatch
        self._book, self._fleet = book, fleet
        self._checker = Checker(site)

    def look(self) -> Snapshot:
        """What is known now."""
        at_s, now_s = time.monotonic(), time.time()
        self.dispatch.follow(self._fleet, at_s)
        may_w, answers = self.dispatch.may_w(), self.dispatch.answers()
        charge_w = self.dispatch.charge_w()
        sight = self.watch.look(at_s, may_w, charge_w)
        self.total_w = sight.total_w
        if np.isfinite(sight.total_w):
            self._book.measure(now_s, sight.total_w)
        beside_w = sight.hidden_w + self.dispatch.stuck_w()
        own_w = self.site.tree.limit_w - beside_w
        obeying = self.dispatch.obeying()
        now_w, *later_w = self._book.limits_w(now_s, (0.0, *_AHEAD_S))
        silent = self.dispatch.troubles() if self.dispatch.commands.leads else {}
        self.told.update(self.watch.troubles() | silent)
        seen = Snapshot(
            time_s=at_s,
            power_w=sight.power_w,
            fresh=sight.fresh,
            answers=answers,
            cap_w=may_w,
            bound_w=may_w,
            clock=sight.clock,
            limit_w=self._ordered_w(own_w, now_w, beside_w),
            coming_w=tuple(
                (in_s, self._ordered_w(own_w, root_w, beside_w))
                for in_s, root_w in zip(_AHEAD_S, later_w, strict=True)
                if root_w != now_w
            ),
            heat=sight.heat,
            stored_j={d: stored_j for d, stored_j in sight.stored_j.items() if d in obeying},
            charge_w=charge_w,
        )
        self._checker.observe(seen)
        return seen

    def taken_over(self) -> None:
        """All are asked what they hold."""
        self.dispatch.forget()

    def check(self, seen: Snapshot, plan: Plan) -> str:
        """Why a plan must not be sent, by code that shares nothing with what made it."""
        breaches = self._checker.check(seen, plan, seen.limit_w)
        return "; ".join(map(str, breaches[:3])) + (f" and {len(breaches) - 3} more" if breaches[3:] else "")

    def carry_out(self, seen: Snapshot, plan: Plan, until_s: float) -> Mapping[str, Any]:
        """Send what changes; how much was sent and confirmed."""
        return self.dispatch.carry_out(seen, plan, until_s)

    def explain(self, seen: Snapshot, plan: Plan) -> dict[str, Any]:
        """What was decided and why."""
        site = self.site
        load_w = site.tree.load_w(np.where(seen.answers, seen.power_w, seen.bound_w))
        cap_w = site.tree.load_w(plan.cap_w)
        binding = [d for d in np.argsort(-plan.price)[:_BINDING].tolist() if plan.price[d] > 0]
        return {
            "how": plan.how,
            "why": plan.why,
            "total_w": round(self.total_w, 1),
            "limit_w": _number(seen.limit_w[0]),
            "capped_w": round(float(cap_w[0]), 1),
            "silent": int(np.count_nonzero(~seen.answers)),
            "stale": int(np.count_nonzero(~seen.fresh)),
            "binding": [
                {
                    "domain": site.domains[d],
                    "price_per_w": float(plan.price[d]),
                    "limit_w": _number(plan.limit_w[d]),
                    "load_w": round(float(load_w[d]), 1),
                }
                for d in binding
            ],
            "charge_w": {site.domains[d]: round(w, 1) for d, w in plan.charge_w.items()},
        }

    def plan(self, seen: Snapshot, plan: Plan) -> dict[str, Any]:
        """The whole plan, a row for each domain and each leaf."""
        site = self.site
        load_w, cap_w = site.tree.load_w(seen.power_w), site.tree.load_w(plan.cap_w)
        domains = [
            {
                "domain": name,
                "load_w": float(load_w[d]),
                "capped_w": float(cap_w[d]),
                "may_carry_w": _number(plan.limit_w[d]),
                "price_per_w": float(plan.price[d]),
            }
            for d, name in enumerate(site.domains)
        ]
        leaves = [
            {
                "leaf": name,
                "power_w": float(seen.power_w[i]),
                "cap_w": float(plan.cap_w[i]),
                "holds_w": float(seen.cap_w[i]),
                "clock": float(plan.clock[i]),
                "fresh": bool(seen.fresh[i]),
                "answers": bool(seen.answers[i]),
            }
            for i, name in enumerate(site.leaves)
        ]
        return {"how": plan.how, "why": plan.why, "domains": domains, "leaves": leaves}

    def _ordered_w(self, own_w: Array, root_w: float, beside_w: Array) -> Array:
        """The domains' own limits, the root's as low as the orders say."""
        limit_w = own_w.copy()
        limit_w[0] = min(limit_w[0], root_w - beside_w[0])
        return limit_w


def _number(value: float) -> float | None:
    return round(float(value), 1) if np.isfinite(value) else None
