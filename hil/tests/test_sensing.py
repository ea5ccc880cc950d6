"""What the world does arrives in the registers; what cannot be measured is a bit, never a number."""

from __future__ import annotations

import time

import pytest
from labgrid.protocol import PowerProtocol

from edgeagent_hil.rig import faults
from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.nodemap import (
    CALIBRATION,
    CHANNELS,
    DIAGNOSTICS,
    NO_VALUE,
    TELEMETRY,
    Alarm,
    Chip,
    EventCode,
)
from hil.tests.registers import PATIENCE_S, Registers
from hil.tests.settings import kept
from tests.services import wait_until

#: Absolute and relative: the chips' resolution and two conversions; of the current also that QEMU's model
#: of the adm1272 rounds its coefficient, 663 × 0.3 mΩ = 198.9, down to 198.
TOLERANCE = {"temperature": (0.07, 0), "voltage": (0.03, 0), "current": (0.06, 0.005), "power": (1.0, 0)}

SCALE = {f"{c.quantity}_{c.name}": c.scale for c in CHANNELS}

REST = {
    "temperature_board": 31.0,
    "temperature_inlet": 24.0,
    "temperature_outlet": 35.0,
    "temperature_coolant": 30.0,
    "voltage_in": 12.0,
    "voltage_out": 12.0,
    "current_out": 10.0,
    "power_in": 120.0,
}


def shows(registers: Registers, channel: str, value: float) -> None:
    """Return once the node shows the value."""
    absolute, relative = TOLERANCE[channel.partition("_")[0]]
    near = pytest.approx(value, abs=max(absolute, relative * value))
    deadline = time.monotonic() + PATIENCE_S
    while (shown := registers.telemetry(channel) * SCALE[channel]) != near:
        assert time.monotonic() < deadline, f"{channel} is {shown:g}, not {value:g}"


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        ("temperature_board", 61.25),
        ("temperature_board", -12.5),
        ("temperature_inlet", 41.0),
        ("temperature_outlet", 66.0),
        ("temperature_coolant", 52.0),
        ("voltage_in", 48.0),
        ("voltage_in", 10.5),
        ("voltage_out", 0.0),
        ("current_out", 31.5),
        ("power_in", 242.0),
        ("power_in", 0.0),
    ],
)
def test_a_forced_quantity_is_measured(
    registers: Registers, stimulus: Stimulus, channel: str, value: float
) -> None:
    others = [name for name in REST if name != channel]
    held = {name: stimulus.set(name, REST[name]) for name in others}
    try:
        shows(registers, channel, stimulus.set(channel, value))
        for name in others:
            shows(registers, name, held[name])
    finally:
        stimulus.set(channel, REST[channel])


def test_passes_follow_one_another(registers: Registers) -> None:
    """Ten passes a second, each with a number and a time of its own; blocks of one pass agree."""
    seen: dict[int, set[tuple[int, int]]] = {}
    for _ in range(60):
        block = registers.read(TELEMETRY)
        seen.setdefault(block["sequence"], set()).add((block["measured_ms"], block["power_in"]))
        assert block["measured_ms"] <= block["uptime_ms"]
    assert all(len(each) == 1 for each in seen.values())
    first = registers.read(TELEMETRY)
    wait_until(lambda: registers.telemetry("sequence") >= first["sequence"] + 10, "ten passes")
    last = registers.read(TELEMETRY)
    passes = last["sequence"] - first["sequence"]
    assert 80 <= (last["measured_ms"] - first["measured_ms"]) / passes <= 1000


def test_energy_is_power_times_time(registers: Registers, stimulus: Stimulus) -> None:
    power_w = stimulus.set("power_in", 500.0)
    try:
        shows(registers, "power_in", power_w)
        first = registers.read(TELEMETRY)
        wait_until(lambda: registers.telemetry("sequence") >= first["sequence"] + 15, "passes")
        last = registers.read(TELEMETRY)
    finally:
        stimulus.set("power_in", REST["power_in"])
    spent_s = (last["measured_ms"] - first["measured_ms"]) / 1e3
    gained_j = (last["energy_in"] - first["energy_in"]) / 1e3
    # Only the first of the passes may have begun before the power was there.
    assert gained_j == pytest.approx(last["power_in"] / 1e3 * spent_s, rel=0.01)


