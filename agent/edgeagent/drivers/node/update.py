"""A new image for a node: sent, tried, and followed until it stays, or the old one is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, NoReturn

from edgeagent.drivers.node.imagefile import Image, Version, board_name
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


def enter_boot(node: Node, image: Image) -> Version:
    """Have a node wait for the image; which version ran until now.

    Raises:
        EdgeError: it cannot be updated, or the image is another board's.
    """
    identity = node.read(IDENTITY)
    if not Capability(identity["capabilities"]) & Capability.UPDATE:
        raise EdgeError(f"a node on the board {board_name(identity['board'])} takes no new image")
    if image.board != identity["board"]:
        names = board_name(image.board), board_name(identity["board"])
        raise EdgeError("the image is for the board {}, the node is {}".format(*names))
    node.unlock(KEY_CONFIG)
    node.write(ACCESS, {"reset": RESET_TO_BOOT})
    return _version(identity)


class _Look(NamedTuple):
    """What a node is seen to run: which version, whether that is confirmed, how often it had started."""

    version: Version
    confirmed: bool
    starts: int


def follow(connect: Connect, image: Image, before: Version | None, patience_s: float = PATIENCE_S) -> None:
    """Wait until the node, which was just reset, has confirmed the image.

    An image that is not confirmed is the new one, on trial, which takes some seconds; if that was seen and
    the node has not started again since, it is the new one that is confirmed. Else the version tells.

    Args:
        before: what `enter_boot` gave; None if no image ran then.

    Raises:
        Reverted: the old image runs.
        EdgeError: the node does not answer.
    """
    trial: _Look | None = None
    for look in _looks(connect, patience_s):
        if not look.confirmed:
            trial = look
        elif (trial and look.starts == trial.starts) or (before and before != look.version == image.version):
            return
        else:
            raise Reverted(f"version {image.version_text} was tried and did not live: the old image is back")
    if not trial:
        raise EdgeError("the node does not answer after its reset; is its line well?")
    _give_up(connect, f"version {image.version_text} did not report itself healthy in {patience_s:g} s")


def _give_up(connect: Connect, why: str) -> NoReturn:
    """Reset the node, which takes it back to the old image."""
    with connect() as node:
        node.unlock(KEY_CONFIG)
        node.write(ACCESS, {"reset": RESET_PLAIN})
    if any(look.confirmed for look in _looks(connect, PATIENCE_S)):
        raise Reverted(f"{why}: the node was reset, the old image is back")
    raise EdgeError(f"{why}; after a reset the node does not answer")


def _looks(connect: Connect, patience_s: float) -> Iterator[_Look]:
    """As often as the node answers."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        try:
            with connect() as node:
                starts = node.read(TELEMETRY)["boot_count"]
                confirmed = bool(node.read(DIAGNOSTICS)["image_confirmed"])
                yield _Look(_version(node.read(IDENTITY)), confirmed, starts)
        except DriverError:
            pass  # it is starting
        time.sleep(_LOOK_S)


def _version(identity: dict[str, int]) -> Version:
    return identity["version_major"], identity["version_minor"], identity["version_patch"]
