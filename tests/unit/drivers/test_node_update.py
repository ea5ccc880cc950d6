"""How an update ends is told by what the node shows after its reset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from edgeagent.drivers.node import update
from edgeagent.drivers.node.imagefile import Image, Version
from edgeagent.drivers.node.node import Node
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.nodemap import Block

OLD, NEW = (1, 0, 0), (1, 1, 0)
SILENT = None

#: Version, whether it is confirmed, how often the node has started.
Shown = tuple[Version, bool, int] | None


class Showing:
    """A node that shows one thing after another, the last for ever, until it is reset."""

    def __init__(self, shown: list[Shown], after_reset: Shown = None) -> None:
        self.shown, self.after_reset = shown, after_reset
        self.was_reset = False

    @contextmanager
    def connect(self) -> Iterator[Node]:
        now = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        if now is None:
            raise DriverError("silence")
        (self.major, self.minor, self.patch), self.confirmed, self.starts = now
        yield cast("Node", self)

    def read(self, block: Block) -> dict[str, int]:
        return {
            "version_major": self.major,
            "version_minor": self.minor,
            "version_patch": self.patch,
            "boot_count": self.starts,
            "image_confirmed": self.confirmed,
        }

    def unlock(self, key: int) -> None:
        pass

    def write(self, block: Block, values: dict[str, int]) -> None:
        self.was_reset = True
        self.shown = [SILENT, self.after_reset]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "_LOOK_S", 0.001)
    monkeypatch.setattr(update, "PATIENCE_S", 0.2)


def follow(node: Showing, before: Version | None, version: Version = NEW) -> None:
    update.follow(node.connect, Image(b"", version, 1, b""), before, patience_s=0.2)


@pytest.mark.parametrize(
    ("shown", "before"),
    [
        ([SILENT, (NEW, False, 8), (NEW, False, 8), (NEW, True, 8)], OLD),
        ([SILENT, (NEW, True, 8)], OLD),  # we looked late
        ([(OLD, False, 8), (OLD, True, 8)], OLD),  # another build of the same version
        ([(NEW, False, 1), (NEW, True, 1)], None),  # no image ran before
    ],
)
def test_it_stays(shown: list[Any], before: Version | None) -> None:
    follow(Showing(shown), before, shown[-1][0])


@pytest.mark.parametrize(
    ("shown", "before"),
    [
        ([SILENT, (NEW, False, 8), SILENT, (OLD, True, 9)], OLD),
        ([SILENT, (OLD, True, 8)], OLD),  # it hung before it could count
        ([(OLD, False, 8), (OLD, True, 9)], OLD),  # of the same version
    ],
)
def test_it_went_back(shown: list[Any], before: Version | None) -> None:
    with pytest.raises(update.Reverted, match="the old image is back"):
        follow(Showing(shown), before)


def test_it_is_never_well() -> None:
    node = Showing([(NEW, False, 8)], after_reset=(OLD, True, 9))
    with pytest.raises(
        update.Reverted, match=r"healthy in 0\.2 s: the node was reset, the old image is back"
    ):
        follow(node, OLD)
    assert node.was_reset


def test_it_does_not_answer() -> None:
    with pytest.raises(EdgeError, match="does not answer after its reset"):
        follow(Showing([SILENT]), OLD)
    with pytest.raises(EdgeError, match="after a reset the node does not answer"):
        follow(Showing([(NEW, False, 8)], after_reset=SILENT), OLD)
