"""The register map of the sensor node: one table, from which the agent, the firmware and the docs are made.

The node is a Modbus RTU slave. Values of more than one register are big-endian, the high word first, as
the specification orders bytes. `firmware/tools/registers.py` turns this table into the C header that
the firmware is compiled with and into `docs/registers.md`, so the three cannot part.

Source: MODBUS Application Protocol Specification V1.1b3 (function codes, at most 125 registers a read).
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from functools import cached_property
from typing import Final, NamedTuple

MAGIC: Final = 0x4541
"""First register of the identity block after its head: "EA"."""

MAP_VERSION: Final = 1

#: Written to `access.access`. Setpoints may be written until the node resets or 0 is written; settings
#: and the reset register for `CONFIG_UNLOCKED_MS` only.
KEY_CONTROL: Final = 0x4C45
KEY_CONFIG: Final = 0x4346
CONFIG_UNLOCKED_MS: Final = 30_000

#: Written to `access.reset`: begin again, or wait in the boot loader for a new image.
RESET_PLAIN: Final = 0x5E57
RESET_TO_BOOT: Final = 0xB007

#: In the place of a channel's value while its bit in `telemetry.valid` is not set.
NO_VALUE: Final = -(2**31)

LEASE_MAX_MS: Final = 3_600_000

#: `power_limit` of this value limits nothing.
NO_LIMIT_W: Final = 0xFFFF

#: So many events the node remembers.
EVENTS: Final = 12


class Board(IntEnum):
    """`identity.board`: what the firmware was built for."""

    AST1030 = 1
    MPS2 = 2


class Capability(IntFlag):
    """`identity.capabilities`: what this node can do."""

    STORAGE = 1 << 0  # settings and energy survive a reset
    UPDATE = 1 << 1  # a new image can be sent to the boot loader
    WATCHDOG = 1 << 2  # a hung node starts again by itself


class Alarm(IntFlag):
    """`telemetry.alarms`: what is wrong now."""

    OVER_TEMPERATURE = 1 << 0  # a temperature is at or over guard_temperature: the guard acts
    NO_TEMPERATURE = 1 << 1  # no temperature can be read: the guard acts
    OVER_POWER = 1 << 2  # the input power has been over the limit for longer than shed_delay_ms
    FAN_STALLED = 1 << 3  # a fan is slower than fan_stall_rpm although it is driven
    SENSOR_MISSING = 1 << 4  # a chip does not answer
    STORAGE_FAILED = 1 << 5  # settings or energy could not be written
    SETTINGS_DEFAULT = 1 << 6  # no valid settings were found: defaults hold


class Source(IntEnum):
    """`telemetry.source_<output>`: who decides what an output does. The higher outranks the lower."""

    SAFE = 0  # no lease: the configured safe state
    LEASE = 1
    SHED = 2  # opened because the input power was over the limit
    GUARD = 3  # the local guard


class SafeState(IntEnum):
    """`config.safe_relay<n>`: what a relay does without a lease."""

    OPEN = 0
    CLOSED = 1
    HOLD = 2  # it stays as it is


class EventCode(IntEnum):
    """`events.event<n>_code`; what `detail` tells is in brackets."""

    STARTED = 1  # [reset cause]
    LEASE_EXPIRED = 2  # [output]
    GUARD_BEGAN = 3  # [alarm bits]
    GUARD_ENDED = 4
    SHED_BEGAN = 5  # [input power, W]
    SHED_ENDED = 6  # [limit, W]
    SENSOR_LOST = 7  # [chip]
    SENSOR_BACK = 8  # [chip]
    FAN_STALLED = 9  # [fan, from 1]
    FAN_TURNS = 10  # [fan, from 1]
    STORAGE_FAILED = 11
    SETTINGS_CHANGED = 12  # [address of the first register]
    IMAGE_CONFIRMED = 13


class ResetCause(IntEnum):
    """`diagnostics.reset_cause`."""

    POWER_ON = 0
    REQUESTED = 1  # by the reset register
    WATCHDOG = 2  # the main loop hung
    FAULT = 3  # a processor fault


class Chip(IntEnum):
    """What sits on the node's I2C bus, as `SENSOR_LOST` and the `i2c_errors_…` counters number it."""

    TMP105 = 0
    EMC1413 = 1
    ADM1272 = 2
    MAX31785 = 3


