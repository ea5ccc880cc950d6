"""The node as its register map tells it: blocks in, settings and setpoints out, nothing false taken."""

from __future__ import annotations

import struct
from functools import partial

from edgeagent.drivers.node.clock import NodeClock
from edgeagent.modbus import pdu
from edgeagent.modbus.bus import Serial, join
from edgeagent.modbus.master import Exchange, Master, Refused
from edgeagent.modbus.pdu import FrameError
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import ACCESS, IDENTITY, KEY_CONTROL, MAGIC, Block, Field
from edgeagent_sdk.plugins import nearest

#: What a busy host may add to the doubt about when an answer was made.
_SLACK_NS = 20_000_000


class Node:
    """One node behind a `Master`.

    Attributes:
        clock: the node's uptime on the host's monotonic clock.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self.clock = NodeClock()
        self._uptime_ms = 0
        self._doubted = False

    @classmethod
    def at(cls, port: str, baud: int, slave_id: int, timeout_s: float, *, retries: int = 2) -> Node:
        """The node on a serial port, which is opened when it is first spoken to."""
        master = Master(
            join(Serial(port, baud)),
            slave_id,
            timeout_s,
            retries=retries,
            remedy="is the node powered, and are slave_id and baud its own?",
            retry_s=1.0,
            hear_out=False,  # blocks tell what they are, and when they were made
        )
        return cls(master)

    def identify(self) -> dict[str, int]:
        """The identity block. Raises DriverError if it is no node, or one of a later make than we know."""
        try:
            identity = self.read(IDENTITY)
        except Refused as refusal:
            raise self._stranger(str(refusal)) from None
        if identity["magic"] != MAGIC:
            raise self._stranger(f"its identity begins with 0x{identity['magic']:04X}")
        return identity

    def read(self, block: Block) -> dict[str, int]:
        """A whole block by one request: field name → counts.

        An answer is taken only if it is this block's, sound in itself and made after it was asked for.

        Raises:
            Refused: by an exception.
            DriverError: no such answer came.
        """
        if block.space == "holding":
            self._hear_out()
            return self.master.read(pdu.READ_HOLDING, block.address, block.words, block.unpack)
        accept = partial(self._accept, block)
        values = self.master.read(pdu.READ_INPUT, block.address, block.words, accept)
        self._follow(values["uptime_ms"], self.master.last)
        return values

    def write(self, block: Block, values: dict[str, int]) -> None:
        """Set neighbouring fields of a holding block in one request; `values` in the map's order.

        Raises:
            DriverError: no such field, out of its range, refused, or no answer.
        """
        fields = [self._field(block, name) for name in values]
        for field in fields:
            if not field.minimum <= values[field.name] <= field.maximum:
                raise DriverError(
                    f"{block.name}.{field.name}: {values[field.name]} is outside "
                    f"{field.minimum} to {field.maximum}"
                )
        part = Block(block.name, block.space, block.at(fields[0].name), "", tuple(fields))
        self.master.write(part.address, part.pack(values))

    def unlock(self, key: int = KEY_CONTROL) -> None:
        """Give the key that lets setpoints (or with KEY_CONFIG settings) be written. Raises DriverError."""
        self.write(ACCESS, {"access": key})

    def close(self) -> None:
        """Close the port; may be called twice."""
        self.master.close()

    def _hear_out(self) -> None:
        """See that no late answer comes any more.

        Nothing in an answer tells which holding registers it is of: one to an earlier request would pass
        for it. Answers keep their order, so an answer to another function is the last of the late.
        """
        if self.master.late:
            self.master.read(pdu.READ_INPUT, IDENTITY.address, 1, bytes)
            self.master.late = b""

    def _field(self, block: Block, name: str) -> Field:
        if name not in block.offsets:
            raise DriverError(f"{block.name} has no {name!r}; {nearest(name, list(block.offsets))}")
        return block.field(name)

    def _accept(self, block: Block, data: bytes) -> dict[str, int]:
        try:
            values = block.unpack(data)
        except struct.error as error:
            raise FrameError(str(error)) from None
        if values["block"] != block.number:
            raise FrameError(f"block 0x{values['block']:04X} in the place of 0x{block.number:04X}")
        if values.get("measured_ms", 0) > values["uptime_ms"]:
            raise FrameError("measured after it was sent: torn")
        self._check_time(values["uptime_ms"])
        return values

    def _check_time(self, uptime_ms: int) -> None:
        """An answer made before it was asked for is a late one, to an earlier request.

        If the next says the same, on a line that has been silent in between, the node's clock stood still.
        """
        sent_ns, received_ns = self.master.last
        if not self.clock.known or uptime_ms < self._uptime_ms:
            return  # it began again
        made_ns = self.clock.host_ns(uptime_ms)
        doubt_ns = self.clock.doubt_ns(made_ns) + _SLACK_NS
        if sent_ns - doubt_ns <= made_ns <= received_ns + doubt_ns:
            self._doubted = False
        elif made_ns < sent_ns and not self._doubted:
            self._doubted = True
            raise FrameError("an answer from before the request")
        else:
            self.clock.forget()

    def _follow(self, uptime_ms: int, exchange: Exchange) -> None:
        if uptime_ms < self._uptime_ms:
            self.clock.forget()
        self._uptime_ms = uptime_ms
        self.clock.learn(exchange, uptime_ms)

    def _stranger(self, why: str) -> DriverError:
        return DriverError(f"{self.master.where} is no sensor node: {why}", "check port and slave_id")
