"""Limits of an NVIDIA GPU, by an NVML of the tests' own; the agent's process shares its state with ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.unit.drivers.nvml.fake import FULL, Fake, compiled, environment, loaded

from .plant import Plant

#: NVML's code for a GPU that is lost; any function may return it.
_LOST = 15

#: The SMs run as fast as they may: a lock of their clocks that is taken away shows.
_HIGHEST_MHZ = 1980


@contextmanager
def gpu_power_limit(home: Path) -> Iterator[Plant]:
    """The power limit of the board."""
    with _nvml(home) as (fake, process):
        yield Plant(
            driver="nvml",
            options={"gpu": FULL},
            actuator="power-limit",
            found=700.0,
            low=300.0,
            high=500.0,
            maximum=700.0,
            see=lambda: fake.get("limit_mw") / 1e3,
            meddle=lambda value: fake.set(limit_mw=round(value * 1e3)),
            cut=lambda: fake.fail("*", _LOST),
            mend=lambda: fake.fail("*", 0),
            environment=process,
        )


@contextmanager
def gpu_clock_limit(home: Path) -> Iterator[Plant]:
    """The highest clock of the SMs, of which NVML tells nobody whether it is locked."""

    def meddle(value: float) -> None:
        mhz = round(value / 1e6)
        fake.set(locked_mhz=0 if mhz >= _HIGHEST_MHZ else mhz)

    with _nvml(home) as (fake, process):
        yield Plant(
            driver="nvml",
            options={"gpu": FULL},
            actuator="sm-clock-limit",
            found=1.98e9,
            low=1.2e9,
            high=1.5e9,
            maximum=1.98e9,
            see=lambda: (fake.get("locked_mhz") or _HIGHEST_MHZ) * 1e6,
            meddle=meddle,
            cut=lambda: fake.fail("*", _LOST),
            mend=lambda: fake.fail("*", 0),
            environment=process,
        )


@contextmanager
def _nvml(home: Path) -> Iterator[tuple[Fake, Mapping[str, str]]]:
    """The library in this process, and what another needs to have it with the same state."""
    fake, state = loaded(), home / "nvml.state"
    fake.share(state)
    fake.set(limit_mw=700_000, sm_mhz=_HIGHEST_MHZ, locked_mhz=0, locked_from_mhz=0)
    yield fake, environment(compiled(home).parent, state)
    fake.share(None)