class NodeChannel(NamedTuple):
    """A measured channel: `quantity` and `name` as they go on the wire, one count in `scale` of the unit."""

    quantity: str
    name: str
    scale: float
    chip: Chip
    meaning: str


CHANNELS: Final = (
    NodeChannel("temperature", "board", 1e-3, Chip.TMP105, "the board itself"),
    NodeChannel("temperature", "inlet", 1e-3, Chip.EMC1413, "air that comes in (the chip's own diode)"),
    NodeChannel("temperature", "outlet", 1e-3, Chip.EMC1413, "air that goes out (remote diode 1)"),
    NodeChannel("temperature", "coolant", 1e-3, Chip.EMC1413, "coolant return (remote diode 2)"),
    NodeChannel("voltage", "in", 1e-3, Chip.ADM1272, "input of the hot-swap controller"),
    NodeChannel("voltage", "out", 1e-3, Chip.ADM1272, "output of the hot-swap controller"),
    NodeChannel("current", "out", 1e-3, Chip.ADM1272, "output of the hot-swap controller"),
    NodeChannel("power", "in", 1e-3, Chip.ADM1272, "input of the hot-swap controller"),
    NodeChannel("speed", "fan1", 1.0, Chip.MAX31785, "fan 1"),
    NodeChannel("speed", "fan2", 1.0, Chip.MAX31785, "fan 2"),
)


class NodeOutput(NamedTuple):
    """Something that can be set, under a lease. `scale`: what one count is worth in the quantity's unit."""

    name: str
    quantity: str
    scale: float
    maximum: int
    meaning: str


OUTPUTS: Final = (
    NodeOutput("relay1", "state", 1.0, 1, "0 open, 1 closed"),
    NodeOutput("relay2", "state", 1.0, 1, "0 open, 1 closed"),
    NodeOutput("fan1", "duty", 1e-4, 10_000, "duty cycle of fan 1"),
    NodeOutput("fan2", "duty", 1e-4, 10_000, "duty cycle of fan 2"),
    NodeOutput("power_limit", "power", 1.0, NO_LIMIT_W, "input power above which relays open; 65535 none"),
)


class Field(NamedTuple):
    """One value of a block.

    Args:
        name: lower case; the C name is the block's and this one in capitals.
        kind: ``u16``, ``i16``, ``u32``, ``i32`` or ``u64``.
        minimum, maximum, default: of what may be written, in counts; only for holding registers.
    """

    name: str
    kind: str
    meaning: str
    minimum: int = 0
    maximum: int = 0
    default: int = 0

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return _WORDS[self.kind]


_WORDS: Final = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4}
_STRUCT: Final = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q"}


class _Block(NamedTuple):
    name: str
    space: str
    address: int
    title: str
    fields: tuple[Field, ...]


class Block(_Block):
    """A run of registers that one request reads. `space` is ``input`` (FC 4) or ``holding`` (FC 3, 6, 16)."""

    @property
    def number(self) -> int:
        """What the first register of an input block always reads; it tells blocks from one another."""
        return self.field("block").default

    @cached_property
    def words(self) -> int:
        """Its length in registers."""
        return sum(field.words for field in self.fields)

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Field name → distance from the block's address, in registers."""
        places, at = {}, 0
        for field in self.fields:
            places[field.name] = at
            at += field.words
        return places

    @cached_property
    def _codec(self) -> struct.Struct:
        return struct.Struct(">" + "".join(_STRUCT[field.kind] for field in self.fields))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def at(self, name: str) -> int:
        """The register address of a field. Raises KeyError."""
        return self.address + self.offsets[name]

    def field(self, name: str) -> Field:
        """A field by name. Raises KeyError."""
        return self.fields[self._names.index(name)] if name in self.offsets else _no_field(self.name, name)

    def unpack(self, data: bytes) -> dict[str, int]:
        """Field name → counts, from the bytes of all its registers. Raises struct.error."""
        return dict(zip(self._names, self._codec.unpack(data), strict=True))

    def pack(self, values: dict[str, int]) -> bytes:
        """The opposite of `unpack`. Raises KeyError, struct.error."""
        return self._codec.pack(*(values[name] for name in self._names))


