"""What is wished of one actuator by those who steer it again and again, and what has come of it.

Every wish is an upper bound: of a clock, a power, a share of time. All hold together, so the lowest is
what is set, and no rank can lift what a higher one has lowered. Pure: time is given to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from edgeagent.leases import Key
from edgeagent.readback import Held
from edgeagent_sdk.driver import Driven
from edgeagent_sdk.errors import DriverError

#: A driven actuator is read back, and held again where the device forgets, this often at least.
_REFRESH_S = 1.0

#: An order that is not back by then hangs in the device's driver.
_HANGS_S = 2.0

#: The first pause after a refusal; each further one is twice as long.
_RETRY_S = 1.0

Result = Held | DriverError
Then = Callable[[Result], None]


class Rank(NamedTuple):
    """Who steers.

    Args:
        level: a higher one is not moved by a lower one's policy.
        who: in a word or two, for people.
        lapse_s: a wish that is not renewed for so long is over: whoever had it hangs.
        retry_max_s: the longest pause before what was refused is tried again.
        device: which of several of this rank it is; each bounds the others.
    """

    level: int
    who: str
    lapse_s: float
    retry_max_s: float
    device: str = ""


#: The guard's wishes never lapse: a machine whose guard hangs stays as cool as it was made.
GOVERNOR = Rank(1, "the governor", 5.0, 60.0)
LEASE = Rank(2, "a lease", inf, 1.0)
GUARD = Rank(3, "the guard", inf, 1.0)


class Wish(NamedTuple):
    """An upper bound; `insist` sets it over another process's value, which else stays."""

    value: float
    insist: bool
    until_ns: float


@dataclass
class Order:
    """One order to the device.

    Args:
        value: what it is to hold; less, once it is carried out, where it was found at less.
        known: what it may be found at by our own doing; empty if nothing is known.
        urgent: it waits for no disk.
        met: what it was found at instead; None if it was as known.
        original: what it is given back in the end.
        tried: it came so far that something had to be set.
    """

    value: float
    known: tuple[float, ...]
    insist: bool
    urgent: bool = False
    met: Held | None = None
    original: float = inf
    tried: bool = False


