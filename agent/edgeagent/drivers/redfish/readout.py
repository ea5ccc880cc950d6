"""The channels of a BMC, and their values out of each look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeagent.drivers.counter import WrapCounter
from edgeagent.drivers.redfish.look import Key, Pass
from edgeagent.drivers.redfish.readings import Item
from edgeagent.drivers.totals import Total
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Occurrence
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import slug, unique


class Readout:
    """What was ever seen stays a channel, a fault while it is away: a part that comes and goes is told so."""

    def __init__(self) -> None:
        self._items: dict[Key, Item] = {}
        self._known: set[Key] = set()
        self._names: list[str] = []
        self._totals: dict[Key, Total] = {}
        self.news: list[Occurrence] = []

    @property
    def counters(self) -> dict[str, WrapCounter]:
        """The energy counters by their channels' names."""
        names = dict(zip(self._items, self._names, strict=True))
        return {names[key]: total.counter for key, total in self._totals.items()}

    def take_up(self, seen: Pass, *, several: bool) -> list[Channel]:
        """The channels, those that a look brings for the first time behind the others.

        Args:
            several: there is more than one chassis, so that names need theirs.
        """
        for key, item in self._new(seen):
            name = slug(f"{item.chassis}-{item.name}" if several else item.name)
            self._items[key] = item._replace(name=name)
            if item.quantity == "energy":
                self._totals[key] = Total(WrapCounter(None))
        self._known |= {key for key, item in seen.found.items() if not item.absent}
        items = list(self._items.values())
        self._names = [n.partition("/")[2] for n in unique([f"{i.quantity}/{i.name}" for i in items])]
        return [
            Channel(name, item.quantity, minimum=item.minimum, maximum=item.maximum, description=item.uri)
            for name, item in zip(self._names, items, strict=True)
        ]

    def strangers(self, seen: Pass) -> list[str]:
        """The names of readings that are no channels yet."""
        return [item.name for _, item in self._new(seen)]

    def values(self, seen: Pass) -> list[Value]:
        """The value of each channel."""
        return [self._value(key, seen) for key in self._items]

    def _new(self, seen: Pass) -> list[tuple[Key, Item]]:
        """Not among them: a sensor whose copy was shown so far, and is gone now."""
        return [(key, item) for key, item in _originals(seen.found) if key not in self._known]

    def _value(self, key: Key, seen: Pass) -> Value:
        item = seen.found.get(key)
        if item is None:
            return Fault(seen.failed.get(key[0], "the BMC no longer shows it"))
        total = self._totals.get(key)
        if total is None:
            return item.value
        resets = total.resets
        energy_j = total.take(item.value, "J")
        if total.resets > resets:
            self._tell_reset(self._items[key].name)
        return energy_j

    def _tell_reset(self, name: str) -> None:
        text = f"the BMC's energy counter {name} began again; the total goes on from where it was"
        self.news.append(Occurrence("counter-reset", text, Severity.WARNING, name))


def _originals(found: Mapping[Key, Item]) -> Iterator[tuple[Key, Item]]:
    """Those to be shown: what is there, and of a sensor and its copies in other resources the first copy."""
    copied: set[str] = set()
    for key, item in found.items():
        if item.absent or (item.source or item.uri) in copied:
            continue
        if item.source:
            copied.add(item.source)
        yield key, item
