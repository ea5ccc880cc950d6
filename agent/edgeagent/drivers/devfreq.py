"""Clocks of what is no CPU: GPUs, memory and buses of ARM boards.

Source: Linux, Documentation/ABI/testing/sysfs-class-devfreq (Hz, as the OPP tables of the drivers have it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgeagent.drivers.clocks import ClocksSensor, settable
from edgeagent.drivers.knob import Knob
from edgeagent.drivers.sysfs import Attribute, listing, text
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.driver import ActuatorInfo, Found, Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

_CLASS = "/sys/class/devfreq"

#: File, and what its channel is called after the device's name.
_FILES = (("cur_freq", ""), ("min_freq", "-min"), ("max_freq", "-max"))

#: Room for the suffixes in a name of 63 characters.
_NAME_CHARACTERS = 59


class DevfreqSensor(ClocksSensor):
    """All devices whose clock the kernel scales: the frequency now, and the limits of its choice."""

    summary = "clocks of GPU, memory and buses on ARM boards, and their limits"

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """One agent's device for all of them, if there is any."""
        devices = list(_devices(host))
        if devices:
            yield Found("devfreq", {}, f"clocks of {', '.join(device.name for device in devices)}")

    def open(self) -> Sequence[Channel]:
        """Find the devices."""
        devices = list(_devices(self.host))
        if not devices:
            raise DriverError(f"no device with a scaled clock in {self.host.path(_CLASS)}")
        names = unique([slug(device.name)[:_NAME_CHARACTERS] for device in devices])
        self._files, self._knobs, channels = [], [], []
        for name, device in zip(names, devices, strict=True):
            self._knobs += _limits(name, device)
            for file, suffix in _FILES:
                if (device / file).exists():
                    self._files.append(Attribute(device / file))
                    about = f"{file} of {device.name}"
                    channels.append(Channel(name + suffix, "frequency", description=about))
        return channels


def _devices(host: Host) -> Iterator[Path]:
    """Those that tell a frequency: some governors of vendors' kernels show a directory with none."""
    for device in listing(host.path(_CLASS)):
        if any((device / file).exists() for file, _ in _FILES):
            yield device


def _limits(name: str, device: Path) -> Iterator[Knob]:
    """Between the lowest and the highest of the device's own frequencies; none where it tells none."""
    steps = [int(word) for word in text(device / "available_frequencies").split() if word.isdigit()]
    if not steps:
        return
    for file, suffix in _FILES[1:]:
        if settable(device / file):
            about = f"{file} of {device.name}, which runs at {len(steps)} frequencies"
            choices = tuple(float(step) for step in sorted(steps))
            info = ActuatorInfo(name + suffix, "frequency", choices[0], choices[-1], about, 1.0, choices)
            yield Knob(info, device / file, 1.0)
