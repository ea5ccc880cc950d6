"""The node as its register map tells it: blocks in, settings and setpoints out, nothing false taken."""

from __future__ import annotations

import struct
from functools import partial
from itertools import cycle, islice

from edgeagent.drivers.node.clock import NodeClock
from edgeagent.modbus import pdu
from edgeagent.modbus.bus import Serial, join
from edgeagent.modbus.master import Master, Refused
from edgeagent.modbus.pdu import FrameError
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import ACCESS, IDENTITY, KEY_CONTROL, MAGIC, Block, Field
from edgeagent_sdk.plugins import nearest

#: What a busy host may add to the doubt about when an answer was made.
_SLACK_NS = 20_000_000

#: Where an input block tells when it was made: after so many bytes, and in so many.
_UPTIME_AT, _UPTIME_BYTES = 2 * IDENTITY.offsets["uptime_ms"], 2 * IDENTITY.field("uptime_ms").words

#: So many words of the identity are asked for to hear out the line: up to the uptime at least, another
#: length each time, and no block's.
_LENGTHS = cycle(range((_UPTIME_AT + _UPTIME_BYTES) // 2, IDENTITY.words))


class Node:
    """One node behind a `Master`.

    Attributes:
        clock: the node's uptime on the host's monotonic clock.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self.clock = NodeClock()
        self._uptime_ms = 0
        self._heard = -1  # whoever spoke here before us may have left without an answer

    @classmethod
    def at(cls, port: str, baud: int, slave_id: int, timeout_s: float, *, retries: int = 2) -> Node:
        """The node on a serial port, which is opened when it is first spoken to."""
        master = Master(
            join(Serial(port, baud)),
            slave_id,
            timeout_s,
            retries=retries,
            remedy="is the node powered, are slave_id and baud its own, and does it not wait "
            "in its boot loader for an image (`edgeagent node flash`)?",
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
            self._hear_out_if_late()
            return self.master.read(pdu.READ_HOLDING, block.address, block.words, block.unpack)
        return self._read_timely(block)

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

    @property
    def _late(self) -> bool:
        """Whether an answer to an earlier request may still come."""
        return self.master.tally.failed != self._heard

    def _hear_out_if_late(self) -> None:
        if self._late:
            self._hear_out()

    def _hear_out(self) -> None:
        """See that no late answer comes any more, and what time it is there. Raises DriverError.

        Nothing in an answer tells which request it is to; but answers keep their order, so one of a length
        that nothing else has asked for lately is to that request, and the last of the late.
        """
        requests = (pdu.read(pdu.READ_INPUT, IDENTITY.address, words) for words in _LENGTHS)
        data = self.master.ask_by_turns(islice(requests, 1 + self.master.retries), pdu.data)
        self._heard = self.master.tally.failed
        uptime_ms = int.from_bytes(data[_UPTIME_AT:][:_UPTIME_BYTES], "big")
        if not self._timely(uptime_ms):
            self.clock.forget()  # the node began again, or its clock stood still
        self._follow(uptime_ms)

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
        return values

    def _read_timely(self, block: Block) -> dict[str, int]:
        """An answer made before it was asked for is a late one, to an earlier request."""
        accept = partial(self._accept, block)
        self._hear_out_if_late()
        for _ in range(2):
            values = self.master.read(pdu.READ_INPUT, block.address, block.words, accept)
            if self._timely(values["uptime_ms"]):
                self._follow(values["uptime_ms"])
                return values
            self._hear_out()
        raise DriverError(
            f"{self.master.where} does not answer in {round(1e3 * self.master.timeout_s)} ms, but later",
            "give it more time: timeout_ms",
            retry_s=1.0,
        )

    def _timely(self, uptime_ms: int) -> bool:
        """Whether the last answer, of that time, was made after it was asked for, by the clock we know."""
        if not self.clock.known or uptime_ms < self._uptime_ms:
            return False
        sent_ns, received_ns = self.master.last
        made_ns = self.clock.host_ns(uptime_ms)
        doubt_ns = self.clock.doubt_ns(made_ns) + _SLACK_NS
        return sent_ns - doubt_ns <= made_ns <= received_ns + doubt_ns

    def _follow(self, uptime_ms: int) -> None:
        self._uptime_ms = uptime_ms
        if not self._late:
            self.clock.learn(self.master.last, uptime_ms)

    def _stranger(self, why: str) -> DriverError:
        return DriverError(f"{self.master.where} is no sensor node: {why}", "check port and slave_id")
