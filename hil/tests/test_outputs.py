"""Outputs do what a lease says while it lasts, the settings say without one, and the guard says above all."""

from __future__ import annotations

import pytest

from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.nodemap import (
    CONFIG,
    NO_LIMIT_W,
    OUTPUTS,
    SETPOINTS,
    TELEMETRY,
    Alarm,
    EventCode,
    SafeState,
    Source,
)
from hil.tests.registers import Registers
from tests.services import wait_until

#: What a busy machine may add to the node's 5 ms; the benchmark measures it.
LATE_MS = 500

OUTPUT = {output.name: n for n, output in enumerate(OUTPUTS)}


def does(registers: Registers, output: str) -> tuple[int, Source]:
    """What an output does, and who decides that."""
    block = registers.read(TELEMETRY)
    return block[f"output_{output}"], Source(block[f"source_{output}"])


def wait_for(registers: Registers, output: str, value: int, source: Source) -> None:
    """Return once the output does that."""
    wait_until(lambda: does(registers, output) == (value, source), f"{output} is {value} by {source.name}")


@pytest.mark.parametrize(
    ("output", "value"), [("relay1", 0), ("relay2", 1), ("fan1", 2_500), ("fan2", 0), ("power_limit", 700)]
)
def test_a_lease_holds_and_is_released(registers: Registers, output: str, value: int) -> None:
    safe = does(registers, output)
    assert safe[1] is Source.SAFE
    registers.lease(output, value, 60_000)
    wait_for(registers, output, value, Source.LEASE)
    left_ms = registers.telemetry(f"lease_{output}")
    assert 50_000 < left_ms <= 60_000
    assert all(does(registers, other)[1] is Source.SAFE for other in OUTPUT if other != output)
    registers.write(SETPOINTS, **{f"{output}_lease_ms": 0})
    # A relay whose safe state is to hold stays where the lease has put it.
    after = value if output == "relay2" else safe[0]
    wait_for(registers, output, after, Source.SAFE)


@pytest.mark.parametrize("relay", [1, 2])
def test_a_relay_is_seen_from_outside(registers: Registers, stimulus: Stimulus, relay: int) -> None:
    for closed in (1, 0, 1):
        registers.lease(f"relay{relay}", closed, 60_000)
        wait_until(lambda: stimulus.relay(relay) is bool(closed), f"relay {relay} is {closed}")  # noqa: B023


@pytest.mark.parametrize(("duty", "rpm"), [(10_000, 30_000), (5_000, 15_000), (0, 0)])
def test_a_fan_turns_as_it_is_told(registers: Registers, stimulus: Stimulus, duty: int, rpm: int) -> None:
    """QEMU's model of the fan controller turns a fan three times as fast as the duty's number."""
    registers.lease("fan2", duty, 60_000)
    wait_until(lambda: registers.telemetry("speed_fan2") == rpm, f"fan 2 turns at {rpm} rpm")


@pytest.mark.parametrize("lease_ms", [300, 1_000])
def test_a_lease_ends_by_itself(registers: Registers, lease_ms: int) -> None:
    """By the node's own clock; nobody has to ask."""
    before_ms = registers.telemetry("uptime_ms")
    registers.lease("fan1", 1_000, lease_ms)
    after_ms = registers.telemetry("uptime_ms")
    wait_for(registers, "fan1", 10_000, Source.SAFE)
    last = registers.events()[-1]
    assert (last.code, last.detail) == (EventCode.LEASE_EXPIRED, OUTPUT["fan1"])
    assert before_ms + lease_ms <= last.uptime_ms <= after_ms + lease_ms + LATE_MS


def test_a_lease_that_is_refreshed_lasts(registers: Registers) -> None:
    begun_ms = registers.telemetry("uptime_ms")
    while registers.telemetry("uptime_ms") < begun_ms + 2_000:
        registers.lease("fan1", 3_000, 1_500)
        assert does(registers, "fan1") == (3_000, Source.LEASE)
    wait_for(registers, "fan1", 10_000, Source.SAFE)


@pytest.mark.parametrize(
    ("safe", "leased", "after"),
    [
        (SafeState.OPEN, 1, 0),
        (SafeState.CLOSED, 0, 1),
        (SafeState.HOLD, 0, 0),
        (SafeState.HOLD, 1, 1),
    ],
)
def test_the_safe_state_of_a_relay(
    registers: Registers, stimulus: Stimulus, safe: SafeState, leased: int, after: int
) -> None:
    before = registers.read(CONFIG)["safe_relay2"]
    registers.configure(CONFIG, safe_relay2=safe)
    try:
        registers.lease("relay2", leased, 60_000)
        wait_for(registers, "relay2", leased, Source.LEASE)
        registers.lease("relay2", leased, 1)
        wait_for(registers, "relay2", after, Source.SAFE)
        wait_until(lambda: stimulus.relay(2) is bool(after), "the relay follows")
    finally:
        registers.configure(CONFIG, safe_relay2=before)