class Driving:
    """The wishes for one actuator. Changed by the control's thread alone; `state` is for any.

    Attributes:
        begun: orders have gone out, so that something may have to be given back.
        busy: an order is with the device.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.begun = self.busy = False
        #: Replaced whole, never changed: other threads look at it.
        self._wishes: dict[Rank, Wish] = {}
        self._known: tuple[float, ...] = ()
        self._sent: float | None = None
        self._again_ns: float = 0.0
        self._back_ns = 0.0
        self._pause_s = _RETRY_S
        self._seen = Driven()
        #: A change has failed, and none has been made since: that nothing has to be set proves nothing.
        self._refused = False
        self._waiting: list[Then] = []

    def state(self, rank: Rank) -> Driven:
        """What `rank` is to know of it."""
        wishes = self._wishes.items()
        above = {other: wish.value for other, wish in wishes if other.level >= rank.level and other != rank}
        whose = min(above, key=lambda other: (above[other], -other.level), default=None)
        if whose is None:
            return self._seen._replace(ceiling=inf, whose="")
        who = whose.who if whose.level > rank.level else whose.device
        return self._seen._replace(ceiling=above[whose], whose=who)

    @property
    def ranks(self) -> list[Rank]:
        """Who wishes something."""
        return list(self._wishes)

    @property
    def driven(self) -> bool:
        """Whether anybody steers it, besides who has lent it a value."""
        return any(rank is not LEASE for rank in self._wishes)

    @property
    def urgent(self) -> bool:
        """Whether it waits for no disk: the guard wants it."""
        return GUARD in self._wishes

    @property
    def wanted(self) -> float:
        """What it is to hold; infinite if nobody wishes anything."""
        return min((wish.value for wish in self._wishes.values()), default=inf)

    @property
    def decider(self) -> str:
        """Who has decided that."""
        ranks = [rank for rank, wish in self._wishes.items() if wish.value == self.wanted]
        return max(ranks, key=lambda rank: rank.level).who if ranks else ""

    def wish(self, rank: Rank, value: float, now_ns: int, *, insist: bool = True) -> None:
        """Have it at `value` at most, from now on."""
        self._wishes = {**self._wishes, rank: Wish(value, insist, now_ns + rank.lapse_s * 1e9)}

    def withdraw(self, *ranks: Rank) -> None:
        """These wish nothing any more."""
        if any(rank in self._wishes for rank in ranks):
            self._wishes = {rank: wish for rank, wish in self._wishes.items() if rank not in ranks}

    def lapse(self, now_ns: int) -> None:
        """Drop the wishes that nobody has renewed."""
        self.withdraw(*(rank for rank, wish in self._wishes.items() if wish.until_ns <= now_ns))

    def take_over(self, then: Then) -> None:
        """Another hand of ours has held it until now; `then` learns what it is at when it is driven on."""
        self.forget()
        self._waiting.append(then)

    @property
    def due_ns(self) -> float:
        """When the next order is to go out; infinite while none may."""
        if not self.driven or self.busy:
            return inf
        left_to_another = self._seen.found is not None and not self._insist
        moved = self.wanted != self._sent and not self._seen.fault and not left_to_another
        return 0.0 if moved or self._waiting else inf if left_to_another else self._again_ns

    @property
    def late_ns(self) -> float:
        """When the order that is with the device will have taken too long; infinite if there is none."""
        return self._back_ns if self.busy and not self._seen.fault else inf

    @property
    def until_ns(self) -> float:
        """When the next wish lapses."""
        return min((wish.until_ns for wish in self._wishes.values()), default=inf)

    def order(self, now_ns: int) -> Order:
        """The next order, on its way to the device."""
        self.begun = self.busy = True
        self._sent = self.wanted
        self._again_ns = now_ns + _REFRESH_S * 1e9
        self._back_ns = now_ns + _HANGS_S * 1e9
        return Order(self._sent, self._known, self._insist, urgent=self.urgent)

    def done(self, order: Order, result: Result, now_ns: int) -> str:
        """What has come of an order: why it cannot be carried out, ``again`` if it can; empty if no news."""
        self.busy = False
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(result)
        before = self._seen.fault or self._refused
        if isinstance(result, DriverError):
            self._failed(str(result), now_ns)
            self._refused = self._refused or order.tried
            return "" if before else str(result)
        self._refused = self._refused and not order.tried
        self._pause_s = _RETRY_S
        met = self._seen.met + (order.met is not None)
        found = order.met.value if order.met else None if order.insist else self._seen.found
        original = min(order.original, self._seen.original)
        self._seen = Driven(result.value, original=original, found=found, met=met)
        if order.met is None or order.insist:
            self._known = (result.value, order.value)
        return "again" if before and not self._refused else ""

    def hangs(self, why: str) -> None:
        """The order that is with the device does not come back."""
        self._seen = self._seen._replace(fault=why)

    def saw(self, result: Result) -> None:
        """What it was found at by a lease, which keeps it at what is wanted."""
        if isinstance(result, Held):
            self._seen = self._seen._replace(value=result.value, fault="")

    def forget(self) -> None:
        """What it is at is for another hand of ours to say from now on."""
        self.begun = self._refused = False
        self._known, self._sent, self._again_ns, self._pause_s = (), None, 0.0, _RETRY_S
        self._seen = Driven(self._seen.value, met=self._seen.met)

    def _failed(self, why: str, now_ns: int) -> None:
        self._seen = self._seen._replace(fault=why)
        self._known = ()  # a device that comes back may have forgotten
        self._again_ns = now_ns + self._pause_s * 1e9
        longest_s = min(rank.retry_max_s for rank in (*self._wishes, GOVERNOR))
        self._pause_s = min(2 * self._pause_s, longest_s)

    @property
    def _insist(self) -> bool:
        """Whether the highest who steers it insists."""
        ranks = [rank for rank in self._wishes if rank is not LEASE]
        return self._wishes[max(ranks, key=lambda rank: rank.level)].insist if ranks else False
