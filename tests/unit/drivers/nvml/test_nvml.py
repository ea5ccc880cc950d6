"""The nvml driver, by the real nvidia-ml-py, against a library of the tests'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeagent.drivers.nvml import NvmlSensor
from edgeagent.drivers.nvml.options import NvmlOptions
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Actuator, Host
from edgeagent_sdk.errors import DriverError

from ..trees import build, good, reasons, values
from .conftest import TRACES
from .fake import FULL, INSTANCE, PARENT, Fake, compiled

WHOLE = {
    "power/board": 412.5,
    "energy/board": 5e6,
    "power/limit": 700.0,
    "temperature/core": 61.0,
    "frequency/sm": 1755e6,
    "frequency/memory": 2619e6,
    "utilization/gpu": 0.97,
    "utilization/memory": 0.4,
    "size/memory-used": 3.0 * 2**30,
    "size/memory-total": 80.0 * 2**30,
    "state/performance": 2.0,
    "state/throttle": 4.0,
    "temperature/memory": 74.0,
    "duty/fan0": 0.35,
}


def sensor(host: Host, gpu: str = FULL) -> NvmlSensor:
    return NvmlSensor(host, NvmlOptions(gpu=gpu))


def actuator(made: NvmlSensor, name: str) -> Actuator:
    return next(a for a in made.actuators() if a.info.name == name)


def without(*keys: str) -> dict[str, float]:
    return {key: value for key, value in WHOLE.items() if key not in keys}


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        pytest.param(FULL, WHOLE, id="by its UUID"),
        pytest.param("0", WHOLE, id="by its number"),
        pytest.param(
            PARENT,
            without("utilization/gpu", "utilization/memory", "duty/fan0"),
            id="what MIG mode takes away is left out",
        ),
        pytest.param(
            INSTANCE,
            {"size/memory-used": 3.0 * 2**30, "size/memory-total": 10.0 * 2**30},
            id="a MIG instance has its memory only",
        ),
    ],
)
def test_readings(fake: Fake, host: Host, gpu: str, expected: dict[str, float]) -> None:
    assert good(values(sensor(host, gpu))) == expected
    assert fake.users == 0


@pytest.mark.parametrize(
    ("numbers", "key", "words"),
    [
        pytest.param({"power_mw": 2**32 - 1}, "power/board", "not available", id="32 bits"),
        pytest.param({"used": -1}, "size/memory-used", "not available", id="64 bits"),
    ],
)
def test_what_is_not_available_is_a_fault(
    fake: Fake, host: Host, numbers: dict[str, int], key: str, words: str
) -> None:
    fake.set(**numbers)
    found = values(sensor(host))
    assert words in reasons(found)[key]
    assert len(good(found)) == len(WHOLE) - 1


def test_an_unknown_performance_state_is_outside_its_channel(fake: Fake, host: Host) -> None:
    fake.set(pstate=32)
    made = sensor(host)
    channels = {channel.name: channel for channel in made.open()}
    assert channels["performance"].maximum < 32  # what is outside is a fault to the agent
    made.close()


def test_a_memory_without_a_sensor_says_0_and_has_no_channel(fake: Fake, host: Host) -> None:
    fake.set(memory_c=0)
    assert good(values(sensor(host))) == without("temperature/memory")


def test_one_call_that_fails_costs_its_own_channel(fake: Fake, host: Host) -> None:
    made = sensor(host)
    keys = [f"{c.quantity.name}/{c.name}" for c in made.open()]
    fake.fail("nvmlDeviceGetPowerUsage", 999)
    found = dict(zip(keys, made.read(), strict=True))
    assert reasons(found) == {"power/board": "NVML: unknown error"}
    made.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(15, "gpu is lost; the GPU has fallen off the bus", id="lost"),
        pytest.param(9, "driver not loaded; load the driver: modprobe nvidia", id="driver unloaded"),
        pytest.param(18, "version mismatch; the driver was updated under way", id="driver updated"),
    ],
)
def test_a_gpu_that_is_gone_fails_as_a_whole_and_comes_back(
    fake: Fake, host: Host, code: int, words: str
) -> None:
    made = sensor(host)
    made.open()
    fake.fail("*", code)
    with pytest.raises(DriverError, match=words):
        made.read()
    made.close()
    with pytest.raises(DriverError, match=words):
        made.open()
    made.close()
    fake.fail("*", 0)
    assert made.open() and not any(isinstance(value, Fault) for value in made.read())
    made.close()


def test_energy_goes_on_over_a_reload_of_the_driver_and_a_restart(fake: Fake, tmp_path: Path) -> None:
    host = Host(build(tmp_path, TRACES).root, tmp_path)
    fake.set(energy_mj=4_000_000)
    assert good(values(sensor(host)))["energy/board"] == 4000.0
    fake.set(energy_mj=10_000)  # the counter begins with the driver
    assert good(values(sensor(host)))["energy/board"] == 4010.0


@pytest.mark.parametrize("state", [{"gpus": 0}, {}], ids=["no GPU", "another GPU"])
def test_a_gpu_that_is_not_there(fake: Fake, host: Host, state: dict[str, int]) -> None:
    fake.set(**state)
    with pytest.raises(DriverError, match=r"GPU GPU-no is not there \(GPUs here: (none|GPU-0.*MIG-6)"):
        sensor(host, "GPU-no").open()


def test_a_number_that_means_another_gpu_after_a_while_is_refused(fake: Fake, host: Host) -> None:
    made = sensor(host, "0")
    made.open()
    made.close()
    fake.set(swapped=1)
    with pytest.raises(DriverError, match=f"another one now: {PARENT}, not {FULL}; name the GPU by its UUID"):
        made.open()
    made.close()


def test_slowdown_by_heat_is_an_event_once(fake: Fake, host: Host) -> None:
    made = sensor(host)
    made.open()
    told = []
    for throttle in (1, 4, 0x44, 0x44, 4):
        fake.set(throttle=throttle)
        made.read()
        told += [occurrence.message for occurrence in made.occurrences()]
    made.close()
    assert told == [
        "the GPU is slowed down: power limit, thermal slowdown by the hardware",
        "the GPU is no longer slowed down",
    ]


def test_the_power_limit(fake: Fake, host: Host) -> None:
    made = sensor(host)
    made.open()
    limit = actuator(made, "power-limit")
    assert limit.info[:4] == ("power-limit", "power", 200.0, 700.0)
    limit.set(350.0)
    assert (limit.get(), fake.get("limit_mw")) == (350.0, 350_000)
    fake.set(limit_mw=500_000)
    assert limit.get() == 500.0
    made.close()


def test_the_clock_limit(fake: Fake, host: Host) -> None:
    made = sensor(host)
    made.open()
    limit = actuator(made, "sm-clock-limit")
    assert limit.info[:4] == ("sm-clock-limit", "frequency", 210e6, 1980e6)
    assert limit.info.step == 15e6
    assert limit.get() == 1980e6
    limit.set(1200e6)
    assert (fake.get("locked_from_mhz"), fake.get("locked_mhz"), limit.get()) == (210, 1200, 1200e6)
    limit.set(1980e6)
    assert (fake.get("locked_mhz"), limit.get()) == (0, 1980e6)
    made.close()


def test_a_lock_that_another_took_away_shows_in_the_clock(
    fake: Fake, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeagent.drivers.nvml.limits._SETTLE_S", 0.0)
    made = sensor(host)
    made.open()
    limit = actuator(made, "sm-clock-limit")
    fake.set(sm_mhz=1980)
    limit.set(1200e6)
    assert limit.get() == 1200e6
    fake.set(locked_mhz=0)
    assert limit.get() == 1980e6
    made.close()


@pytest.mark.parametrize(
    ("boot", "keeps", "expected"),
    [
        pytest.param("boot-1", True, 1200e6, id="a restart of the agent"),
        pytest.param("boot-2", True, 1980e6, id="a restart of the machine, which no lock outlives"),
        pytest.param("boot-1", False, 1980e6, id="nowhere to keep it"),
    ],
)
def test_our_own_lock_is_known_after_a_kill(
    fake: Fake, tmp_path: Path, boot: str, keeps: bool, expected: float
) -> None:
    host = Host(build(tmp_path, TRACES).root, tmp_path if keeps else None)
    killed = sensor(host)
    killed.open()
    actuator(killed, "sm-clock-limit").set(1200e6)
    host.path("/proc/sys/kernel/random/boot_id").write_text(boot)
    made = sensor(host)
    made.open()
    limit = actuator(made, "sm-clock-limit")
    fake.set(sm_mhz=210)
    assert limit.get() == expected
    limit.set(1980e6)
    assert (fake.get("locked_mhz"), limit.get()) == (0, 1980e6)
    assert not list(tmp_path.glob("*-lock.json"))
    made.close()
    killed.close()


def test_our_own_lock_is_known_after_the_gpu_was_away(fake: Fake, host: Host) -> None:
    made = sensor(host)
    made.open()
    actuator(made, "sm-clock-limit").set(1200e6)
    made.close()
    made.open()
    assert actuator(made, "sm-clock-limit").get() == 1200e6
    made.close()


@pytest.mark.parametrize("before", [1980e6, 1500e6], ids=["no lock", "a lock"])
def test_a_lock_that_is_refused_leaves_what_was_before(fake: Fake, tmp_path: Path, before: float) -> None:
    made = sensor(Host(build(tmp_path, TRACES).root, tmp_path))
    made.open()
    limit = actuator(made, "sm-clock-limit")
    limit.set(before)
    fake.fail("nvmlDeviceSetGpuLockedClocks", 4)
    with pytest.raises(DriverError, match="insufficient permissions"):
        limit.set(1200e6)
    assert limit.get() == before
    made.close()


def test_a_lock_that_cannot_be_noted_is_not_taken(fake: Fake, tmp_path: Path) -> None:
    made = sensor(Host(build(tmp_path, TRACES).root, tmp_path / "gone"))
    made.open()
    limit = actuator(made, "sm-clock-limit")
    with pytest.raises(DriverError, match=r"cannot be noted first: .*-lock\.json: cannot be written"):
        limit.set(1200e6)
    assert (fake.get("locked_mhz"), limit.get()) == (-1, 1980e6)
    made.close()


@pytest.mark.parametrize(
    ("name", "function", "value"),
    [
        ("power-limit", "nvmlDeviceSetPowerManagementLimit", 350.0),
        ("sm-clock-limit", "nvmlDeviceSetGpuLockedClocks", 1200e6),
        ("sm-clock-limit", "nvmlDeviceResetGpuLockedClocks", 1980e6),
    ],
)
def test_without_the_right_to_set(fake: Fake, host: Host, name: str, function: str, value: float) -> None:
    made = sensor(host)
    made.open()
    fake.fail(function, 4)
    with pytest.raises(
        DriverError, match=f"{name} cannot be set: NVML: insufficient permissions.*CAP_SYS_ADMIN"
    ):
        actuator(made, name).set(value)
    made.close()


def test_what_cannot_be_set_is_no_actuator(fake: Fake, host: Host) -> None:
    made = sensor(host, INSTANCE)
    made.open()
    assert made.actuators() == []
    made.close()


def test_discovery(fake: Fake, host: Host) -> None:
    found = list(NvmlSensor.discover(host))
    assert [(f.device, f.options["gpu"], f.missing) for f in found] == [
        ("gpu0", FULL, ""),
        ("gpu1", PARENT, ""),
        ("gpu1-mig0", INSTANCE, ""),
    ]
    assert fake.users == 0


@pytest.mark.parametrize(
    ("code", "missing", "remedy"),
    [
        (9, "NVML: driver not loaded", "modprobe nvidia"),
        (12, "NVML: nvml shared library not found", "libnvidia-ml"),
        (4, "NVML: insufficient permissions", "ls -l /dev/nvidia*"),
    ],
)
def test_discovery_says_what_is_missing(fake: Fake, host: Host, code: int, missing: str, remedy: str) -> None:
    fake.fail("nvmlInitWithFlags", code)
    (found,) = NvmlSensor.discover(host)
    assert found.missing == missing
    assert remedy in found.remedy


def test_a_machine_without_nvidia(tmp_path: Path) -> None:
    assert list(NvmlSensor.discover(Host(tmp_path))) == []


GPU_ON_PCI: dict[str, str | bytes | Path] = {
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
    "sys/bus/pci/devices/0000:02:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:02:00.0/class": "0x040300\n",
}


def test_a_gpu_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (found,) = NvmlSensor.discover(build(tmp_path, GPU_ON_PCI))
    assert found.summary == "NVIDIA GPU (0000:01:00.0)"
    assert found.missing == "the Python package nvidia-ml-py is not installed"
    assert found.remedy == "pip install 'edgeagent[nvml]'"


@pytest.mark.parametrize("has_library", [True, False], ids=["library", "no library"])
def test_probe_as_a_process_of_its_own(tmp_path: Path, has_library: bool) -> None:
    root = build(tmp_path / "root", TRACES).root
    environment = os.environ | ({"LD_LIBRARY_PATH": str(compiled(tmp_path).parent)} if has_library else {})
    command = [sys.executable, "-m", "edgeagent", "probe", "--json", "--root", str(root)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rows = [row for row in json.loads(answer.stdout) if row["driver"] == "nvml"]
    if has_library:
        assert [row["options"]["gpu"] for row in rows] == [FULL, PARENT, INSTANCE]
    else:
        assert [row["missing"] for row in rows] == ["NVML: nvml shared library not found"]
