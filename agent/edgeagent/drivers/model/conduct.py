"""What is held against a model, and when it is enough."""

from __future__ import annotations

from collections import deque
from typing import Final

#: So many crashes within this time are too many: each costs the start of a process.
CRASHES: Final = 3
CRASHES_WITHIN_S: Final = 600.0

#: Of so many answers in a row, more than half failed or came too late.
ANSWERS: Final = 20


class Conduct:
    """The recent past of one model."""

    def __init__(self) -> None:
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._answers: deque[bool] = deque(maxlen=ANSWERS)

    def crashed(self, now_s: float) -> bool:
        """Its process ended; whether that was once too often."""
        self._crashes.append(now_s)
        return len(self._crashes) == CRASHES and now_s - self._crashes[0] <= CRASHES_WITHIN_S

    def answered(self, well: bool) -> bool:
        """It was asked; whether it has failed too often."""
        self._answers.append(well)
        return not well and self._answers.count(False) > ANSWERS // 2

    def forgive(self) -> None:
        """Begin anew."""
        self._crashes.clear()
        self._answers.clear()
