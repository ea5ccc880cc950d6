"""A sensor node in Python, with the registers, locks and leases of the real one, for what needs no real one.

The firmware under QEMU is the truth; this is for the faults that a real node does not make on demand.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from edgeagent.modbus import rtu
from edgeagent_sdk.nodemap import (
    ACCESS,
    BLOCKS,
    CALIBRATION,
    CHANNELS,
    CONFIG,
    EVENT_LOG,
    EVENTS,
    KEY_CONFIG,
    KEY_CONTROL,
    MAGIC,
    MAP_VERSION,
    OUTPUTS,
    SETPOINTS,
    TELEMETRY,
    Block,
    EventCode,
    SafeState,
    Source,
)

_WHO = (b"edgeagent", b"model node", b"0.1.0")
_RELAYS = ("relay1", "relay2")
_LEVELS = {0: 0, KEY_CONTROL: 1, KEY_CONFIG: 2}
_NEEDS = {"access": 0, "setpoints": 1, "config": 2, "calibration": 2}


class _Exception(Exception):
    pass


class ModelNode:
    """Answers requests.

    Attributes:
        values: what the blocks say, by block and field, beyond what follows from time and leases.
        forced: output → (source, counts) that outranks its lease, as the guard does.
        requests: how many were answered.
    """

    def __init__(self, serial_number: int = 7, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.requests = 0
        self.boots = 0
        self.energy_mj = 5000
        self.stopped_measuring_ms: int | None = None
        self.forced: dict[str, tuple[Source, int]] = {}
        self.values: dict[str, dict[str, int]] = {
            block.name: {field.name: field.default for field in block.fields} for block in BLOCKS
        }
        self.values["identity"] |= {
            "magic": MAGIC,
            "map_version": MAP_VERSION,
            "board": 1,
            "channels": len(CHANNELS),
            "outputs": len(OUTPUTS),
            "serial_number": serial_number,
            "version_minor": 1,
        }
        self.values["telemetry"] |= {
            f"{channel.quantity}_{channel.name}": 1000 * (i + 1) for i, channel in enumerate(CHANNELS)
        } | {"valid": 2 ** len(CHANNELS) - 1}
        self.reset()

    @property
    def slave_id(self) -> int:
        """What it answers to."""
        return self.values["config"]["slave_id"]

    @property
    def uptime_ms(self) -> int:
        """Since the reset."""
        return round(1e3 * (self._clock() - self._begun_s))

    def reset(self) -> None:
        """As by the watchdog: settings stay, leases, locks and events go."""
        self._begun_s = self._clock()
        self.boots += 1
        self.level = 0
        self.leases: dict[str, tuple[int, float]] = {}
        self._last: dict[str, int] = {}
        self.events: list[tuple[int, int, int]] = []
        self.happen(EventCode.STARTED, 2)

    def happen(self, code: int, detail: int = 0) -> None:
        """Put an event into the ring."""
        self.events.append((self.uptime_ms, code, detail))

    def output(self, name: str) -> tuple[Source, int, int]:
        """Who decides, what it does in counts, and what is left of its lease in ms."""
        counts, until_s = self.leases.get(name, (0, 0.0))
        left_ms = max(0, round(1e3 * (until_s - self._clock())))
        source, safe = Source.SAFE, self.values["config"][f"safe_{name}"]
        if name in self.forced:
            source, counts = self.forced[name]
        elif left_ms:
            source = Source.LEASE
        else:
            counts = self._last.get(name, 0) if name in _RELAYS and safe == SafeState.HOLD else safe
        self._last[name] = counts
        return source, counts, left_ms

    def answer(self, request: bytes) -> bytes:
        """The answer frame to a whole request; nothing for what is not for this node."""
        if rtu.crc(request[:-2]) != request[-2:] or request[0] != self.slave_id:
            return b""
        self.requests += 1
        slave_id, pdu = request[0], request[1:-2]
        try:
            return rtu.frame(slave_id, pdu[:1] + self._carry_out(pdu))
        except _Exception as code:
            return rtu.frame(slave_id, bytes([pdu[0] | 0x80, code.args[0]]))

    def _carry_out(self, pdu: bytes) -> bytes:
        if pdu[:2] == b"\x2b\x0e":
            objects = b"".join(bytes([i, len(text)]) + text for i, text in enumerate(_WHO))
            return b"\x0e\x01\x01\x00\x00" + bytes([len(_WHO)]) + objects
        if len(pdu) < 5:
            raise _Exception(1)
        function, address, count = struct.unpack(">BHH", pdu[:5])
        match function:
            case 3 | 4:
                data = self._read("holding" if function == 3 else "input", address, count)
                return bytes([len(data)]) + data
            case 6:
                self._write(address, pdu[3:5])
                return pdu[1:5]
            case 16:
                self._write(address, pdu[6:])
                return pdu[1:5]
            case _:
                raise _Exception(1)

    def _read(self, space: str, address: int, count: int) -> bytes:
        block = _block(space, address, count)
        at = 2 * (address - block.address)
        return block.pack(self._now(block))[at : at + 2 * count]

    def _now(self, block: Block) -> dict[str, int]:
        values = dict(self.values[block.name])
        if block.space == "input":
            number = block.number
            values |= {"block": number, "sequence": self.uptime_ms // 100, "uptime_ms": self.uptime_ms}
        if block is ACCESS:
            values |= {"access": self.level, "reset": 0}
        if block is SETPOINTS:
            for output in OUTPUTS:
                counts, _ = self.leases.get(output.name, (0, 0.0))
                values |= {output.name: counts, f"{output.name}_lease_ms": self.output(output.name)[2]}
        if block is TELEMETRY:
            values |= {
                "measured_ms": self.stopped_measuring_ms or self.uptime_ms // 100 * 100,
                "boot_count": self.boots,
                "last_event": len(self.events),
                "energy_in": self.energy_mj,
                "unlocked": self.level,
            }
            for output in OUTPUTS:
                source, counts, left_ms = self.output(output.name)
                values |= {
                    f"output_{output.name}": counts,
                    f"source_{output.name}": source,
                    f"lease_{output.name}": left_ms,
                }
        if block is EVENT_LOG:
            first = max(0, len(self.events) - EVENTS)
            for place, (uptime_ms, code, detail) in enumerate(self.events[first:]):
                values |= {
                    f"event{place}_number": first + place + 1,
                    f"event{place}_uptime_ms": uptime_ms,
                    f"event{place}_code": code,
                    f"event{place}_detail": detail,
                }
        return values

    def _write(self, address: int, data: bytes) -> None:
        block = _block("holding", address, len(data) // 2)
        if self.level < _NEEDS[block.name]:
            raise _Exception(1)
        at = 2 * (address - block.address)
        image = bytearray(block.pack(self._now(block)))
        image[at : at + len(data)] = data
        values = block.unpack(bytes(image))
        if block is ACCESS:
            self.level = _LEVELS.get(values["access"], self.level)
            return
        for field in block.fields:
            if not field.minimum <= values[field.name] <= field.maximum:
                raise _Exception(3)
        if block is SETPOINTS:
            self._lease(values, range(at // 2, (at + len(data)) // 2))
        if block in (CONFIG, CALIBRATION):
            self.values[block.name] = values
            self.happen(EventCode.SETTINGS_CHANGED, address)

    def _lease(self, values: dict[str, int], written: range) -> None:
        for output in OUTPUTS:
            _, until_s = self.leases.get(output.name, (0, 0.0))
            if SETPOINTS.offsets[f"{output.name}_lease_ms"] in written:
                until_s = self._clock() + values[f"{output.name}_lease_ms"] / 1e3
            self.leases[output.name] = (values[output.name], until_s)
            self.output(output.name)  # it acts at once


def _block(space: str, address: int, count: int) -> Block:
    for block in BLOCKS:
        ends = block.address + block.words
        if block.space == space and block.address <= address and address + count <= ends:
            return block
    raise _Exception(2)


def request_length(head: bytes) -> int:
    """How long the request is that begins with `head`, as a slave tells it."""
    if len(head) >= 2 and head[1] == 16:
        return 9 + head[6] if len(head) >= 7 else 9
    if len(head) >= 2 and head[1] == 43:
        return 7
    return 8
