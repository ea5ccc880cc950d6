"""The `node` driver: everything that a sensor node measures and does, by one request each time.

What the node does not measure is a fault and never a number; when its serial port is unplugged, the
port is looked for twice a second, and readings go on where they left off.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.node.actuators import DECIDES, NodeActuator, actuators
from edgeagent.drivers.node.node import Node
from edgeagent.drivers.node.occurrences import Follower
from edgeagent.drivers.stranger import stranger
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Occurrence, Options, Sensor
from edgeagent_sdk.names import slug
from edgeagent_sdk.nodemap import CHANNELS, EVENT_LOG, NO_LIMIT_W, NO_VALUE, OUTPUTS, TELEMETRY, Alarm

#: A node whose newest pass is older than this has stopped measuring: its values are not of now.
_PASS_MAX_AGE_S = 2.0


#: Telemetry field, bit in `valid`, scale, and what stands in the place of a number, for each channel.
_MEASURED = [
    (f"{c.quantity}_{c.name}", 1 << i, c.scale, Fault(f"the {c.chip.name} does not answer"))
    for i, c in enumerate(CHANNELS)
]

_NO_LIMIT = Fault("no limit")

#: Telemetry field and scale of what is told of the outputs, in the order of their channels.
_OF_OUTPUTS = [
    *((f"output_{output.name}", output.scale) for output in OUTPUTS),
    *((f"source_{output.name}", 1.0) for output in OUTPUTS),
    ("alarms", 1.0),
]
_POWER_LIMIT = _OF_OUTPUTS.index(("output_power_limit", 1.0))


class NodeOptions(Options):
    """Which node, and how it is spoken to."""

    port: Annotated[
        str,
        msgspec.Meta(
            description="the serial port: a path, best one of /dev/serial/by-id, or usb:<serial number>"
        ),
    ]
    baud: Annotated[int, msgspec.Meta(ge=1200, le=4_000_000, description="bits per second")] = 115_200
    slave_id: Annotated[int, msgspec.Meta(ge=1, le=247, description="the node's Modbus address")] = 1
    timeout_ms: Annotated[
        int, msgspec.Meta(ge=10, le=10_000, description="for an answer; then it is asked again, twice")
    ] = 200
    lease_s: Annotated[
        float,
        msgspec.Meta(ge=1, le=60, description="how long the node's outputs stay when the agent falls silent"),
    ] = 4.0
    serial_number: Annotated[
        int, msgspec.Meta(ge=0, description="read this node only, by its own number; 0 for any")
    ] = 0


class NodeSensor(Sensor):
    """One node on one serial port."""

    Options = NodeOptions
    summary = "a sensor node on a serial port (Modbus RTU)"

    def __init__(self, host: Host, options: NodeOptions) -> None:
        super().__init__(host, options)
        self._node: Node | None = None
        self._actuators: list[NodeActuator] = []
        self._who: tuple[int, int] | None = None
        self._boot: tuple[int, int] | None = None
        self._follower = Follower()
        self._news: list[Occurrence] = []
        self._measured_ns = 0
        self._energy = WrapCounter(None)
        self._totals: TotalsFile | None = None

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The nodes on this machine's USB serial adapters."""
        from edgeagent.drivers.node.discovery import discover

        return discover(host)

    def open(self) -> Sequence[Channel]:
        """Open the port and see that the node there is the one that was read before."""
        from edgeagent.modbus.adapters import find_port

        options: NodeOptions = self.options
        port = find_port(options.port)
        self._node = node = Node.at(port, options.baud, options.slave_id, options.timeout_ms / 1e3)
        self._recognize(node)
        self._actuators = actuators(node, options.lease_s)
        return [*_measured(), *_of_outputs()]

    def read(self) -> Sequence[Value]:
        """The telemetry block, by one request; the event ring as well, if there is news in it."""
        node = self._node
        assert node is not None
        begun_ns = time.monotonic_ns()
        telemetry = node.read(TELEMETRY)
        self._notice_reset(node, telemetry)
        if self._follower.behind(telemetry["last_event"]):
            self._news += self._follower.news(node.read(EVENT_LOG))
        pass_age_s = (telemetry["uptime_ms"] - telemetry["measured_ms"]) / 1e3
        # One pass read twice has one time, however the idea of the node's clock has got better since.
        self._measured_ns = max(self._measured_ns, node.clock.host_ns(telemetry["measured_ms"]))
        self.age_s = (begun_ns - self._measured_ns) / 1e9
        return [*self._values(telemetry, pass_age_s), *_output_values(telemetry)]

    def close(self) -> None:
        """Close the port and save the energy's total."""
        if self._totals:
            self._totals.save({"in": self._energy}, now=True)
        if self._node:
            self._node.close()
        self._node, self._actuators = None, []

    def actuators(self) -> Sequence[NodeActuator]:
        """The node's outputs."""
        return self._actuators

    def occurrences(self) -> Sequence[Occurrence]:
        """The node's own events, and what was noticed about it."""
        news, self._news = self._news, []
        return news

    def _recognize(self, node: Node) -> None:
        identity = node.identify()
        number, who = identity["serial_number"], (identity["board"], identity["serial_number"])
        wanted = self.options.serial_number or (self._who or who)[1]
        if number != wanted or who != (self._who or who):
            raise stranger(self.options.port, "node", str(number), str(wanted), retry_s=1.0)
        if self._totals is None and self.host.state_dir:
            name = f"node-{number}" if number else f"node-{slug(self.options.port)}"
            self._totals = TotalsFile(self.host.state_dir / f"{name}.json", str(who))
            self._totals.restore({"in": self._energy})
        self._who = who
        self.identity = str(number or "")

    def _notice_reset(self, node: Node, telemetry: dict[str, int]) -> None:
        boot = (telemetry["boot_count"], telemetry["uptime_ms"])
        if self._boot and (boot[0] != self._boot[0] or boot[1] < self._boot[1]):
            self._recognize(node)
            self._follower.began_again()
            self._measured_ns = 0
        self._boot = boot

    def _values(self, telemetry: dict[str, int], pass_age_s: float) -> list[Value]:
        if pass_age_s > _PASS_MAX_AGE_S:
            fault = Fault(f"the node has measured nothing for {pass_age_s:.0f} s")
            return [fault] * (len(CHANNELS) + 1)
        valid = telemetry["valid"]
        values: list[Value] = [
            telemetry[field] * scale if valid & bit and telemetry[field] != NO_VALUE else fault
            for field, bit, scale, fault in _MEASURED
        ]
        energy_j = self._energy.update(telemetry["energy_in"] * 1e-3, time.monotonic())
        if self._totals:
            self._totals.save({"in": self._energy})
        return [*values, energy_j]


def _measured() -> list[Channel]:
    channels = [Channel(c.name, c.quantity, description=c.meaning) for c in CHANNELS]
    return [*channels, Channel("in", "energy", description="input energy, over the node's resets")]


def _of_outputs() -> list[Channel]:
    decides = ", ".join(f"{source.value} {words}" for source, words in DECIDES.items())
    alarms = ", ".join(f"{alarm.value} {alarm.name}" for alarm in Alarm).lower()
    return [
        *(Channel(o.name, o.quantity, description=f"what {o.name} does now: {o.meaning}") for o in OUTPUTS),
        *(Channel(f"{o.name}_source", "state", description=f"who decides: {decides}") for o in OUTPUTS),
        Channel("alarms", "state", description=f"sum of what is wrong now: {alarms}"),
    ]


def _output_values(telemetry: dict[str, int]) -> list[Value]:
    values: list[Value] = [telemetry[field] * scale for field, scale in _OF_OUTPUTS]
    if telemetry["output_power_limit"] == NO_LIMIT_W:
        values[_POWER_LIMIT] = _NO_LIMIT
    return values
