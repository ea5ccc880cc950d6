"""What is wrong in the field, told once when it begins and once when it is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

_LOG = logging.getLogger("edgeagent")

#: So many lines at once; the others are counted.
_LINES: Final = 10


class Told:
    """Troubles by who has them.

    Attributes:
        now: those that last.
    """

    def __init__(self) -> None:
        self.now: dict[str, str] = {}

    def update(self, troubles: Mapping[str, str]) -> None:
        """These are all that there are now; tell what has changed."""
        new = [f"{who}: {why}" for who, why in troubles.items() if self.now.get(who) != why]
        over = [f"{who}: well again" for who in self.now if who not in troubles]
        for lines, level in ((new, logging.WARNING), (over, logging.INFO)):
            for line in lines[:_LINES]:
                _LOG.log(level, "%s", line)
            if len(lines) > _LINES:
                _LOG.log(level, "and %d more", len(lines) - _LINES)
        self.now = dict(troubles)