def test_the_guard_outranks_a_lease(registers: Registers, stimulus: Stimulus) -> None:
    """Too hot: fans full, relay 1 open, whatever is asked for. 5 °C below the limit the lease holds again."""
    registers.lease("fan1", 2_000, 60_000)
    registers.lease("relay1", 1, 60_000)
    wait_for(registers, "fan1", 2_000, Source.LEASE)
    try:
        stimulus.set("temperature_outlet", 86.0)
        wait_for(registers, "fan1", 10_000, Source.GUARD)
        wait_for(registers, "relay1", 0, Source.GUARD)
        assert not stimulus.relay(1)
        registers.lease("fan1", 1_000, 60_000)
        registers.lease("relay1", 1, 60_000)
        assert does(registers, "fan1") == (10_000, Source.GUARD)
        assert does(registers, "relay1") == (0, Source.GUARD)
        stimulus.set("temperature_outlet", 82.0)  # within the hysteresis
        wait_until(lambda: registers.telemetry("temperature_outlet") == 82_000, "82 °C are seen")
        assert does(registers, "fan1") == (10_000, Source.GUARD)
    finally:
        stimulus.set("temperature_outlet", 35.0)
    wait_for(registers, "fan1", 1_000, Source.LEASE)
    wait_for(registers, "relay1", 1, Source.LEASE)
    codes = [event.code for event in registers.events()]
    assert codes.index(EventCode.GUARD_BEGAN) < codes.index(EventCode.GUARD_ENDED)


def test_over_the_power_limit_a_relay_opens(registers: Registers, stimulus: Stimulus) -> None:
    """It stays open while the limit would not let in the power that was too much."""
    registers.lease("power_limit", 200, 60_000)
    assert does(registers, "relay1") == (1, Source.SAFE)
    try:
        stimulus.set("power_in", 300.0)
        wait_for(registers, "relay1", 0, Source.SHED)
        wait_until(lambda: not stimulus.relay(1), "relay 1 is open")
        assert Alarm(registers.telemetry("alarms")) & Alarm.OVER_POWER
        [began] = [event for event in registers.events() if event.code is EventCode.SHED_BEGAN]
        assert began.detail == pytest.approx(300, abs=1)
        stimulus.set("power_in", 120.0)
        wait_until(lambda: registers.telemetry("power_in") < 130_000, "the power is less")
        assert does(registers, "relay1") == (0, Source.SHED)
        registers.lease("power_limit", 400, 60_000)
        wait_for(registers, "relay1", 1, Source.SAFE)
        wait_until(lambda: stimulus.relay(1), "relay 1 is closed")
    finally:
        stimulus.set("power_in", 120.0)


def test_a_short_surge_sheds_nothing(registers: Registers, stimulus: Stimulus) -> None:
    before = registers.read(CONFIG)["shed_delay_ms"]
    registers.configure(CONFIG, shed_delay_ms=30_000)
    try:
        registers.lease("power_limit", 200, 60_000)
        stimulus.set("power_in", 300.0)
        wait_until(lambda: registers.telemetry("power_in") > 290_000, "the surge is seen")
        assert does(registers, "relay1") == (1, Source.SAFE)
        stimulus.set("power_in", 120.0)
        wait_until(lambda: registers.telemetry("power_in") < 130_000, "it is over")
        assert does(registers, "relay1") == (1, Source.SAFE)
    finally:
        stimulus.set("power_in", 120.0)
        registers.configure(CONFIG, shed_delay_ms=before)


def test_no_limit_sheds_nothing(registers: Registers, stimulus: Stimulus) -> None:
    assert does(registers, "power_limit") == (NO_LIMIT_W, Source.SAFE)
    try:
        stimulus.set("power_in", 600.0)
        wait_until(lambda: registers.telemetry("power_in") > 590_000, "much power")
        seen = registers.telemetry("sequence")
        wait_until(lambda: registers.telemetry("sequence") > seen + 8, "for longer than the delay")
        assert does(registers, "relay1") == (1, Source.SAFE)
    finally:
        stimulus.set("power_in", 120.0)


def test_the_key_may_be_taken_away(registers: Registers) -> None:
    """Locked, a lease that runs goes on, and ends in its time."""
    registers.lease("fan2", 4_000, 2_000)
    registers.unlock(0)
    assert does(registers, "fan2") == (4_000, Source.LEASE)
    wait_for(registers, "fan2", 10_000, Source.SAFE)
