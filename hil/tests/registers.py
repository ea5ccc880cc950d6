"""The node's registers by their names, over a master that knows nothing of our agent."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.master import READ_HOLDING, READ_INPUT, WRITE_MANY, WRITE_ONE, Master
from edgeagent_sdk.nodemap import (
    ACCESS,
    EVENT_LOG,
    EVENTS,
    KEY_CONFIG,
    KEY_CONTROL,
    OUTPUTS,
    SETPOINTS,
    TELEMETRY,
    Block,
    EventCode,
    Source,
)
from tests.services import wait_until

#: For what comes within milliseconds, on a machine that has better things to do.
PATIENCE_S: Final = 10.0


class Refused(Exception):
    """The node answered by an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class NoAnswer(Exception):
    """The node did not answer."""


class NodeEvent(NamedTuple):
    """An event of the node's ring."""

    code: EventCode
    detail: int
    uptime_ms: int


class Registers:
    """Blocks and fields of `nodemap`, read and written."""

    def __init__(self, master: Master) -> None:
        self.master = master

    @classmethod
    @contextmanager
    def at(cls, port: Path) -> Iterator[Registers]:
        """Those of the node at a port that nobody else uses within the block."""
        with Master(port) as master:
            yield cls(master)

    def read(self, block: Block) -> dict[str, int]:
        """All fields of a block, in counts."""
        function = READ_INPUT if block.space == "input" else READ_HOLDING
        answer = self._ask(struct.pack(">BHH", function, block.address, block.words))
        return block.unpack(answer[2:])

    def telemetry(self, name: str) -> int:
        """One field of the telemetry."""
        return self.read(TELEMETRY)[name]

    def events(self) -> list[NodeEvent]:
        """The newest events, oldest first."""
        log = self.read(EVENT_LOG)
        every = (
            NodeEvent(EventCode(log[f"event{n}_code"]), log[f"event{n}_detail"], log[f"event{n}_uptime_ms"])
            for n in range(EVENTS)
            if log[f"event{n}_number"]
        )
        return list(every)

    def has_event(self, code: EventCode, detail: int) -> bool:
        """Whether it is among the newest."""
        return any((event.code, event.detail) == (code, detail) for event in self.events())

    def write(self, block: Block, **fields: int) -> None:
        """Write neighbouring fields in one request. Raises Refused."""
        words = b"".join(self._packed(block, name, value) for name, value in fields.items())
        self.write_words(block.at(next(iter(fields))), struct.unpack(f">{len(words) // 2}H", words))

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write registers by their address. Raises Refused."""
        count = len(words)
        self._ask(struct.pack(f">BHHB{count}H", WRITE_MANY, address, count, 2 * count, *words))

    def lease(self, output: str, value: int, lease_ms: int) -> None:
        """Set an output under a lease."""
        self.write(SETPOINTS, **{output: value, f"{output}_lease_ms": lease_ms})

    def unlock(self, key: int = KEY_CONTROL) -> None:
        """Write a key; 0 locks."""
        self._ask(struct.pack(">BHH", WRITE_ONE, ACCESS.at("access"), key))

    def release(self) -> None:
        """End all leases, wait until no output is limited any more, and lock."""
        self.unlock()
        for output in OUTPUTS:
            self.write(SETPOINTS, **{f"{output.name}_lease_ms": 0})
        wait_until(self._is_safe, "all outputs are in their safe state")
        self.unlock(0)

    def _is_safe(self) -> bool:
        block = self.read(TELEMETRY)
        return all(block[f"source_{output.name}"] == Source.SAFE for output in OUTPUTS)

    def return_to(self, node: NodeProtocol) -> None:
        """Speak again, unlocked, to a node that was switched off and on."""
        node.wait_ready()
        self.master.reopen()
        self.unlock()

    def configure(self, block: Block, **fields: int) -> None:
        """Write settings, which need the second key."""
        self.unlock(KEY_CONFIG)
        for name, value in fields.items():
            self.write(block, **{name: value})
        self.unlock()

    def reset(self, how: int) -> None:
        """Write the reset register."""
        self.unlock(KEY_CONFIG)
        self._ask(struct.pack(">BHH", WRITE_ONE, ACCESS.at("reset"), how))

    def _packed(self, block: Block, name: str, value: int) -> bytes:
        size = 2 * block.field(name).words
        return value.to_bytes(size, "big", signed=value < 0)

    def _ask(self, pdu: bytes) -> bytes:
        answer = self.master.ask(pdu, PATIENCE_S)
        if not answer:
            raise NoAnswer
        if answer[0] & 0x80:
            raise Refused(answer[1])
        return answer
