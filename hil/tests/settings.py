"""A node's settings and its calibration belong to whoever owns it: what a test writes does not stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, Self

from edgeagent_sdk.nodemap import CALIBRATION, CONFIG, KEY_CONFIG, TELEMETRY
from hil.tests.registers import PATIENCE_S, Registers
from tests.services import wait_until

#: Where a test has the node answer for a while.
ELSEWHERE: Final = 17

_READ_BLOCK_NUMBER: Final = bytes([4, *TELEMETRY.address.to_bytes(2, "big"), 0, 1])
_TRY_S: Final = 0.5


class Settings(NamedTuple):
    """Both blocks as they were."""

    config: dict[str, int]
    calibration: dict[str, int]

    @classmethod
    def of(cls, registers: Registers) -> Self:
        """Those that hold now."""
        return cls(registers.read(CONFIG), registers.read(CALIBRATION))

    def write_back(self, registers: Registers) -> None:
        """Have them hold again, wherever the node answers now; it is locked afterwards.

        Raises TimeoutError if it answers nowhere.
        """
        wait_until(lambda: self._finds(registers), "the node answers, to get its settings back", PATIENCE_S)
        for block, values in ((CONFIG, self.config), (CALIBRATION, self.calibration)):
            if registers.read(block) != values:
                registers.unlock(KEY_CONFIG)
                registers.write(block, **values)
            registers.master.slave = self.config["slave_id"]
        registers.unlock(0)

    def _finds(self, registers: Registers) -> bool:
        for registers.master.slave in (self.config["slave_id"], ELSEWHERE):
            if registers.master.ask(_READ_BLOCK_NUMBER, _TRY_S):
                return True
        return False


@contextmanager
def kept(registers: Registers) -> Iterator[None]:
    """After the block they are as before it."""
    before = Settings.of(registers)
    try:
        yield
    finally:
        before.write_back(registers)
