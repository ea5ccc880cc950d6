"""Reads of a device, each a request and what makes values of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeagent.drivers.modbus.numbers import Absent, bit_unpacker, unpacker
from edgeagent.drivers.modbus.points import Block, Point, plan, split
from edgeagent.modbus import pdu
from edgeagent.modbus.master import Master, Refused
from edgeagent_sdk.channel import Fault, Value

#: How devices refuse registers that they have not, or more at once than they give.
_ABSENT = (pdu.ILLEGAL_FUNCTION, pdu.ILLEGAL_ADDRESS, pdu.ILLEGAL_VALUE)

#: SunSpec's scale factors lie between these; others are no scale.
_EXPONENT_MAX = 10


class Read:
    """One request, and what its answer says."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._unpack: Callable[[bytes], Sequence[float]]
        offsets = [point.address - block.address for point in block.points]
        if block.function in (pdu.READ_COILS, pdu.READ_DISCRETE):
            self._unpack = bit_unpacker(offsets)
        else:
            self._unpack = unpacker(
                [p.layout._replace(at=2 * at) for p, at in zip(block.points, offsets, strict=True)]
            )
        self._convert = [point.convert for point in block.points]

    def values(self, data: bytes) -> list[Value]:
        """One value for each point of the block."""
        return [convert(raw) for convert, raw in zip(self._convert, self._unpack(data), strict=True)]


class Reader:
    """All reads of a device, as the device takes them.

    A read over a gap, or of a register that this model has not, may be refused: then it is split, once
    and for all.

    Attributes:
        points: in the order of the values that `read` gives.
        refused: keys of the points that the device refuses even alone, and the fault that they are.
    """

    def __init__(self, master: Master, wanted: Sequence[Point], read_max: int, gap_max: int) -> None:
        self._master = master
        self._reads: list[Read] = []
        self.refused: dict[str, Fault] = {}
        blocks = plan(wanted, read_max, gap_max)
        while blocks:
            blocks[:1] = self._settle(blocks[0])
        self.points = [point for read in self._reads for point in read.block.points]
        places = {point.key: i for i, point in enumerate(self.points)}
        self._scaled = [(i, places[p.exponent]) for i, p in enumerate(self.points) if p.exponent]

    def _settle(self, block: Block) -> list[Block]:
        """Keep a read that the device takes; else what it is to be split into."""
        try:
            self._master.read(block.function, block.address, block.length, bytes)
        except Refused as refusal:
            if refusal.code in _ABSENT and len(block.points) > 1:
                return split(block)
            if refusal.code in _ABSENT:
                self.refused[block.points[0].key] = _refused(refusal)
        self._reads.append(Read(block))
        return []

    def lacking(self) -> set[str]:
        """Keys of the points that the device says it has not."""
        values = zip(self.points, self.read(), strict=True)
        return {point.key for point, value in values if point.channel and isinstance(value, Absent)}

    def read(self) -> list[Value]:
        """One value for each of `points`. Raises DriverError: the device does not answer."""
        values: list[Value] = []
        for read in self._reads:
            values += self._values(read)
        for i, exponent in self._scaled:
            values[i] = _scaled(values[i], values[exponent])
        return values

    def _values(self, read: Read) -> list[Value]:
        block = read.block
        if lasting := self.refused.get(block.points[0].key):
            return [lasting]
        try:
            return self._master.read(block.function, block.address, block.length, read.values)
        except Refused as refusal:
            return [_refused(refusal)] * len(block.points)


def _refused(refusal: Refused) -> Fault:
    return Absent(f"the device refuses: {refusal.answer}")


def _scaled(value: Value, exponent: Value) -> Value:
    if isinstance(value, Fault):
        return value
    if isinstance(exponent, Fault) or abs(exponent) > _EXPONENT_MAX:
        return Absent("its scale factor is not available")
    power = int(exponent)
    return value * 10.0**power if power >= 0 else value / 10.0**-power
