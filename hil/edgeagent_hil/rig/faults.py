"""What can go wrong with a node and the world around it, as verbs that undo themselves.

Each is a context manager: the fault begins with the block and ends with it. Faults of the serial line
(pulled out, bit errors, slow) are verbs of `line.Line`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_hil.rig.symbols import address
from edgeagent_sdk.errors import EdgeError

#: Called in every turn of the main loop.
_LOOP: Final = "watchdog_feed"

#: Thumb: a branch to itself.
_BRANCH_TO_SELF: Final = b"\xfe\xe7"

_STEP_S: Final = 0.1


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
    """The main loop hangs, at its next call of `function`; interrupts go on.

    A reset brings the program back; one that nothing resets within the block is put right by hand.
    """
    at = address(machine.image(machine.board.application), function)
    healthy = machine.qtest.read(at, len(_BRANCH_TO_SELF))
    machine.qtest.write(at, _BRANCH_TO_SELF)
    try:
        yield
    finally:
        if machine.running and machine.qtest.read(at, len(_BRANCH_TO_SELF)) == _BRANCH_TO_SELF:
            machine.qtest.write(at, healthy)


def wait_for_watchdog(machine: Machine, after: int, timeout_s: float) -> None:
    """Return once the hardware watchdog has bitten and the processor has begun again.

    Args:
        after: `machine.qmp.mark()` of before.

    Raises:
        EdgeError: it did not, within `timeout_s`.
    """
    for event in ("WATCHDOG", "RESET", "RESUME"):
        found = machine.qmp.wait(event, after=after, timeout_s=timeout_s)
        if found is None:
            raise EdgeError(f"no {event} from QEMU within {timeout_s:g} s")
        after = found[1]


@contextmanager
def powerless(machine: Machine) -> Iterator[None]:
    """The power is off within the block; flash and world are as they were when it comes back."""
    machine.kill()
    try:
        yield
    finally:
        machine.start()


@contextmanager
def missing(machine: Machine, chip: str) -> Iterator[None]:
    """Within the block the node runs, from a cold start, without one of its chips, by its id."""
    whole = machine.without
    if chip not in machine.board.devices:
        raise EdgeError(f"{machine.board.name} has no chip {chip!r}: {', '.join(machine.board.devices)}")
    with powerless(machine):
        machine.without = whole | {chip}
    try:
        yield
    finally:
        with powerless(machine):
            machine.without = whole
