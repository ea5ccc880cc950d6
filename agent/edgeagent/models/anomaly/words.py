"""Channels, values and times, as an event says them."""

from __future__ import annotations

from collections.abc import Sequence

from edgeagent_sdk.quantities import QUANTITIES

_UNITS = {"Cel": "°C", "1": "", "{rpm}": "rpm", "By": "B"}


class Words:
    """What the channels are called, for people.

    Args:
        channels: ``device/quantity/name``.
        step_s: from one sample to the next.
    """

    def __init__(self, channels: Sequence[str], step_s: float) -> None:
        self._channels, self._step_s = tuple(channels), step_s
        self._units = [_unit(channel.split("/")[1]) for channel in channels]

    def __len__(self) -> int:
        return len(self._channels)

    def name(self, channel: int) -> str:
        """``device/quantity/name``."""
        return self._channels[channel]

    def value(self, channel: int, value: float) -> str:
        """A value with its unit."""
        return f"{value:,.4g} {self._units[channel]}".rstrip()

    def time(self, steps: float) -> str:
        """So many samples as a time."""
        seconds = steps * self._step_s
        for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
            if seconds >= 2 * size:
                return f"{seconds / size:.0f} {unit}"
        return f"{seconds:.2g} s"


def _unit(quantity: str) -> str:
    unit = QUANTITIES[quantity].unit if quantity in QUANTITIES else ""
    return _UNITS.get(unit, unit)