def _no_field(block: str, name: str) -> Field:
    raise KeyError(f"{block} has no field {name!r}")


def _head(number: int) -> tuple[Field, ...]:
    """What every input block begins with: it tells which block it is, and when it was made."""
    always = 0xB000 + number
    return (
        Field(
            "block", "u16", f"always 0x{always:04X}: a late answer cannot pass for another's", default=always
        ),
        Field("sequence", "u32", "number of the measuring pass that the block shows"),
        Field("uptime_ms", "u64", "time since the reset, when the answer was made"),
    )


IDENTITY: Final = Block(
    "identity",
    "input",
    0x0000,
    "Who the node is and what it can do",
    (
        *_head(1),
        Field("magic", "u16", 'always 0x4541, "EA"'),
        Field("map_version", "u16", "version of this map; a higher one only adds"),
        Field("board", "u16", "what the firmware was built for: `Board`"),
        Field("capabilities", "u16", "bits: `Capability`"),
        Field("channels", "u16", "number of channels in telemetry"),
        Field("outputs", "u16", "number of outputs"),
        Field("serial_number", "u32", "as set in config; 0 if never set"),
        Field("version_major", "u16", "of the firmware"),
        Field("version_minor", "u16", ""),
        Field("version_patch", "u16", ""),
        Field("build", "u32", "first 32 bits of the commit that it was built from; 0 if unknown"),
    ),
)

TELEMETRY: Final = Block(
    "telemetry",
    "input",
    0x0100,
    "Everything measured, from one pass",
    (
        *_head(2),
        Field("measured_ms", "u64", "uptime at which the pass was made"),
        Field("boot_count", "u32", "resets so far; without storage, since power-on"),
        Field("last_event", "u32", "number of the newest event; 0 before the first"),
        Field("valid", "u32", "bit n: channel n has a value"),
        Field("alarms", "u32", "bits: `Alarm`"),
        *(Field(f"{c.quantity}_{c.name}", "i32", f"{c.meaning}; one count is {c.scale:g}") for c in CHANNELS),
        Field("energy_in", "u64", "input energy since the node was made, mJ; never falls"),
        *(Field(f"output_{o.name}", "u16", f"what {o.name} does now: {o.meaning}") for o in OUTPUTS),
        *(Field(f"source_{o.name}", "u16", f"who decides that: `Source` of {o.name}") for o in OUTPUTS),
        *(Field(f"lease_{o.name}", "u32", f"what is left of {o.name}'s lease, ms") for o in OUTPUTS),
        Field("unlocked", "u16", "0 locked, 1 setpoints, 2 settings as well"),
    ),
)

DIAGNOSTICS: Final = Block(
    "diagnostics",
    "input",
    0x0180,
    "How the node itself fares; counts since the reset",
    (
        *_head(3),
        Field("reset_cause", "u16", "why it last began: `ResetCause`"),
        Field("watchdog_resets", "u32", "how often it hung; without storage, since power-on"),
        Field("frames", "u32", "whole requests to this node"),
        Field("crc_errors", "u32", "bytes that belonged to no whole request, in runs"),
        Field("other_slaves", "u32", "whole requests to others"),
        Field("exceptions", "u32", "requests answered by an exception"),
        Field("uart_errors", "u32", "framing, parity and overrun errors"),
        *(
            Field(f"i2c_errors_{chip.name.lower()}", "u32", f"failed passes over the {chip.name}")
            for chip in Chip
        ),
        Field("storage_writes", "u32", "records written"),
        Field("storage_errors", "u32", "records that could not be written"),
        Field("loop_max_ms", "u32", "longest turn of the main loop"),
        Field("stack_free", "u32", "bytes of stack never used"),
        Field("image_confirmed", "u16", "1 once this image has reported healthy"),
    ),
)

