"""Actuators of the kernel's: files under a made-up /sys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .plant import Plant


@contextmanager
def clock_limit(home: Path) -> Iterator[Plant]:
    """The highest frequency of a CPU, in kHz."""
    files = {
        "related_cpus": "0 1",
        "cpuinfo_min_freq": "800000",
        "cpuinfo_max_freq": "3400000",
        "scaling_cur_freq": "1200000",
        "scaling_min_freq": "800000",
        "scaling_max_freq": "3000000",
    }
    file = _written(home / "sys/devices/system/cpu/cpufreq/policy0", files) / "scaling_max_freq"
    yield Plant(
        driver="cpufreq",
        options={},
        actuator="policy0-max",
        found=3.0e9,
        low=1.2e9,
        high=2.0e9,
        maximum=3.4e9,
        host_root=home,
        **_hands(file, 1e3),
    )


@contextmanager
def device_clock_limit(home: Path) -> Iterator[Plant]:
    """The highest frequency of a GPU on an ARM board, in Hz."""
    files = {
        "cur_freq": "400000000",
        "min_freq": "200000000",
        "max_freq": "800000000",
        "available_frequencies": "200000000 400000000 600000000 800000000 1000000000",
    }
    file = _written(home / "sys/class/devfreq/ff9a0000.gpu", files) / "max_freq"
    yield Plant(
        driver="devfreq",
        options={},
        actuator="ff9a0000.gpu-max",
        found=8e8,
        low=4e8,
        high=6e8,
        maximum=1e9,
        host_root=home,
        **_hands(file, 1.0),
    )


@contextmanager
def power_limit(home: Path) -> Iterator[Plant]:
    """The long-term limit of a package, in uW."""
    files = {
        "name": "package-0",
        "enabled": "1",
        "energy_uj": "1000",
        "max_energy_range_uj": "262143328850",
        "constraint_0_name": "long_term",
        "constraint_0_power_limit_uw": "65000000",
        "constraint_0_max_power_uw": "125000000",
    }
    file = _written(home / "sys/class/powercap/intel-rapl:0", files) / "constraint_0_power_limit_uw"
    yield Plant(
        driver="powercap",
        options={"zone": "intel-rapl:0"},
        actuator="package-0-long_term",
        found=65.0,
        low=40.0,
        high=90.0,
        maximum=125.0,
        host_root=home,
        **_hands(file, 1e-6),
    )


def _written(directory: Path, files: dict[str, str]) -> Path:
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(f"{text}\n")
    return directory


def _hands(file: Path, scale: float) -> dict[str, Any]:
    """How a file, one count of which is worth `scale`, is seen, meddled with and taken away."""
    aside = file.with_name(f"{file.name}.aside")
    return {
        "see": lambda: _number(file) * scale,
        "meddle": lambda value: _overwrite(file, value / scale),
        "cut": lambda: file.rename(aside),
        "mend": lambda: aside.rename(file),
    }


def _number(file: Path) -> float:
    """What stands in a file; one under the real /sys is never seen empty while it is written."""
    while not (text := file.read_text()).strip():
        pass
    return float(text)


def _overwrite(file: Path, value: float) -> None:
    """Put a number into a file in one go, as the kernel would."""
    with file.open("r+") as opened:
        opened.write(f"{value:<12.0f}\n")
