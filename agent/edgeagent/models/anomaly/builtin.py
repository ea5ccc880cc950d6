"""The detector as a model of the driver `model`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.drivers.model.runtime import Description, News, NotYet, Output, Setup, Tensor
from edgeagent.models.anomaly.alarms import Change
from edgeagent.models.anomaly.detector import Detector
from edgeagent.models.moments import Array
from edgeagent.models.pace import Pace
from edgeagent.models.settings import Number, settled
from edgeagent.models.state import StateFile

_SETTINGS: Final = {
    "risk": Number(1e-6, 1e-12, 0.01),
    "quiet": Number(30, 1, 100_000, whole=True),
    "patience": Number(600, 10, 1e7, whole=True),
}


class Anomaly:
    """One score for each input, from 1 on an alarm; events as alarms begin and end.

    Args:
        clock: monotonic seconds; another one in tests.
    """

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.monotonic) -> None:
        settings = settled(setup.options, _SETTINGS)
        self._setup = setup
        self._detector = Detector(
            setup.inputs,
            setup.step_s,
            risk=settings["risk"],
            quiet=int(settings["quiet"]),
            patience=int(settings["patience"]),
        )
        self._pace = Pace(setup.step_s, clock)
        self._news: list[News] = []
        self._scores: Array = np.zeros(len(setup.inputs))
        path = Path(f"{setup.state}.npz") if setup.state else None
        self._state = StateFile(path, self._detector)
        if (age_s := self._state.restore()) is not None:
            self._detector.skip(round(age_s / setup.step_s) - 1)

    def describe(self) -> Description:
        """Its tensors."""
        channels = len(self._setup.inputs)
        given = Tensor("samples", (1, self._setup.window, channels), "float64")
        return Description([given], [Tensor("score", (channels,), "float64")], "anomaly detector")

    def proposed(self) -> Sequence[Output]:
        """A score for each input."""
        return [
            Output(_name(name), "anomaly", "score", place, f"of {name}; from 1 on an alarm")
            for place, name in enumerate(self._setup.inputs)
        ]

    def run(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Take the newest sample; the scores.

        Raises:
            NotYet: too little was seen to tell what is normal.
        """
        if steps := self._pace.steps():
            self._detector.skip(steps - 1)
            self._scores, changes = self._detector.look(np.asarray(inputs[0][0, -1], dtype=np.float64))
            self._news += [self._told(change) for change in changes]
            self._state.save()
        if not self._detector.ready:
            raise NotYet("is learning what is normal")
        return [self._scores]

    def news(self) -> Sequence[News]:
        """The alarms that have begun and ended."""
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Keep what was learned."""
        self._state.save(now=True)

    def _told(self, change: Change) -> News:
        channel = _name(self._setup.inputs[change.channel])
        kind = f"anomaly-{change.kind}-{'began' if change.began else 'ended'}"
        return News(kind, change.message, "warning" if change.began else "info", channel)


def _name(channel: str) -> str:
    device, quantity, name = channel.split("/")
    return f"{device}.{quantity}.{name}"
