"""The twin in step with the wall clock, or with a multiple of it, or as fast as it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol, Self

from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState, calm, start, step
from edgeagent_hil.twin.units import Array

#: Devices are served this often; a step of the twin is as long, but no longer than `_STEP_MAX_S`.
_TICK_S: Final = 0.1
_STEP_MAX_S: Final = 1.0


class Device(Protocol):
    """Something outside that acts on the twin and is acted upon."""

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """`inputs` with what this device has been told to do."""

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Show what the twin does now."""


class Demand(Protocol):
    """What a site's servers are asked to do."""

    def next(self, dt_s: float) -> Array:
        """Demand during the next step; shape (c, n), as in `ServerInputs`."""


class Runner:
    """Advances a site, with a workload and devices.

    Args:
        speed: seconds of the twin in a second of the clock; 0 as fast as it goes. Whoever reads counters of
            energy by the wall clock then sees power that is so many times higher.

    Attributes:
        state, inputs, outputs: the site's, of the last step. `inputs` may be replaced between steps; demand
            comes from the workload, and limits as devices say.
        behind_s: by how much the twin is behind the clock.
    """

    def __init__(
        self, site: Site, workload: Demand, devices: Sequence[Device] = (), *, speed: float = 1.0
    ) -> None:
        self.site = site
        self.behind_s = 0.0
        self.state = start(site)
        self.inputs = calm(site)
        self._workload, self._devices, self._speed = workload, devices, speed
        self._step_s = min(_TICK_S * speed, _STEP_MAX_S) if speed else _STEP_MAX_S
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.outputs = self._advance(1e-3)

    def run(self, seconds: float) -> None:
        """Advance by `seconds` of the twin's time; returns early if stopped."""
        begun_s, from_s = time.monotonic(), self.state.time_s
        end_s = from_s + seconds - self._step_s / 2
        while self.state.time_s < end_s and not self._stopping.is_set():
            self.outputs = self._advance(self._step_s)
            if self._speed:
                due_s = begun_s + (self.state.time_s - from_s) / self._speed
                self.behind_s = max(0.0, time.monotonic() - due_s)
                self._stopping.wait(max(0.0, due_s - time.monotonic()))

    def stop(self) -> None:
        """End `run` after the step that it is in."""
        self._stopping.set()

    def __enter__(self) -> Self:
        """Run in the background until the block ends."""
        self._thread = threading.Thread(target=self.run, args=(float("inf"),), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._thread:
            self._thread.join()

    def _advance(self, dt_s: float) -> SiteOutputs:
        servers = replace(self.inputs.servers, demand=self._workload.next(dt_s))
        inputs = replace(self.inputs, servers=servers)
        for device in self._devices:
            inputs = device.steer(inputs)
        self.state, outputs = step(self.site, self.state, inputs, dt_s)
        for device in self._devices:
            device.show(self.state, outputs)
        return outputs
