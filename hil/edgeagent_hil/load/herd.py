"""The loop that drives many made-up nodes in one thread."""

from __future__ import annotations

import selectors
import time
from array import array
from collections.abc import Callable, Iterator, Sequence

import paho.mqtt.client as paho

from edgeagent_hil.load.node import Node
from edgeagent_hil.load.plan import Plan, Tally
from edgeagent_sdk.errors import BrokerError

_CONNECT_S = 30.0
_LEAVE_S = 10.0
_HOUSEKEEPING_S = 1.0


class Herd:
    """The nodes of one process, and the loop that drives them."""

    def __init__(self, plan: Plan, numbers: Sequence[int]) -> None:
        self._plan = plan
        self._tally = Tally()
        self._nodes = [Node(plan, number, self._tally) for number in numbers]
        # Where in the fleet's interval each node's turn is, so that several processes interleave.
        self._phases_s = [plan.interval_s * plan.spread * number / plan.nodes for number in numbers]
        self._selector = selectors.DefaultSelector()
        self._live: list[Node] = []  # those that have begun to connect
        self._sockets: dict[Node, paho.SocketLike | None] = {}
        self._writing: set[Node] = set()
        self._housekeeping_s = 0.0

    def run(self) -> Tally:
        """Connect, announce, send, await the acks, clean up."""
        cpu_s = time.process_time()
        try:
            self._gather()
            origin_s = time.perf_counter()
            try:
                origin_s = self._pace() if self._plan.interval_s else self._saturate()
            except KeyboardInterrupt:
                pass
            self._tally.backlog = self._missing()
            self._pump_while(lambda: self._missing() > 0, self._plan.ack_timeout_s + 2.0)
            self._tally.sent_s = array("d", (s - origin_s for s in self._tally.sent_s))
        finally:
            self._leave()
        self._tally.unacknowledged = self._missing()
        self._tally.cpu_s = time.process_time() - cpu_s
        return self._tally

    def _missing(self) -> int:
        return sum(len(node.waiting) for node in self._nodes)

    def _gather(self) -> None:
        for node in self._nodes:
            node.connect()
            self._live.append(node)
            self._settle(node)
            self._pump(0.0)
        if not self._pump_while(lambda: not all(n.connected for n in self._nodes), _CONNECT_S):
            there = sum(n.connected for n in self._nodes)
            raise BrokerError(
                f"the broker took {there} of {len(self._nodes)} connections within {_CONNECT_S:g} s; "
                "look at its limits (max_connections, open files)"
            )
        for node in self._nodes:
            node.announce()
            self._settle(node)
            self._pump(0.0)

    def _pace(self) -> float:
        origin_s, turns = self._turns()
        for due_s, node in turns:
            while (left_s := due_s - time.perf_counter()) > 0:
                self._pump(left_s)
            self._tally.late_s.append(-left_s)
            node.send()
            self._settle(node)
            self._pump(0.0)
        return origin_s

    def _turns(self) -> tuple[float, Iterator[tuple[float, Node]]]:
        """The first due time, aligned to the wall clock as the agents' are, and who is due when."""
        interval_s = self._plan.interval_s
        origin_s = time.perf_counter() + interval_s - time.time() % interval_s
        rounds = max(1, round(self._plan.duration_s / interval_s))
        turns = (
            (origin_s + count * interval_s + phase_s, node)
            for count in range(rounds)
            for phase_s, node in zip(self._phases_s, self._nodes, strict=True)
        )
        return origin_s, turns

    def _saturate(self) -> float:
        origin_s = time.perf_counter()
        while time.perf_counter() - origin_s < self._plan.duration_s:
            for node in self._nodes:
                while node.connected and len(node.waiting) < self._plan.window:
                    node.send()
                    self._settle(node)
            self._pump(0.05)
        return origin_s

    def _pump_while(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.perf_counter() + timeout_s
        while condition():
            if time.perf_counter() > deadline_s:
                return False
            self._pump(0.02)
        return True

    def _pump(self, timeout_s: float) -> None:
        for key, events in self._selector.select(timeout_s):
            node: Node = key.data
            if events & selectors.EVENT_READ:
                node.client.loop_read()
            if events & selectors.EVENT_WRITE:
                node.client.loop_write()
            self._settle(node)
        now_s = time.perf_counter()
        if now_s > self._housekeeping_s:
            self._housekeeping_s = now_s + _HOUSEKEEPING_S
            for node in self._live:
                self._keep(node, now_s)

    def _settle(self, node: Node) -> None:
        """Watch the node's present socket: for room to write exactly while it has something to write."""
        known, current = self._sockets.get(node), node.client.socket()
        if known is not current:
            if known is not None:
                self._selector.unregister(known)
            if current is not None:
                self._selector.register(current, selectors.EVENT_READ, node)
            self._sockets[node] = current
            self._writing.discard(node)
        writes = node.client.want_write()
        if current is not None and writes != (node in self._writing):
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(current, both if writes else selectors.EVENT_READ, node)
            (self._writing.add if writes else self._writing.discard)(node)

    def _keep(self, node: Node, now_s: float) -> None:
        node.client.loop_misc()
        if node.connected:
            node.resend(now_s)
        elif node.client.socket() is None:
            self._tally.reconnects += 1
            try:
                node.connect()
            except BrokerError:
                pass  # again at the next housekeeping
        self._settle(node)

    def _leave(self) -> None:
        """Clear what is retained and go; the broker's answers tell that it has heard."""
        here = [node for node in self._live if node.connected]
        for node in here:
            node.forget()
            self._settle(node)
            self._pump(0.0)
        self._pump_while(lambda: not all(node.forgotten for node in here), _LEAVE_S)
        for node in self._live:
            node.client.disconnect()
            self._settle(node)
        self._selector.close()
