"""What is known of one domain besides its power: its clocks, its heat, and how busy its work keeps it."""

from __future__ import annotations

from edgeagent.dvfs.heat import Heat
from edgeagent_sdk.governor import Domain

#: A mean clock this near to an operating point's was that point all the time.
_SAME = 0.01

#: Time constants, s: of how busy work keeps the domain, and of what else runs there, in the mean and at its
#: greatest.
_WORK_S, _BESIDES_S, _PEAK_S = 10.0, 3.0, 1.0


#: So many operating points are compared: GPUs offer more than a hundred, less than one percent apart.
_POINTS = 24


class DomainModel:
    """One domain.

    Attributes:
        opps_hz: the clocks that are compared; of very many, some.
        us, slowness: of each of them, f/f_max and f_max/f.
        busy_for_work: how busy it is while a session's unit is worked on.
        besides_hz: clock cycles per second that others than sessions keep all its cores busy with; needed_hz:
            the same at its greatest, lately.
    """

    def __init__(self, domain: Domain) -> None:
        highest_hz = domain.opps_hz[-1]
        self.name = domain.name
        self.limit_c = domain.limit_c
        self.opps_hz = _thinned(domain.opps_hz)
        self.us = [hz / highest_hz for hz in self.opps_hz]
        self.slowness = [highest_hz / hz for hz in self.opps_hz]
        self.heat = Heat()
        self.besides_hz = self.needed_hz = 0.0
        self._work2, self._busy_work = 1.0, 1.0 / domain.cores

    @property
    def busy_for_work(self) -> float:
        return self._busy_work / self._work2

    def point(self, clock_hz: float) -> int:
        """The operating point at a mean clock; -1 if it was a mixture of several."""
        for point, hz in enumerate(self.opps_hz):
            if abs(hz - clock_hz) <= _SAME * hz:
                return point
        return -1

    def allowed(self, ceiling_hz: float) -> int:
        """How many of its points a ceiling leaves, from below; one at least."""
        if ceiling_hz >= self.opps_hz[-1]:
            return len(self.opps_hz)
        return max(1, sum(hz <= ceiling_hz for hz in self.opps_hz))

    def learn_busy(self, busy: float, work_share: float, clock_hz: float, elapsed_s: float) -> None:
        """A tick is over.

        Args:
            busy: share of its cores' time.
            work_share: share of the tick in which units of sessions were worked on.
        """
        if work_share > 0.02:
            keep = max(0.0, 1.0 - elapsed_s / _WORK_S)
            self._work2 = keep * self._work2 + work_share * work_share
            self._busy_work = keep * self._busy_work + busy * work_share
        besides_hz = max(0.0, busy - self.busy_for_work * work_share) * clock_hz
        self.besides_hz += min(1.0, elapsed_s / _BESIDES_S) * (besides_hz - self.besides_hz)
        fallen_hz = self.needed_hz + min(1.0, elapsed_s / _PEAK_S) * (besides_hz - self.needed_hz)
        self.needed_hz = max(besides_hz, fallen_hz)


def _thinned(opps_hz: tuple[float, ...]) -> tuple[float, ...]:
    if len(opps_hz) <= _POINTS:
        return opps_hz
    step = (len(opps_hz) - 1) / (_POINTS - 1)
    return tuple(opps_hz[round(i * step)] for i in range(_POINTS))
