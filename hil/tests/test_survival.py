"""What a node keeps through a hang, a reset and a power cut, and what it says of each."""

from __future__ import annotations

import random
import time

import pytest
from labgrid.protocol import PowerProtocol

from edgeagent_hil.rig import faults
from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.nodemap import (
    CALIBRATION,
    CONFIG,
    DIAGNOSTICS,
    IDENTITY,
    KEY_CONFIG,
    RESET_PLAIN,
    TELEMETRY,
    Alarm,
    Capability,
    EventCode,
    ResetCause,
    Source,
)
from hil.tests.registers import Refused, Registers
from hil.tests.settings import ELSEWHERE, kept
from tests.services import wait_until

#: The hardware watchdog bites after two seconds; the rest is for a busy machine.
BITES_S = 20.0


def need(registers: Registers, ability: Capability) -> None:
    """Skip the test on a board that cannot do it, by its own word."""
    if not Capability(registers.read(IDENTITY)["capabilities"]) & ability:
        pytest.skip(f"this board has no {ability.name}")


def told(registers: Registers) -> dict[str, int]:
    """Telemetry and diagnostics."""
    return registers.read(TELEMETRY) | registers.read(DIAGNOSTICS)


def test_a_hung_node_starts_again(node: NodeProtocol, machine: Machine, registers: Registers) -> None:
    """The hardware watchdog resets it; it counts that, and goes on counting energy."""
    wait_until(lambda: registers.telemetry("energy_in") > 0, "there is energy to keep")
    before = told(registers)
    mark = machine.qmp.mark()
    with faults.hung(machine):
        assert registers.master.ask(bytes([4, 1, 0, 0, 1]), 0.5) == b""
        faults.wait_for_reset(machine, mark, BITES_S)
    registers.return_to(node)
    after = told(registers)
    assert after["reset_cause"] == ResetCause.WATCHDOG
    assert after["watchdog_resets"] == before["watchdog_resets"] + 1
    assert after["boot_count"] == before["boot_count"] + 1
    assert after["energy_in"] >= before["energy_in"] > 0
    assert registers.has_event(EventCode.STARTED, ResetCause.WATCHDOG)


def test_a_reset_that_was_asked_for(node: NodeProtocol, registers: Registers) -> None:
    wait_until(lambda: registers.telemetry("energy_in") > 0, "there is energy to keep")
    before = told(registers)
    registers.reset(RESET_PLAIN)
    registers.return_to(node)
    after = told(registers)
    assert after["reset_cause"] == ResetCause.REQUESTED
    assert after["watchdog_resets"] == before["watchdog_resets"]
    assert after["boot_count"] == before["boot_count"] + 1
    assert after["energy_in"] >= before["energy_in"] > 0
    assert after["uptime_ms"] < before["uptime_ms"] + 60_000


def test_no_lease_and_no_key_outlive_a_reset(node: NodeProtocol, registers: Registers) -> None:
    registers.lease("fan1", 2_000, 600_000)
    registers.reset(RESET_PLAIN)
    node.wait_ready()
    registers.master.reopen()
    block = registers.read(TELEMETRY)
    assert (block["unlocked"], block["lease_fan1"]) == (0, 0)
    assert (block["output_fan1"], block["source_fan1"]) == (10_000, Source.SAFE)
    with pytest.raises(Refused):
        registers.lease("fan1", 2_000, 1_000)


def test_a_relay_that_is_to_hold_does_so_over_a_reset(
    node: NodeProtocol, registers: Registers, stimulus: Stimulus
) -> None:
    registers.lease("relay2", 1, 200)
    wait_until(lambda: registers.telemetry("source_relay2") == Source.SAFE, "the lease is over")
    assert registers.telemetry("output_relay2") == 1
    registers.reset(RESET_PLAIN)
    registers.return_to(node)
    wait_until(lambda: stimulus.relay(2), "relay 2 is closed")


def test_a_power_cut(node: NodeProtocol, power: PowerProtocol, registers: Registers) -> None:
    before = told(registers)
    with faults.powerless(power):
        pass
    registers.return_to(node)
    after = told(registers)
    assert after["reset_cause"] == ResetCause.POWER_ON
    assert after["output_relay2"] == 0, "a relay that is to hold has nothing to hold on to"
    assert registers.has_event(EventCode.STARTED, ResetCause.POWER_ON)
    if Capability(registers.read(IDENTITY)["capabilities"]) & Capability.STORAGE:
        assert after["boot_count"] == before["boot_count"] + 1
    else:
        assert after["boot_count"] == 1


def test_energy_survives_a_power_cut(node: NodeProtocol, machine: Machine, registers: Registers) -> None:
    """It is written once a minute: what a cut costs is less than that, and never what was written."""
    need(registers, Capability.STORAGE)
    wait_until(lambda: registers.telemetry("energy_in") > 0, "there is energy to keep")
    before = told(registers)
    faults.leap(machine, 60.0)
    wait_until(lambda: told(registers)["storage_writes"] > before["storage_writes"], "it is written")
    with faults.powerless(machine):
        pass
    registers.return_to(node)
    assert told(registers)["energy_in"] >= before["energy_in"] > 0


def test_settings_survive_a_power_cut(node: NodeProtocol, power: PowerProtocol, registers: Registers) -> None:
    need(registers, Capability.STORAGE)
    with kept(registers):
        registers.configure(CONFIG, serial_number=0x2A2B2C2D, safe_fan1=7_000)
        registers.configure(CALIBRATION, temperature_board_offset=250)
        wait_until(lambda: registers.telemetry("output_fan1") == 7_000, "the new safe state holds")
        with faults.powerless(power):
            pass
        registers.return_to(node)
        assert registers.read(IDENTITY)["serial_number"] == 0x2A2B2C2D
        assert registers.read(CALIBRATION)["temperature_board_offset"] == 250
        assert registers.telemetry("output_fan1") == 7_000
        assert not Alarm(registers.telemetry("alarms")) & Alarm.SETTINGS_DEFAULT


def test_power_cuts_while_settings_are_written(
    node: NodeProtocol, power: PowerProtocol, registers: Registers
) -> None:
    """Whenever the power goes, the settings are the old ones or the new ones, whole."""
    need(registers, Capability.STORAGE)
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    registers.configure(CONFIG, serial_number=0, shed_delay_ms=500)
    stored = 0
    for number in range(1, 9):
        registers.unlock(KEY_CONFIG)
        registers.write(CONFIG, serial_number=number)
        time.sleep(random_.uniform(0.0, 0.03))
        with faults.powerless(power):
            pass
        registers.return_to(node)
        config = registers.read(CONFIG)
        assert config["serial_number"] in (stored, number)
        stored = config["serial_number"]
        assert config["shed_delay_ms"] == 500
        block = told(registers)
        assert not Alarm(block["alarms"]) & (Alarm.SETTINGS_DEFAULT | Alarm.STORAGE_FAILED)
        assert block["energy_in"] > 0


def test_another_slave_id(registers: Registers) -> None:
    """The next request already goes there; nobody answers at the old address."""
    old = registers.master.slave
    with kept(registers):
        registers.unlock(KEY_CONFIG)
        registers.write(CONFIG, slave_id=ELSEWHERE)
        assert registers.master.ask(bytes([4, 1, 0, 0, 1]), 0.3) == b""
        registers.master.slave = ELSEWHERE
        assert registers.telemetry("block") == 0xB002
    assert registers.master.slave == old
    assert registers.telemetry("block") == 0xB002
