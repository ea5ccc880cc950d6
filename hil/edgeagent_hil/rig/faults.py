"""What can go wrong with a node and the world around it, as verbs that undo themselves.

Each is a context manager: the fault begins with the block and ends with it. Faults of the serial line
(pulled out, bit errors, slow) are verbs of `line.Line`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_hil.rig.symbols import address
from edgeagent_sdk.errors import EdgeError

#: Called in every turn of the main loop.
_LOOP: Final = "watchdog_feed"

#: What the node's clock counts in.
_CLOCK_US: Final = "time_us"

#: Thumb: a branch to itself.
_BRANCH_TO_SELF: Final = b"\xfe\xe7"

_STEP_S: Final = 0.1
_HANGS_S: Final = 5.0

#: PMBus 1.3, part II: the page that following commands are about, and what the fan is told.
_PAGE, _FAN_COMMAND_1 = b"\x00", b"\x3b"
_STANDS_STILL: Final = bytes(2)


@contextmanager
def drift(stimulus: Stimulus, channel: str, start: float, per_s: float) -> Iterator[None]:
    """A sensor walks away from `start`, in SI units per second; afterwards it is there again."""
    over = threading.Event()
    begun = time.monotonic()

    def walk() -> None:
        while not over.wait(_STEP_S):
            stimulus.set(channel, start + per_s * (time.monotonic() - begun))

    walker = threading.Thread(target=walk, name="drift", daemon=True)
    stimulus.set(channel, start)
    walker.start()
    try:
        yield
    finally:
        over.set()
        walker.join()
        stimulus.set(channel, start)


@contextmanager
def hung(machine: Machine, function: str = _LOOP) -> Iterator[None]:
    """The main loop hangs, in a call of `function`; interrupts go on.

    A reset brings the program back; one that nothing resets within the block is put right by hand.
    """
    at = address(machine.image(machine.board.application), function)
    healthy = machine.qtest.read(at, len(_BRANCH_TO_SELF))
    machine.qtest.write(at, _BRANCH_TO_SELF)
    try:
        _wait_until_at(machine, at)
        yield
    finally:
        if machine.running and machine.qtest.read(at, len(_BRANCH_TO_SELF)) == _BRANCH_TO_SELF:
            machine.qtest.write(at, healthy)


@contextmanager
def stalled(machine: Machine, fan: int) -> Iterator[None]:
    """Fan `fan`, from 1, does not turn, whatever the firmware tells its controller.

    QEMU's model of the controller turns every fan as it is told, so it is told otherwise, behind the
    firmware's back and as often as the firmware could notice.
    """
    told = _tell_fan(machine, fan, _STANDS_STILL)
    over = threading.Event()

    def hold() -> None:
        nonlocal told
        while not over.wait(_STEP_S):
            if (latest := _tell_fan(machine, fan, _STANDS_STILL)) != _STANDS_STILL:
                told = latest

    holder = threading.Thread(target=hold, name="stalled", daemon=True)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()
        _tell_fan(machine, fan, told)


def _tell_fan(machine: Machine, fan: int, command: bytes) -> bytes:
    """Command a fan; what it was told before."""
    chip = machine.board.devices["fans"].address
    kind, base = machine.board.fan_bus
    bus = kind(machine.qtest, base)
    with machine.asleep():
        page = bus.transfer(chip, _PAGE, 1)
        bus.transfer(chip, _PAGE + bytes([fan - 1]))
        before = bus.transfer(chip, _FAN_COMMAND_1, 2)
        if before != command:
            bus.transfer(chip, _FAN_COMMAND_1 + command)
        bus.transfer(chip, _PAGE + page)
    return before


def _wait_until_at(machine: Machine, place: int) -> None:
    deadline = time.monotonic() + _HANGS_S
    while machine.program_counter() != place:
        if time.monotonic() > deadline:
            raise EdgeError(f"the processor does not come to {place:#x} within {_HANGS_S:g} s")


def wait_for_reset(machine: Machine, after: int, timeout_s: float) -> None:
    """Return once the board has reset itself, as by its watchdog, and the processor has begun again.

    Args:
        after: `machine.qmp.mark()` of before.

    Raises:
        EdgeError: it has not, within `timeout_s`.
    """
    for event in ("SHUTDOWN", "RESET", "RESUME"):  # QEMU stands still at a reset until the rig goes on
        found = machine.qmp.wait(event, after=after, timeout_s=timeout_s)
        if found is None:
            raise EdgeError(f"the board has not reset itself within {timeout_s:g} s")
        after = found[1]


def leap(machine: Machine, seconds: float) -> None:
    """So much time has passed by the node's clock, which nothing undoes."""
    at = address(machine.image(machine.board.application), _CLOCK_US)
    with machine.asleep():
        now_us = int.from_bytes(machine.qtest.read(at, 8), "little")
        machine.qtest.write(at, (now_us + round(seconds * 1e6)).to_bytes(8, "little"))


class Power(Protocol):
    """A switch in a board's supply: an emulated board itself, or any of labgrid's power drivers."""

    def on(self) -> None: ...

    def off(self) -> None: ...


@contextmanager
def powerless(board: Power) -> Iterator[None]:
    """The power is cut at once, and off within the block; flash and world stay as they are."""
    board.off()
    try:
        yield
    finally:
        board.on()


@contextmanager
def missing(machine: Machine, *chips: str) -> Iterator[None]:
    """Within the block the node runs, from a cold start, without some of its chips, by their ids."""
    whole = machine.without
    if unknown := set(chips) - set(machine.board.devices):
        raise EdgeError(
            f"{machine.board.name} has no {', '.join(unknown)}: {', '.join(machine.board.devices)}"
        )
    with powerless(machine):
        machine.without = whole.union(chips)
    try:
        yield
    finally:
        with powerless(machine):
            machine.without = whole
