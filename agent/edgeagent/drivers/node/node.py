"""The node as its register map tells it: blocks in, settings and setpoints out, nothing false taken."""

from __future__ import annotations

import struct

from edgeagent.drivers.node.clock import NodeClock
from edgeagent.drivers.node.master import Exchange, Master, Refused
from edgeagent.drivers.node.rtu import FrameError
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import ACCESS, BLOCKS, IDENTITY, KEY_CONTROL, MAGIC, Block, Field
from edgeagent_sdk.plugins import nearest

#: The first register of each input block says which it is.
_NUMBERS = {block: number for number, block in enumerate((b for b in BLOCKS if b.space == "input"), 0xB001)}

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
            return block.unpack(self.master.read_holding(block.address, block.words))
        values = self.master.read_input(block.address, block.words, lambda data: self._accept(block, data))
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
        """Close the port."""
        self.master.close()

    def _field(self, block: Block, name: str) -> Field:
        if name not in block.offsets:
            raise DriverError(f"{block.name} has no {name!r}; {nearest(name, list(block.offsets))}")
        return block.field(name)

    def _accept(self, block: Block, data: bytes) -> dict[str, int]:
        try:
            values = block.unpack(data)
        except struct.error as error:
            raise FrameError(str(error)) from None
        if values["block"] != _NUMBERS[block]:
            raise FrameError(f"block 0x{values['block']:04X} in the place of 0x{_NUMBERS[block]:04X}")
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
        where = f"{self.master.port.path}: slave {self.master.slave_id}"
        return DriverError(f"{where} is no sensor node: {why}", "check port and slave_id")