def test_a_stuck_sensor(registers: Registers, stimulus: Stimulus) -> None:
    stimulus.set("temperature_inlet", 24.0)
    shows(registers, "temperature_inlet", 24.0)
    with stimulus.stuck("temperature_inlet"):
        stimulus.set("temperature_inlet", 44.0)
        stimulus.set("temperature_outlet", 55.0)
        shows(registers, "temperature_outlet", 55.0)
        assert registers.telemetry("temperature_inlet") == 24_000
    shows(registers, "temperature_inlet", 44.0)
    for name in ("temperature_inlet", "temperature_outlet"):
        stimulus.set(name, REST[name])


def test_a_drifting_sensor(registers: Registers, stimulus: Stimulus) -> None:
    seen = []
    with faults.drift(stimulus, "temperature_board", 31.0, 10.0):

        def far() -> bool:
            seen.append(registers.telemetry("temperature_board"))
            return seen[-1] >= 40_000

        wait_until(far, "it has drifted by 9 degrees")
    assert seen == sorted(seen) and len(set(seen)) > 3
    shows(registers, "temperature_board", 31.0)


def test_the_world_goes_on_without_power(
    node: NodeProtocol, registers: Registers, stimulus: Stimulus, power: PowerProtocol
) -> None:
    """What changed while the node was off is what it shows when it is on again, from its first pass."""
    with faults.powerless(power):
        stimulus.set("temperature_inlet", 38.0)
        stimulus.set("power_in", 222.0)
    registers.return_to(node)
    try:
        wait_until(lambda: registers.telemetry("sequence") > 0, "the first pass")
        assert registers.telemetry("temperature_inlet") == 38_000
        assert registers.telemetry("power_in") == pytest.approx(222_000, abs=1_000)
    finally:
        for name in ("temperature_inlet", "power_in"):
            stimulus.set(name, REST[name])


def test_a_calibrated_channel(registers: Registers, stimulus: Stimulus) -> None:
    """true = measured × (1 + gain) + offset."""
    name = "temperature_coolant"
    stimulus.set(name, 50.0)
    try:
        with kept(registers):
            registers.configure(CALIBRATION, **{f"{name}_gain": 20_000, f"{name}_offset": -1_500})
            shows(registers, name, 50.0 * 1.02 - 1.5)
    finally:
        stimulus.set(name, REST[name])
    shows(registers, name, REST[name])


@pytest.mark.parametrize(
    ("id_", "chip"),
    [("board", Chip.TMP105), ("air", Chip.EMC1413), ("hotswap", Chip.ADM1272), ("fans", Chip.MAX31785)],
)
def test_a_missing_chip(
    node: NodeProtocol, machine: Machine, registers: Registers, id_: str, chip: Chip
) -> None:
    with faults.missing(machine, id_):
        registers.return_to(node)
        wait_until(lambda: registers.telemetry("sequence") >= 2, "it measures")
        block = registers.read(TELEMETRY)
        for n, channel in enumerate(CHANNELS):
            there = bool(block["valid"] >> n & 1)
            assert there is (channel.chip is not chip)
            assert there is (block[f"{channel.quantity}_{channel.name}"] != NO_VALUE)
        assert Alarm(block["alarms"]) & Alarm.SENSOR_MISSING
        assert registers.read(DIAGNOSTICS)[f"i2c_errors_{chip.name.lower()}"] > 0
        assert registers.has_event(EventCode.SENSOR_LOST, chip)
    registers.return_to(node)
    wait_until(lambda: registers.telemetry("valid") == (1 << len(CHANNELS)) - 1, "it is whole again")


def test_blind_to_temperature_the_guard_acts(
    node: NodeProtocol, machine: Machine, registers: Registers
) -> None:
    with faults.missing(machine, "board", "air"):
        registers.return_to(node)
        wait_until(lambda: bool(Alarm(registers.telemetry("alarms")) & Alarm.NO_TEMPERATURE), "it notices")
        block = registers.read(TELEMETRY)
        assert (block["output_fan1"], block["output_fan2"], block["output_relay1"]) == (10_000, 10_000, 0)
    registers.return_to(node)


@pytest.mark.parametrize("fan", [1, 2])
def test_a_stalled_fan(machine: Machine, registers: Registers, fan: int) -> None:
    """Three seconds at least, for a fan takes its time to start; the other one turns on."""

    def stalled() -> bool:
        return bool(Alarm(registers.telemetry("alarms")) & Alarm.FAN_STALLED)

    with faults.stalled(machine, fan):
        wait_until(stalled, "the node notices")
        block = registers.read(TELEMETRY)
        assert (block[f"speed_fan{fan}"], block[f"speed_fan{3 - fan}"]) == (0, 30_000)
        assert registers.has_event(EventCode.FAN_STALLED, fan)
    wait_until(lambda: not stalled(), "it turns again")
    assert registers.has_event(EventCode.FAN_TURNS, fan)
