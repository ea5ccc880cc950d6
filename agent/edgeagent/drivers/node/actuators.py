"""The node's outputs as actuators. The node itself keeps the lease: a dead agent holds nothing."""

from __future__ import annotations

from edgeagent.drivers.node.node import Node
from edgeagent.modbus.master import Refused
from edgeagent_sdk.driver import ActuatorInfo, LeasedActuator
from edgeagent_sdk.nodemap import LEASE_MAX_MS, OUTPUTS, SETPOINTS, TELEMETRY, NodeOutput, Source

#: Who decides, in words.
DECIDES = {
    Source.SAFE: "its safe state",
    Source.LEASE: "its lease",
    Source.SHED: "load shedding",
    Source.GUARD: "the node's guard",
}


class NodeActuator(LeasedActuator):
    """One output. `ttl_s`: how long the node goes on without the agent."""

    def __init__(self, node: Node, output: NodeOutput, ttl_s: float) -> None:
        self.info = ActuatorInfo(
            output.name,
            output.quantity,
            0.0,
            output.maximum * output.scale,
            output.meaning,
            output.scale,
        )
        self.ttl_s = ttl_s
        self._node, self._output = node, output
        self._source = Source.SAFE

    def get(self) -> float:
        """What the output really does, whoever decided it."""
        telemetry = self._node.read(TELEMETRY)
        self._source = Source(telemetry[f"source_{self._output.name}"])
        return telemetry[f"output_{self._output.name}"] * self._output.scale

    def hold(self, value: float, ttl_s: float) -> None:
        """Write setpoint and lease in one request."""
        lease_ms = max(1, min(LEASE_MAX_MS, round(1e3 * ttl_s)))
        name = self._output.name
        self._write({name: round(value / self._output.scale), f"{name}_lease_ms": lease_ms})

    def release(self) -> None:
        """End the lease: the output falls to its safe state."""
        self._write({f"{self._output.name}_lease_ms": 0})

    def holder(self) -> str:
        """Who decided, by the node's own word; empty if its lease did."""
        return "" if self._source is Source.LEASE else DECIDES[self._source]

    def _write(self, values: dict[str, int]) -> None:
        try:
            self._node.write(SETPOINTS, values)
        except Refused:
            # Setpoints are locked, as after each reset of the node. If that was not the reason, say it.
            self._node.unlock()
            self._node.write(SETPOINTS, values)


def actuators(node: Node, ttl_s: float) -> list[NodeActuator]:
    """One for each output of the map."""
    return [NodeActuator(node, output, ttl_s) for output in OUTPUTS]
