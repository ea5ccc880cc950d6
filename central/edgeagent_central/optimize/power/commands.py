"""Leases sent without waiting, and their answers gathered."""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Any, Final

from edgeagent_central.optimize.frame import Lead
from edgeagent_central.optimize.leader import COMMAND_TTL_S
from edgeagent_central.optimize.power.holdings import Holdings, Settled
from edgeagent_sdk.errors import BrokerError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Outcome, Reply

#: An answer that comes later than this is no use to anybody.
_FORGET_S: Final = 10.0


class Commands:
    """Commands to the actuators of `holdings`; not for several threads.

    Args:
        lease_s: how long what is told holds, unless it is renewed.
        by: who asks, for people.

    Attributes:
        counts: of commands sent, and of their outcomes.
    """

    def __init__(
        self, fleet: Fleet, site: str, holdings: Holdings, lead: Lead, *, lease_s: float, by: str
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._fleet, self._site, self._holdings, self._lead = fleet, site, holdings, lead
        self._lease_s, self._by = lease_s, by
        self._numbers = count(1)
        self._answers: queue.SimpleQueue[tuple[int, int, Reply] | tuple[str, float, Reply]]
        self._answers = queue.SimpleQueue()
        self._waiting: deque[tuple[float, Future[Reply]]] = deque()
        self._issued_ns = 0

    @property
    def leads(self) -> bool:
        """Whether we are in charge."""
        return self._lead.leads

    def permitted(self) -> bool:
        """Whether we are in charge. What is sent next is dated before that was asked, and expires soon."""
        self._issued_ns = time.time_ns()
        return self._lead.leads

    def cap(self, slot: int, value: float, *, outlasts: bool = False) -> None:
        """Have an actuator hold `value`, as a lease; one that `outlasts` the others holds twice as long."""
        node, device, actuator = self._holdings.slots[slot]
        body = {
            "device": device,
            "actuator": actuator,
            "value": value,
            "lease_s": self._lease_s * (2 if outlasts else 1),
            "by": self._by,
        }
        number = next(self._numbers)
        if future := self._send(node, "cap", body):
            self._holdings.tell(slot, number, value, time.monotonic())
            self.counts["sent"] += 1
            future.add_done_callback(partial(self._done, (slot, number)))

    def release(self, slot: int) -> None:
        """End the lease on an actuator; nobody waits for the answer: without one, it runs out."""
        node, device, actuator = self._holdings.slots[slot]
        if future := self._send(node, "release", {"device": device, "actuator": actuator}):
            future.cancel()
            self._holdings.let_go(slot)

    def ask(self, nodes: Iterable[str]) -> None:
        """Ask nodes what their actuators hold."""
        for node in nodes:
            if future := self._send(node, "actuators", {}):
                future.add_done_callback(partial(self._done, (node, time.monotonic())))

    def gather(self, timeout_s: float = 0.0) -> None:
        """Take in the answers that have come; waits for the first for `timeout_s`."""
        try:
            self._take(self._answers.get(timeout=timeout_s) if timeout_s > 0 else self._answers.get_nowait())
            while True:
                self._take(self._answers.get_nowait())
        except queue.Empty:
            pass
        before_s = time.monotonic() - _FORGET_S
        while self._waiting and self._waiting[0][0] < before_s:
            self._waiting.popleft()[1].cancel()

    def _send(self, node: str, name: str, body: dict[str, Any]) -> Future[Reply] | None:
        try:
            future = self._fleet.send(
                self._site, node, name, body, ttl_s=COMMAND_TTL_S, issued_ns=self._issued_ns, qos=0
            )
        except BrokerError:
            self.counts["unsent"] += 1  # the broker is away, or slow; the next second tries again
            return None
        self._waiting.append((time.monotonic(), future))
        return future

    def _done(self, whose: Any, future: Future[Reply]) -> None:
        """On the network's thread."""
        if not future.cancelled():
            self._answers.put((*whose, future.result()))

    def _take(self, answer: tuple[int, int, Reply] | tuple[str, float, Reply]) -> None:
        if isinstance(answer[0], str):
            self._found(*answer)
            return
        slot, number, reply = answer
        self.counts[str(reply.outcome)] += 1
        value = reply.holds.get("value")
        holds = float(value) if isinstance(value, int | float) else None
        self._holdings.settle(Settled(slot, number, reply.outcome, holds, reply.why))

    def _found(self, node: str, asked_s: float, reply: Reply) -> None:
        """What a node's actuators hold: what is measured, or what a lease may bring them to.

        It looks at one after the other: of one that has been told something since it was asked, this is old.
        """
        rows = reply.holds.get("actuators")
        if reply.outcome is not Outcome.APPLIED or not isinstance(rows, list):
            return
        slots = {self._holdings.slots[slot][1:]: slot for slot in self._holdings.of_node.get(node, ())}
        for row in rows:
            slot = slots.pop((row.get("device"), row.get("actuator")), None)
            values = [float(row[key]) for key in ("value", "lease") if isinstance(row.get(key), int | float)]
            if slot is None or self._holdings.told_s[slot] >= asked_s:
                continue
            if values and "fault" not in row:
                self._holdings.found(slot, *values)
        for slot in slots.values():
            self._holdings.refused[slot] = "the node has no such actuator"
