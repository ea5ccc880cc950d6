"""A plan carried out: what falls is told first; what rises, once the falls that make room are confirmed.

Only what changes is told, and what would run out. Falls that a limit asks for are told at once, all of them;
of what moves power from one leaf to another, the largest. Nodes that do not answer are asked what they hold,
and told nothing until they do.

When nobody renews them, leases end one after the other. What is held lower than it falls to is lent for twice
the time: by then all that is held higher has come down, so the way to the fallbacks passes no limit that
neither the last plan nor the fallbacks pass.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.commands import Commands
from edgeagent_central.optimize.power.holdings import Holdings
from edgeagent_central.optimize.power.phases import falls, rises
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags, Indices
from edgeagent_central.optimize.power.wiring import Wiring
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Status
from edgeagent_sdk.names import Identity

#: Caps are told in such steps, which RAPL and its like can hold exactly.
_GRAIN_W: Final = 0.125

#: No clock stands still: one that reports 0 is not locked.
_CLOCK_MIN_HZ: Final = 1.0

#: A change that no limit asks for, and that is smaller than this share of a leaf's range, can wait.
_STIR: Final = 0.005

#: Of such changes no more are told in one turn than this share of the leaves, or so many.
_CHANGES: Final = 0.1
_CHANGES_MIN: Final = 100

#: A lease is renewed when so much of it is over.
_RENEW: Final = 1 / 3

#: In one turn no more than this times their even share are renewed, the oldest first.
_SPREAD: Final = 1.5

#: Nodes that do not answer are asked again after this.
_ASK_S: Final = 3.0

#: The falls have so much of what is left of a turn to be confirmed.
_WAIT: Final = 0.7


class Dispatch:
    """The actuators of one site.

    Args:
        lease_s: how long what is told holds, unless it is renewed.
    """

    def __init__(
        self, site: Site, wiring: Wiring, holdings: Holdings, commands: Commands, lease_s: float
    ) -> None:
        self._site, self._wiring, self._holdings = site, wiring, holdings
        self.commands = commands
        self._lease_s = lease_s
        self._slots = {Identity(site.name, name): slots for name, slots in holdings.of_node.items()}
        self._boots: dict[str, tuple[Status, str]] = {}
        self._asked_s = dict.fromkeys(holdings.of_node, -np.inf)
        #: How often a node that does not answer has been asked.
        self._asked: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._free = wiring.cap < 0  # not held by anybody: drawn whatever is planned
        holdings.lowest[wiring.cap[~self._free]] = site.min_w[~self._free]
        holdings.lowest[wiring.clock[wiring.clock >= 0]] = _CLOCK_MIN_HZ
        #: Of the last plan: the domains' own limits, or less by an order.
        self._limit_w = site.tree.limit_w

    # What is known.

    def follow(self, fleet: Fleet, at_s: float) -> None:
        """Take in what nodes have answered, who went, and who has been started anew and holds nothing."""
        self.commands.gather()
        for _ in self._holdings.lost(at_s):
            pass
        nodes = fleet.nodes()
        for identity, slots in self._slots.items():
            known, name = nodes.get(identity), identity.node
            if known is None or known.state is None:
                continue
            now, before = (known.state.status, known.state.boot), self._boots.get(name)
            if before and now[1] != before[1]:
                self._holdings.forget(slots)
            if now[0] is Status.OFFLINE:
                self._holdings.silence(slots)
            elif before and before[0] is Status.OFFLINE:
                self._asked_s[name] = -np.inf
            self._boots[name] = now

    def forget(self) -> None:
        """Nothing is remembered; all are asked."""
        self._holdings.forget()
        self._asked_s = dict.fromkeys(self._asked_s, -np.inf)
        self._asked.clear()

    def answers(self) -> Flags:
        """Which leaves obey; shape (n,)."""
        cap, clock, answers = self._wiring.cap, self._wiring.clock, self._holdings.answers
        both: Flags = (self._free | answers[cap]) & ((clock < 0) | answers[clock])
        return both

    def may_w(self) -> Array:
        """The most that each leaf may draw now; shape (n,)."""
        site, told_w = self._site, self._holdings.may[self._wiring.cap]
        held_w = np.where(self._free, site.max_w, np.nan_to_num(told_w, nan=np.inf))
        lent = self._free | (self._holdings.sure_s[self._wiring.cap] > time.monotonic() - self._lease_s)
        fallen_w = np.where(self.answers() & lent, held_w, np.maximum(held_w, site.fallback_w))
        may_w: Array = np.minimum(fallen_w, site.max_w)
        return may_w

    def charge_w(self) -> dict[int, float]:
        """What each battery may be charged with now; 0 where nobody has told it anything."""
        may = self._holdings.may
        return {d: float(np.nan_to_num(may[slot], nan=0.0)) for d, slot in self._wiring.charge.items()}

    def obeying(self) -> set[int]:
        """Domains whose battery does what it is told."""
        return {d for d, slot in self._wiring.charge.items() if self._holdings.answers[slot]}

    def stuck_w(self) -> Array:
        """The most that batteries which do not answer may take, also when their leases end; shape (d,)."""
        stuck_w = np.zeros(len(self._site.domains))
        for domain in self._wiring.charge.keys() - self.obeying():
            may_w = self._holdings.may[self._wiring.charge[domain]]
            most_w = self._site.storage[domain].power_max_w
            stuck_w[self._site.tree.ancestors(domain)] += np.clip(
                np.nan_to_num(may_w, nan=most_w), 0.0, most_w
            )
        return stuck_w

    def troubles(self) -> dict[str, str]:
        """Who does not obey, and why."""
        why = "does not answer; room is kept for the most that it may draw"
        asked = {name: why for name in self._holdings.silent() if self._asked[name] > 1}
        refused = {"/".join(self._holdings.slots[slot]): why for slot, why in self._holdings.refused.items()}
        return asked | refused

    # What is done.

    def carry_out(self, seen: Snapshot, plan: Plan, until_s: float) -> Mapping[str, int]:
        """Tell what the plan says; returns before `until_s` with how much was sent and confirmed."""
        self._limit_w = seen.limit_w
        if self.commands.permitted():
            self._ask_silent()
            fallen = self._fall(plan)
            now_s = time.monotonic()
            wait_until_s = now_s + _WAIT * max(0.0, until_s - now_s)
            while self._holdings.open_of(fallen) and (left_s := wait_until_s - time.monotonic()) > 0:
                self.commands.gather(left_s)
            if self.commands.permitted():
                obeyed = bool(self._holdings.answers[fallen].all())
                self._rise(seen, plan, settled=obeyed and not self._holdings.open_of(fallen))
        gone, self._counted = self.commands.counts - self._counted, self.commands.counts.copy()
        return {
            "sent": gone["sent"],
            "confirmed": gone["applied"] + gone["clamped"],
            "unsent": gone["unsent"],
        }

    def let_go(self) -> None:
        """Release what no limit needs held; the other leases run out, and the nodes go to their fallbacks."""
        if not self.commands.permitted():
            return
        tree, told = self._site.tree, np.isfinite(self._holdings.told)
        crowded = tree.at_or_above(tree.load_w(self._site.max_w) > self._limit_w)
        free = ~crowded[tree.domain]
        for places in (self._wiring.cap, self._wiring.clock):
            for slot in places[free & (places >= 0)].tolist():
                if told[slot]:
                    self.commands.release(slot)

    def _ask_silent(self) -> None:
        now_s = time.monotonic()
        silent = self._holdings.silent()
        due = [name for name in silent if now_s - self._asked_s[name] > _ASK_S]
        self._asked_s |= dict.fromkeys(due, now_s)
        self._asked = Counter({name: self._asked[name] for name in silent})
        self._asked.update(due)
        self.commands.ask(due)

    def _fall(self, plan: Plan) -> Indices:
        """Tell what falls, and what must be renewed; the slots of what falls."""
        may_w = self.may_w()
        held = self.answers() & ~self._free
        aim_w = self._grained(plan.cap_w)
        fall = held & falls(may_w, aim_w)
        must = fall & self._crowded(plan, may_w)
        fall = must | self._worth_it(fall & ~must, may_w - aim_w)
        renew = held & self._due(self._wiring.cap)
        # One that has confirmed nothing yet may hold less than it may draw: nothing rises here.
        wanted_w = np.fmin(np.where(fall, aim_w, may_w), self._holdings.may[self._wiring.cap])
        for leaf in np.flatnonzero(fall | renew).tolist():
            self._lend(leaf, float(wanted_w[leaf]))
        return np.concatenate([self._wiring.cap[fall], self._slow_down(plan, held), self._discharge(plan)])

    def _slow_down(self, plan: Plan, held: Flags) -> Indices:
        slots, may, aim_hz = self._clocks(plan)
        fall = held & (slots >= 0) & (aim_hz < (1 - _STIR) * may) & (plan.clock < 1)
        renew = held & (slots >= 0) & self._due(slots) & np.isfinite(self._holdings.told[slots])
        for leaf in np.flatnonzero(fall | renew).tolist():
            hz = float(aim_hz[leaf] if fall[leaf] else may[leaf])
            self.commands.cap(int(slots[leaf]), hz, outlasts=hz < self._wiring.clock_max_hz[leaf])
        return slots[fall]

    def _discharge(self, plan: Plan) -> Indices:
        """Batteries that are to take less, or give more."""
        fallen = []
        for domain, now_w in self.charge_w().items():
            slot, aim_w = self._wiring.charge[domain], plan.charge_w.get(domain, 0.0)
            if not self._holdings.answers[slot]:
                continue
            if aim_w < now_w - _GRAIN_W or self._due(np.array([slot]))[0]:
                self.commands.cap(slot, min(aim_w, now_w), outlasts=min(aim_w, now_w) < 0)
                fallen.append(slot)
        return np.array(fallen, np.intp)

    def _rise(self, seen: Snapshot, plan: Plan, *, settled: bool) -> None:
        """Tell what rises, as far as there is room now."""
        site, cap, clock = self._site, self._wiring.cap, self._wiring.clock
        may_w, open_ = self.may_w(), self._holdings.unsettled()
        confirmed = self.answers() & ~self._free & ~open_[cap] & ((clock < 0) | ~open_[clock])
        limit_w = plan.limit_w - self._late_batteries(plan)
        aim = plan._replace(cap_w=self._grained(plan.cap_w), limit_w=limit_w)
        raised_w = np.maximum(self._grained(rises(site, aim, may_w, confirmed)), may_w)
        rise = self._worth_it(confirmed, raised_w - may_w)
        for leaf in np.flatnonzero(rise).tolist():
            self._lend(leaf, float(raised_w[leaf]))
        if settled:
            self._speed_up(plan, confirmed)
            self._charge(seen, plan)

    def _speed_up(self, plan: Plan, confirmed: Flags) -> None:
        """Locks that rise, and those that the plan needs no more: they are given back."""
        slots, may, aim_hz = self._clocks(plan)
        locked = confirmed & (slots >= 0) & np.isfinite(self._holdings.told[slots])
        for slot in slots[locked & (plan.clock >= 1)].tolist():
            self.commands.release(slot)
        for leaf in np.flatnonzero(locked & (plan.clock < 1) & (aim_hz > (1 + _STIR) * may)).tolist():
            hz = float(aim_hz[leaf])
            self.commands.cap(int(slots[leaf]), hz, outlasts=hz < self._wiring.clock_max_hz[leaf])

    def _charge(self, seen: Snapshot, plan: Plan) -> None:
        """Charge, or discharge less, where what the leaves may draw leaves room."""
        flow_w = self._site.tree.load_w(self.may_w())
        now_w = self.charge_w()
        for domain, charge_w in now_w.items():
            flow_w[self._site.tree.ancestors(domain)] += charge_w
        for domain, charge_w in now_w.items():
            slot, above = self._wiring.charge[domain], self._site.tree.ancestors(domain)
            room_w = float((seen.limit_w - flow_w)[above].min())
            more_w = min(plan.charge_w.get(domain, 0.0) - charge_w, room_w)
            if more_w > _GRAIN_W and self._holdings.answers[slot]:
                self.commands.cap(slot, charge_w + more_w, outlasts=charge_w + more_w < 0)
                flow_w[above] += more_w

    def _late_batteries(self, plan: Plan) -> Array:
        """What the batteries take beyond the plan, for they have not obeyed yet; shape (d,)."""
        late_w, now_w = np.zeros(len(self._site.domains)), self.charge_w()
        for domain in self.obeying():  # what the others may take has been taken off the limits
            more_w = now_w[domain] - plan.charge_w.get(domain, 0.0)
            late_w[self._site.tree.ancestors(domain)] += max(0.0, more_w)
        return late_w

    def _clocks(self, plan: Plan) -> tuple[Indices, Array, Array]:
        """Slots, the most that each may be at, and what it shall be at; Hz."""
        slots, highest_hz = self._wiring.clock, self._wiring.clock_max_hz
        may_hz = np.fmin(self._holdings.may[slots], highest_hz)
        return slots, np.where(np.isnan(may_hz), highest_hz, may_hz), np.floor(plan.clock * highest_hz)

    def _lend(self, leaf: int, cap_w: float) -> None:
        slot = int(self._wiring.cap[leaf])
        self.commands.cap(slot, cap_w, outlasts=cap_w < self._site.fallback_w[leaf])

    def _due(self, slots: Indices) -> Flags:
        """Whose leases are to be renewed: those granted together are not all renewed together."""
        age_s = time.monotonic() - self._holdings.told_s[slots]
        due: Flags = age_s > _RENEW * self._lease_s
        most = int(np.ceil(_SPREAD * len(slots) / max(1.0, _RENEW * self._lease_s)))
        if np.count_nonzero(due) > most:
            due &= age_s >= np.partition(age_s, -most)[-most]
        return due

    def _grained(self, cap_w: Array) -> Array:
        """Caps that fall on the grain; never below what a leaf can be held to."""
        grained_w: Array = np.maximum(np.floor(cap_w / _GRAIN_W) * _GRAIN_W, self._site.min_w)
        return grained_w

    def _crowded(self, plan: Plan, may_w: Array) -> Flags:
        """Which leaves stand below a domain that carries more than it may, or could; shape (n,)."""
        tree = self._site.tree
        now_w, late_w = tree.load_w(may_w), tree.load_w(np.maximum(may_w - plan.cap_w, 0.0))
        carried_w = np.where(self._site.diverse, tree.load_w(plan.drawn_w) + late_w, now_w)
        crowded = tree.at_or_above(carried_w > plan.limit_w)
        of_leaf: Flags = crowded[tree.domain]
        return of_leaf

    def _worth_it(self, who: Flags, change_w: Array) -> Flags:
        """Of changes that no limit asks for, those that are not small; the largest, if they are many."""
        share = np.where(who, change_w / np.maximum(self._site.max_w - self._site.min_w, 1e-9), 0.0)
        worth: Flags = share > _STIR
        most = max(_CHANGES_MIN, int(_CHANGES * len(share)))
        if np.count_nonzero(worth) > most:
            worth &= share >= np.partition(share, -most)[-most]
        return worth