EVENT_LOG: Final = Block(
    "events",
    "input",
    0x0200,
    "The newest events, oldest first; a number of 0 is an empty place",
    (
        *_head(4),
        *(
            field
            for n in range(EVENTS)
            for field in (
                Field(f"event{n}_number", "u32", "counts from 1 since the reset"),
                Field(f"event{n}_uptime_ms", "u32", "when, in the low 32 bits of uptime_ms"),
                Field(f"event{n}_code", "u16", "what: `EventCode`"),
                Field(f"event{n}_detail", "i32", "depends on the code"),
            )
        ),
    ),
)

ACCESS: Final = Block(
    "access",
    "holding",
    0x0000,
    "Keys",
    (
        Field(
            "access",
            "u16",
            "write 0x4C45 to unlock setpoints, 0x4346 settings too, 0 to lock; reads as the level",
            0,
            0xFFFF,
        ),
        Field(
            "reset",
            "u16",
            "write 0x5E57 to begin again, 0xB007 to wait for a new image; needs level 2",
            0,
            0xFFFF,
        ),
    ),
)

SETPOINTS: Final = Block(
    "setpoints",
    "holding",
    0x0010,
    "Absolute setpoints, each under its lease; needs level 1",
    tuple(
        field
        for o in OUTPUTS
        for field in (
            Field(f"{o.name}", "u16", f"{o.meaning}; holds while the lease lasts", 0, o.maximum, 0),
            Field(
                f"{o.name}_lease_ms",
                "u32",
                "time from now; reads as what is left, 0 releases",
                0,
                LEASE_MAX_MS,
                0,
            ),
        )
    ),
)

CONFIG: Final = Block(
    "config",
    "holding",
    0x0100,
    "Settings, kept over resets where storage exists; needs level 2",
    (
        Field("slave_id", "u16", "Modbus address; the next request already goes there", 1, 247, 1),
        Field("serial_number", "u32", "as on the label", 0, 2**32 - 1, 0),
        Field("safe_relay1", "u16", "without a lease: 0 open, 1 closed, 2 hold", 0, 2, 1),
        Field("safe_relay2", "u16", "without a lease: 0 open, 1 closed, 2 hold", 0, 2, 2),
        Field("safe_fan1", "u16", "duty without a lease, 0.01 %", 0, 10_000, 10_000),
        Field("safe_fan2", "u16", "duty without a lease, 0.01 %", 0, 10_000, 10_000),
        Field("safe_power_limit", "u16", "W without a lease; 65535 none", 0, NO_LIMIT_W, NO_LIMIT_W),
        Field(
            "shed_relays",
            "u16",
            "bit n: relay n+1 opens when the power is over the limit or the guard acts",
            0,
            3,
            1,
        ),
        Field("shed_delay_ms", "u16", "how long the power may be over the limit", 0, 60_000, 500),
        Field("guard_temperature", "i16", "°C at which the guard acts; it ends 5 °C below", -40, 150, 85),
        Field(
            "fan_stall_rpm",
            "u16",
            "a fan driven at 20 % or more must turn this fast; 0 asks nothing",
            0,
            60_000,
            100,
        ),
    ),
)

CALIBRATION: Final = Block(
    "calibration",
    "holding",
    0x0200,
    "true = measured × (1 + gain) + offset; kept like the settings; needs level 2",
    tuple(
        field
        for c in CHANNELS
        for field in (
            Field(f"{c.quantity}_{c.name}_gain", "i32", "millionths", -500_000, 500_000, 0),
            Field(f"{c.quantity}_{c.name}_offset", "i32", f"counts of {c.scale:g}", -(10**6), 10**6, 0),
        )
    ),
)

BLOCKS: Final = (IDENTITY, TELEMETRY, DIAGNOSTICS, EVENT_LOG, ACCESS, SETPOINTS, CONFIG, CALIBRATION)
