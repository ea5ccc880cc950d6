"""What is seen of a site each second: draws, clocks, batteries, meters, breakers; what can be believed of it.

Meters of domains see what no leaf tells: loads that stand in no file, losses of supplies. The median of what
they read beyond the leaves and batteries below is taken off what these may draw. So is what a leaf draws
beyond the cap that it says it holds, seconds after it was told.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.feed import Asking, Feed, Latest
from edgeagent_central.optimize.power.breakers import Bimetals
from edgeagent_central.optimize.power.channels import rows_of
from edgeagent_central.optimize.power.readings import Readings
from edgeagent_central.optimize.power.topology.load import Topology
from edgeagent_central.optimize.power.tree import Array, Flags
from edgeagent_sdk.errors import EdgeError

_LOG = logging.getLogger("edgeagent")

#: What the feed is asked for.
QUANTITIES: Final = ("power", "frequency", "energy", "soc")

#: A turn waits no longer for an answer; one that comes later is taken in the next, as old as it is.
_WAIT_S: Final = 0.2

#: Without a meter the site's draw is the leaves' sum, if at least this share of them is fresh.
_MOSTLY: Final = 0.9

#: A leaf that has drawn beyond its cap for so many seconds does not hold it; from this share of its range on
#: that is told.
_DEFIANT_S: Final = 8
_DEFIANT: Final = 0.05

#: So many seconds of comparing a meter with the leaves below it count.
_HIDDEN_S: Final = 30


class Sight(NamedTuple):
    """One moment.

    Attributes:
        power_w: shape (n,), the last draw that was believed; NaN where there was none.
        fresh: shape (n,).
        clock: shape (n,), share of the highest clock; NaN where it does not tell.
        total_w: what the site draws, by its meter if it has one; NaN while too little is known.
        hidden_w: shape (d,), what is drawn in each domain beside its leaves, and by them beyond their caps.
        heat: shape (b,), θ of the breakers.
        stored_j: energy in the batteries that tell, by domain.
    """

    power_w: Array
    fresh: Flags
    clock: Array
    total_w: float
    hidden_w: Array
    heat: Array
    stored_j: dict[int, float]


class Watch:
    """Follows one site.

    Args:
        stale_s: a reading older than this is not acted upon.

    Attributes:
        trouble: why the feed gives nothing; empty if it does.
    """

    def __init__(self, topology: Topology, feed: Feed, stale_s: float) -> None:
        self._site, self._asking = topology.site, Asking(feed)
        self._rows = rows_of(topology)
        self._readings = Readings(topology.site.name, self._rows.wanted, stale_s)
        self._bimetals = Bimetals(topology.site.breakers)
        self._heat: Array | None = None
        self._beyond: dict[int, deque[float]] = {}
        self._excess: deque[Array] = deque(maxlen=_DEFIANT_S)
        self._answered: tuple[int, float] | None = None
        self._before_s = 0.0
        self.trouble = "nothing has been asked yet"

    def look(self, at_s: float, bound_w: Array, charge_w: Mapping[int, float]) -> Sight:
        """What is seen at `at_s` of the monotonic clock.

        Args:
            bound_w: shape (n,), the most that each leaf may draw; taken for what tells nothing.
            charge_w: what batteries are charged with (negative: discharged), by domain.
        """
        latest = self._ask(at_s)
        answered_ns, answered_s = self._answered or (0, at_s)
        self._readings.take(latest, answered_ns + int((at_s - answered_s) * 1e9))
        rows, value, fresh = self._rows, self._readings.value, self._readings.fresh
        power_w = np.where(rows.known, value[rows.power], self._site.max_w).clip(0.0)
        power_w = np.where(np.isnan(power_w), bound_w, power_w)
        power_fresh = np.where(rows.known, fresh[rows.power], True)
        clock = np.where(rows.clocked & fresh[rows.clock], value[rows.clock] / rows.clock_max_hz, np.nan)
        meters_w = {d: float(value[place]) for d, place in rows.meter.items() if fresh[place]}
        self._compare(meters_w, self._flow_w(power_w, charge_w), power_fresh)
        flow_w = self._flow_w(np.where(power_fresh, power_w, bound_w), charge_w)
        flow_w[list(meters_w)] = list(meters_w.values())
        heat = self._warmed(flow_w, at_s)
        self._excess.append(np.where(power_fresh, np.maximum(power_w - bound_w, 0.0), 0.0))
        hidden_w = self._hidden_w() + self._site.tree.load_w(self._defiant_w())
        stored_j = {
            domain: float(value[place]) * scale for domain, place, scale in rows.stored if fresh[place]
        }
        total_w = meters_w.get(0, float(power_w.sum()) if power_fresh.mean() >= _MOSTLY else np.nan)
        return Sight(power_w, power_fresh, clock, total_w, hidden_w, heat, stored_j)

    def troubles(self) -> dict[str, str]:
        """What cannot be believed, and why."""
        if self.trouble:
            return {"the feed": self.trouble}
        much = self._defiant_w() > _DEFIANT * (self._site.max_w - self._site.min_w)
        why = "draws more than the cap that it says it holds; what is beyond is taken off the limits above it"
        return self._readings.troubles() | {self._site.leaves[leaf]: why for leaf in np.flatnonzero(much)}

    def _ask(self, at_s: float) -> Latest | None:
        try:
            answer = self._asking.newest(_WAIT_S)
        except EdgeError as error:
            self.trouble = str(error)
            return None
        if answer is None:
            return None
        self.trouble = ""
        self._answered = answer.latest.now_ns, at_s - (time.monotonic() - answer.at_s)
        return answer.latest

    def _compare(self, meters_w: dict[int, float], flow_w: Array, fresh: Flags) -> None:
        """What meters read beyond what flows to leaves and batteries below, while all leaves are known."""
        tree = self._site.tree
        for domain, metered_w in meters_w.items():
            if fresh[tree.first[domain] : tree.end[domain]].all():
                beyond = self._beyond.setdefault(domain, deque(maxlen=_HIDDEN_S))
                beyond.append(metered_w - float(flow_w[domain]))

    def _defiant_w(self) -> Array:
        """What each leaf draws beyond its cap, second after second; shape (n,)."""
        if len(self._excess) < _DEFIANT_S:
            return np.zeros(len(self._site.leaves))
        return np.asarray(np.minimum.reduce(list(self._excess)), float)

    def _hidden_w(self) -> Array:
        """Of a domain without a meter, what those below it hide."""
        hidden_w = np.zeros(len(self._site.domains))
        for domain in range(len(hidden_w) - 1, -1, -1):
            if beyond := self._beyond.get(domain):
                hidden_w[domain] = max(0.0, float(np.median(beyond)))
            if domain:
                hidden_w[self._site.tree.parent[domain]] += hidden_w[domain]
        return hidden_w

    def _flow_w(self, leaf_w: Array, charge_w: Mapping[int, float]) -> Array:
        """Into each domain; shape (d,)."""
        flow_w = self._site.tree.load_w(leaf_w)
        for domain, into_w in charge_w.items():
            flow_w[self._site.tree.ancestors(domain)] += into_w
        return flow_w

    def _warmed(self, flow_w: Array, at_s: float) -> Array:
        if self._heat is None:  # a breaker is as warm as it gets at what it carries when it is first seen
            self._heat = self._bimetals.warmed(np.zeros(len(self._site.breakers)), flow_w, np.inf)
        self._heat = self._bimetals.warmed(self._heat, flow_w, at_s - self._before_s)
        self._before_s = at_s
        return self._heat
