"""What a reset must not cost: what was acknowledged just before, and the load while it lasts."""

from __future__ import annotations

import time

import pytest

from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.nodemap import CONFIG, IDENTITY, RESET_PLAIN, RESET_TO_BOOT, Capability, SafeState
from hil.tests.registers import Registers

_CLOSED = 1

#: A reset is over by then; while it lasts, no pin is driven.
_RESET_S = 1.0

#: Well within the time for which the boot loader waits.
_MEANWHILE_S = 3.0


def able(registers: Registers, capability: Capability) -> None:
    if not Capability(registers.read(IDENTITY)["capabilities"]) & capability:
        pytest.skip(f"this board cannot do that: {capability!r}")


def test_settings_acknowledged_just_before_a_reset_are_kept(node: NodeProtocol, registers: Registers) -> None:
    able(registers, Capability.STORAGE)
    before = registers.read(CONFIG)["guard_temperature"]
    try:
        for wanted in (before - 1, before - 2, before - 3, before):
            registers.configure(CONFIG, guard_temperature=wanted)
            registers.reset(RESET_PLAIN)
            registers.return_to(node)
            assert registers.read(CONFIG)["guard_temperature"] == wanted
    finally:
        registers.configure(CONFIG, guard_temperature=before)


def test_the_load_stays_on_while_the_boot_loader_waits(
    node: NodeProtocol, registers: Registers, stimulus: Stimulus
) -> None:
    """Relay 1 by its safe state, relay 2 because it is to hold what a lease had it do."""
    able(registers, Capability.UPDATE)
    config = registers.read(CONFIG)
    assert (config["safe_relay1"], config["safe_relay2"]) == (SafeState.CLOSED, SafeState.HOLD)
    registers.lease("relay2", _CLOSED, 60_000)
    registers.reset(RESET_TO_BOOT)
    time.sleep(_RESET_S)
    over_s = time.monotonic() + _MEANWHILE_S
    while time.monotonic() < over_s:
        assert stimulus.relay(1) and stimulus.relay(2)
    registers.return_to(node)
    assert stimulus.relay(1) and stimulus.relay(2)
    registers.lease("relay2", 0, 1_000)  # and it holds that
