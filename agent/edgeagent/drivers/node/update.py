"""A new image for a node: sent, tried, and followed until it stays, or the old one is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final, NoReturn

from edgeagent.drivers.node.imagefile import Image, board_name
from edgeagent.drivers.node.node import Node
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.nodemap import (
    ACCESS,
    DIAGNOSTICS,
    IDENTITY,
    KEY_CONFIG,
    RESET_PLAIN,
    RESET_TO_BOOT,
    TELEMETRY,
    Capability,
)

#: An image reports itself healthy after a few seconds of work; one that hangs at its start is reset by the
#: watchdog of the boot loader after ten.
PATIENCE_S: Final = 45.0

_LOOK_S: Final = 0.2

#: Opens the node's port, and closes it.
Connect = Callable[[], AbstractContextManager[Node]]


class Reverted(EdgeError):
    """The old image runs again."""


def enter_boot(node: Node, image: Image) -> int:
    """Have a node wait for the image; how often it had started until now.

    Raises:
        EdgeError: it cannot be updated, or the image is another board's.
    """
    identity = node.read(IDENTITY)
    if not Capability(identity["capabilities"]) & Capability.UPDATE:
        raise EdgeError(f"a node on the board {board_name(identity['board'])} takes no new image")
    if image.board != identity["board"]:
        names = board_name(image.board), board_name(identity["board"])
        raise EdgeError("the image is for the board {}, the node is {}".format(*names))
    starts = node.read(TELEMETRY)["boot_count"]
    node.unlock(KEY_CONFIG)
    node.write(ACCESS, {"reset": RESET_TO_BOOT})
    return starts


def follow(connect: Connect, image: Image, starts: int | None, patience_s: float = PATIENCE_S) -> None:
    """Wait until the node, which was just reset, has confirmed the image.

    An image that is not confirmed is the new one, on trial. If the node's image is confirmed when we first
    see it, the number of starts tells whether it is the new one, started once, or the old one again.

    Args:
        starts: what `enter_boot` gave; None if no image ran then.

    Raises:
        Reverted: the old image runs.
        EdgeError: the node does not answer.
    """
    tried_at = None if starts is None else starts + 1
    seen = False
    for looked_at, confirmed in _looks(connect, patience_s):
        if confirmed and looked_at != tried_at:
            raise Reverted(f"version {image.version_text} was tried and did not live: the old image is back")
        if confirmed:
            return
        tried_at, seen = looked_at, True
    if not seen:
        raise EdgeError("the node does not answer after its reset; is its line well?")
    _give_up(connect, f"version {image.version_text} did not report itself healthy in {patience_s:g} s")


def _give_up(connect: Connect, why: str) -> NoReturn:
    """Reset the node, which takes it back to the old image."""
    with connect() as node:
        node.unlock(KEY_CONFIG)
        node.write(ACCESS, {"reset": RESET_PLAIN})
    if any(confirmed for _, confirmed in _looks(connect, PATIENCE_S)):
        raise Reverted(f"{why}: the node was reset, the old image is back")
    raise EdgeError(f"{why}; after a reset the node does not answer")


def _looks(connect: Connect, patience_s: float) -> Iterator[tuple[int, bool]]:
    """How often the node has started, and whether its image is confirmed; as often as it answers."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        try:
            with connect() as node:
                yield node.read(TELEMETRY)["boot_count"], bool(node.read(DIAGNOSTICS)["image_confirmed"])
        except DriverError:
            pass  # it is starting
        time.sleep(_LOOK_S)
