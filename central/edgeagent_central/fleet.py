"""The live picture of the fleet: what each node last said, how much, and what is missing."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeagent_central.check import Checked, Heads
from edgeagent_sdk.batch import Header
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.messages import Describe, State, Status
from edgeagent_sdk.names import Identity

_RATE_S = 5.0

#: Made-up names must not fill our memory.
_NODES_MAX = 50_000

#: Outboxes remembered for each node, and holes for each of them.
_BOOTS_MAX, _RUNS_MAX = 4, 1000


class Seen:
    """Which batch numbers of one outbox have arrived, in any order: sorted runs of them."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, first: int, last: int) -> bool:
        """Note the numbers `first`..`last`; False if all of them had been seen."""
        left = bisect_left(self._lasts, first - 1)
        right = left
        while right < len(self._firsts) and self._firsts[right] <= last + 1:
            right += 1
        if left < right:
            if self._firsts[left] <= first and last <= self._lasts[left]:
                return False
            first, last = min(first, self._firsts[left]), max(last, self._lasts[right - 1])
        self._firsts[left:right], self._lasts[left:right] = [first], [last]
        if len(self._firsts) > _RUNS_MAX:  # give up on the oldest hole
            self._firsts[0:2], self._lasts[0:2] = [self._firsts[0]], [self._lasts[1]]
        return True

    @property
    def gaps(self) -> int:
        """How many holes there are between the lowest and the highest number seen."""
        return max(0, len(self._firsts) - 1)

    @property
    def missing(self) -> int:
        """How many numbers are in these holes."""
        return sum(b - a - 1 for a, b in zip(self._lasts, self._firsts[1:], strict=False))


class Rate:
    """Events per second over the last few seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._count = 0
        self._rate = 0.0

    def add(self, count: int) -> None:
        """Note so many events now."""
        self._roll()
        self._count += count

    def per_s(self) -> float:
        """The rate of the last whole period, or of the current one at the beginning."""
        self._roll()
        return self._rate

    def _roll(self) -> None:
        elapsed = time.monotonic() - self._begun
        if elapsed >= _RATE_S:
            self._rate = self._count / elapsed
            self._begun, self._count = time.monotonic(), 0
        elif not self._rate and elapsed >= 1.0:
            self._rate = self._count / elapsed


@dataclass
class Node:
    """All that is known of one node. `heads` belongs to the checking thread, the rest to the lock."""

    identity: Identity
    heads: Heads = field(default_factory=dict)
    state: State | None = None
    describe: Describe | None = None
    header: Header | None = None
    readings: int = 0
    batches: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    newest_ns: int = 0
    rate: Rate = field(default_factory=Rate)
    seen: dict[str, Seen] = field(default_factory=dict)
    latest: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    _of_quantity: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict, init=False)
    _sorted: int = field(default=0, init=False)

    def series(self, quantity: str) -> list[tuple[str, bytes]]:
        """Its series of a quantity, as text and as keys of `latest`."""
        if self._sorted != len(self.latest):  # series come, and never go
            self._of_quantity, self._sorted = {}, len(self.latest)
        if quantity not in self._of_quantity:
            begin = f"{quantity},".encode()
            heads = [head for head in self.latest if head.startswith(begin)]
            self._of_quantity[quantity] = [(head.decode(), head) for head in heads]
        return self._of_quantity[quantity]

    def rival_of(self, instance: str) -> bool:
        """Whether another installation than `instance` is online under this name."""
        if self.state is None or self.state.status is not Status.ONLINE:
            return False
        return bool(instance and self.state.instance) and self.state.instance != instance


class Fleet:
    """Every node heard of. Safe to use from any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.nodes: dict[Identity, Node] = {}

    def node(self, identity: Identity) -> Node:
        """The node of that name; a new one is no part of the fleet before `admit`."""
        return self.nodes.get(identity) or Node(identity)

    def admit(self, node: Node) -> None:
        """It has said something sound, so it is one. Raises WireError if there are too many."""
        if node.identity in self.nodes:
            return
        if len(self.nodes) >= _NODES_MAX:
            raise WireError(f"more than {_NODES_MAX} nodes; {node.identity} is not taken in")
        with self.lock:
            self.nodes[node.identity] = node

    def stored(self, node: Node, checked: Checked) -> None:
        """The store has committed this batch."""
        with self.lock:
            count = len(checked.heads)
            node.readings += count
            node.batches += 1
            node.rate.add(count)
            if checked.header:
                node.header = checked.header
                header = checked.header
                if not _seen(node, header.boot).add(header.seq - header.merged, header.seq):
                    node.duplicates += 1
            if count:
                self._latest(node, checked)

    def stored_elsewhere(self, node: Node, boot: str, ranges: Sequence[tuple[int, int]]) -> None:
        """Another aggregator has stored these."""
        with self.lock:
            seen = _seen(node, boot)
            for first, last in ranges:
                if first <= last:
                    seen.add(first, last)

    @staticmethod
    def _latest(node: Node, checked: Checked) -> None:
        stamps = list(map(int, checked.stamps))
        newest = max(stamps)
        points = zip(checked.heads, zip(checked.values, stamps, strict=True), strict=True)
        if newest >= node.newest_ns:
            node.latest.update(points)
            node.newest_ns = newest
            return
        for head, point in points:  # a batch from the past must not hide what came since
            if point[1] >= node.latest.get(head, (0.0, 0))[1]:
                node.latest[head] = point


def _seen(node: Node, boot: str) -> Seen:
    seen = node.seen.get(boot)
    if seen is None:
        seen = node.seen[boot] = Seen()
        while len(node.seen) > _BOOTS_MAX:
            node.seen.pop(next(iter(node.seen)))
    return seen
