"""The channels that a model is given, found among the node's other devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Readings
from edgeagent_sdk.errors import DriverError

#: The devices of an agent open within moments of each other; so long their channels are waited for.
_PATIENCE_S: Final = 3.0
_LOOK_S: Final = 0.05

_Latest = Callable[[], tuple[Value, float]]


def mistakes(readings: Readings, names: Iterable[str]) -> Iterator[str]:
    """Why some can never be found, whatever opens: they are the device's own, or of none that there is."""
    for name in names:
        try:
            if not readings.find(name) and not readings.waiting(name):
                yield f"{name}: there is no device {name.partition('/')[0]}"
        except DriverError as error:
            yield error.reason


class Inputs:
    """The latest value of each channel, by name; looked for anew whenever devices come, go or change.

    Raises:
        DriverError: there are no other devices here.
    """

    def __init__(self, readings: Readings | None, names: Sequence[str]) -> None:
        if readings is None:
            raise DriverError("other channels can only be had inside an agent", "try: edgeagent run")
        self._readings, self._names = readings, names
        self._version: int | None = None
        self._latest: list[_Latest] = []

    def wait(self) -> None:
        """Find them all; devices that open at the same time are awaited for a moment.

        Raises:
            DriverError: there is no such channel.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        missing, readings = list(self._names), self._readings
        while True:
            coming = {name for name in missing if readings.waiting(name)}  # before the look: they may open
            missing = [name for name in missing if not readings.find(name)]
            if not missing:
                return
            if coming.isdisjoint(missing):
                raise DriverError(f"inputs: there is no channel {missing[0]}", self._hint(missing[0]))
            if time.monotonic() > deadline_s:
                raise DriverError(f"inputs: {missing[0]} is not there yet", retry_s=_PATIENCE_S)
            time.sleep(_LOOK_S)

    def latest(self) -> tuple[list[Value], float]:
        """A value or a fault for each, and the age of the oldest in seconds."""
        if self._readings.version != self._version:
            self._bind()
        found = [latest() for latest in self._latest]
        return [value for value, _ in found], max(age_s for _, age_s in found)

    def _bind(self) -> None:
        self._version = self._readings.version  # before the look: what changes meanwhile makes another
        self._latest = [self._bound(name) for name in self._names]

    def _bound(self, name: str) -> _Latest:
        found = self._readings.find(name)
        if found:
            return found[0].latest
        return lambda: (Fault(f"{name} is not there now"), 0.0)

    def _hint(self, name: str) -> str:
        device, quantity, _ = name.split("/")
        near = self._readings.find(f"{device}/{quantity}/*") or self._readings.find(f"{device}/*")
        names = ["/".join((each.device, *each.channel.key)) for each in near]
        return f"{device} has {', '.join(names[:8])}" if names else f"is there a device {device}?"
