"""Numbers out of registers: how each type is written, and what a raw value is worth.

Source: IEEE 754 for floats; MODBUS Application Protocol V1.1b3, 4.2: a register is sent high byte first.
How several registers make one number is each maker's own choice: hence word and byte order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from edgeagent_sdk.channel import Fault, Value


class Kind(NamedTuple):
    """A type: how many registers it takes, and its `struct` code."""

    words: int
    code: str


KINDS: Final[dict[str, Kind]] = {
    "u16": Kind(1, "H"),
    "i16": Kind(1, "h"),
    "u32": Kind(2, "I"),
    "i32": Kind(2, "i"),
    "u64": Kind(4, "Q"),
    "i64": Kind(4, "q"),
    "f32": Kind(2, "f"),
    "f64": Kind(4, "d"),
    "bit": Kind(1, "B"),
}

#: No meter measures less than this but zero: such a float is one whose words stand in the wrong order.
_TINY: Final = 1e-30

Convert = Callable[[float], Value]


class Absent(Fault):
    """The fault of something that the device says it has not."""

    __slots__ = ()


class Layout(NamedTuple):
    """Where one number lies within the bytes of a read.

    Args:
        at: index of its first byte.
        words_high_first, bytes_high_first: its order.
    """

    at: int
    kind: str
    words_high_first: bool = True
    bytes_high_first: bool = True

    def order(self) -> list[int]:
        """The indices of its bytes, the most significant first."""
        words = list(range(KINDS[self.kind].words))
        if not self.words_high_first:
            words.reverse()
        pair = (0, 1) if self.bytes_high_first else (1, 0)
        return [self.at + 2 * word + byte for word in words for byte in pair]


def unpacker(layouts: Sequence[Layout]) -> Callable[[bytes], Sequence[float]]:
    """What takes the numbers out of the bytes of a read, in the order of `layouts`: a pick and one unpack."""
    pick = itemgetter(*(index for layout in layouts for index in layout.order()))
    codec = struct.Struct(">" + "".join(KINDS[layout.kind].code for layout in layouts))
    return lambda data: codec.unpack(bytes(pick(data)))


def bit_unpacker(offsets: Sequence[int]) -> Callable[[bytes], Sequence[float]]:
    """What takes bits out of the bytes of a read of coils; `offsets` count from the first that was read."""
    places = [(offset >> 3, offset & 7) for offset in offsets]
    return lambda data: [data[byte] >> bit & 1 for byte, bit in places]


def pack(number: int | float, layout: Layout) -> bytes:
    """The registers' bytes of one number. Raises struct.error if it does not fit."""
    plain = struct.pack(f">{KINDS[layout.kind].code}", number)
    placed = bytearray(len(plain))
    for byte, index in zip(plain, layout._replace(at=0).order(), strict=True):
        placed[index] = byte
    return bytes(placed)


class Scale(NamedTuple):
    """What one count is worth, as a quotient: a tenth has no binary fraction, but a tenth of 2304 has."""

    multiplier: float
    divisor: float

    @classmethod
    def of(cls, factor: float) -> Scale:
        """The quotient that `factor` was meant as."""
        inverse = round(1 / factor)
        whole = inverse and math.isclose(inverse * factor, 1.0, rel_tol=1e-12)
        return cls(1.0, float(inverse)) if whole else cls(factor, 1.0)


def converter(kind: str, factor: float, offset: float, unavailable: frozenset[int]) -> Convert:
    """What makes a value of a raw number: ``raw × factor + offset``, or the fault that it stands for."""
    multiplier, divisor = Scale.of(factor)
    if kind in ("f32", "f64"):
        return _float_converter(Scale(multiplier, divisor), offset, unavailable, kind)

    def convert(raw: float) -> Value:
        if raw in unavailable:
            return Absent(f"not available (the device says {hex(int(raw) % 2 ** (16 * KINDS[kind].words))})")
        return raw * multiplier / divisor + offset

    return convert


def _float_converter(scale: Scale, offset: float, unavailable: frozenset[int], kind: str) -> Convert:
    multiplier, divisor = scale
    codec, whole = struct.Struct(f">{KINDS[kind].code}"), f">{'I' if kind == 'f32' else 'Q'}"
    codes = {codec.unpack(struct.pack(whole, code))[0] for code in unavailable}
    numbers = {code for code in codes if not math.isnan(code)}

    def convert(raw: float) -> Value:
        if not math.isfinite(raw):
            return Absent("not available (the device says it is no number)")
        if raw in numbers:
            return Absent(f"not available (the device says {raw:g})")
        if raw and abs(raw) < _TINY:
            return Fault(f"{raw:g} is no measured value: a wrong word_order or type in the map")
        return raw * multiplier / divisor + offset

    return convert


def codes(kind: str, listed: Sequence[int]) -> frozenset[int]:
    """Raw codes as they are unpacked: a map may write those of signed types as they look, 0x8000."""
    if not kind.startswith("i"):
        return frozenset(listed)
    bits = 16 * KINDS[kind].words
    return frozenset(code - (1 << bits) if code >> (bits - 1) == 1 else code for code in listed)
