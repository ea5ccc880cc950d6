"""RAPL: a total that only grows, over wraps, restarts and reboots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.powercap import PowercapOptions, PowercapSensor
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

from .trees import build

Z = "sys/class/powercap/intel-rapl:0"
TREE: dict[str, str | bytes | Path] = {
    f"{Z}/name": "package-0\n",
    f"{Z}/energy_uj": "1000000\n",
    f"{Z}/max_energy_range_uj": "262143328850\n",
    f"{Z}/intel-rapl:0:0/name": "dram\n",
    f"{Z}/intel-rapl:0:0/energy_uj": "500000\n",
    f"{Z}/intel-rapl:0:0/max_energy_range_uj": "65712999613\n",
    "proc/sys/kernel/random/boot_id": "boot-1\n",
}


@given(
    range_=st.integers(10, 10_000),
    start=st.integers(0, 9),
    steps=st.lists(st.integers(0, 9_999), max_size=50),
)
def test_any_number_of_wraps_over_many_readings_adds_up(range_: int, start: int, steps: list[int]) -> None:
    counter = WrapCounter(range_)
    true = start
    counter.update(true % range_, 0.0)
    for step in steps:
        true += step % range_  # at most once round between two readings
        counter.update(true % range_, 0.0)
    assert counter.total == true


@pytest.mark.parametrize(
    ("rate", "pause_s", "rounds"),
    [
        pytest.param(100.0, 1.0, 0, id="no wrap"),
        pytest.param(100.0, 12.0, 1, id="once"),
        pytest.param(100.0, 35.0, 3, id="three times in one long pause"),
        pytest.param(100.0, 1234.0, 123, id="after an hour asleep"),
    ],
)
def test_several_wraps_between_two_readings_follow_the_rate(rate: float, pause_s: float, rounds: int) -> None:
    counter = WrapCounter(1000.0, rate_max=200.0)
    true = 0.0
    counter.update(0.0, 0.0)
    for now_s in (1.0, 2.0, 3.0, 3.0 + pause_s):
        true = rate * now_s
        counter.update(true % 1000.0, now_s)
    assert counter.total == pytest.approx(true)
    assert int(pause_s * rate // 1000) in (rounds, rounds - 1)


def test_the_rate_of_late_never_invents_more_than_is_possible() -> None:
    counter = WrapCounter(1000.0, rate_max=150.0)
    counter.update(0.0, 0.0)
    counter.update(149.0, 0.001)  # just possible, but an absurd rate
    assert counter.update(199.0, 10.001) <= 149.0 + 150.0 * 10.0


@pytest.mark.parametrize(
    ("raws", "totals"),
    [
        pytest.param((500, 600, 5, 15), (500, 600, 605, 615), id="set to 0: no whole range is invented"),
        pytest.param((500, 900_000, 600, 610), (500, 500, 500, 510), id="one absurd value upwards"),
        pytest.param((500, 0, 600, 610), (500, 500, 500, 510), id="one absurd value downwards"),
        pytest.param((999_990, 5, 10), (999_990, 1_000_005, 1_000_010), id="a true wrap"),
    ],
)
def test_what_is_impossible_is_no_gain(raws: tuple[int, ...], totals: tuple[int, ...]) -> None:
    counter = WrapCounter(1e6, rate_max=100.0)
    assert tuple(counter.update(raw, now_s) for now_s, raw in enumerate(raws)) == totals


@given(st.lists(st.floats(0, 1e12), max_size=30), st.booleans())
def test_a_total_never_falls(raws: list[float], has_range: bool) -> None:
    counter = WrapCounter(2e12 if has_range else None, 1e9)
    totals = [counter.update(raw, now_s) for now_s, raw in enumerate(raws)]
    assert totals == sorted(totals)


def test_without_a_range_a_fall_is_a_new_beginning() -> None:
    counter = WrapCounter(None)
    assert [counter.update(raw, 0.0) for raw in (100.0, 150.0, 20.0, 30.0)] == [100.0, 150.0, 170.0, 180.0]


def sensor(host: Host) -> PowercapSensor:
    return PowercapSensor(host, PowercapOptions(zone="intel-rapl:0"))


def test_energy_and_power_of_a_package_and_its_parts(tmp_path: Path) -> None:
    made = sensor(build(tmp_path, TREE))
    names = [f"{c.quantity.name}/{c.name}" for c in made.open()]
    assert names == ["energy/package-0", "power/package-0", "energy/dram", "power/dram"]
    (tmp_path / Z / "energy_uj").write_text("3000000")
    energy, power, dram_energy, dram_power = made.read()
    assert (energy, dram_energy, dram_power) == (3.0, 0.5, 0.0)
    assert isinstance(power, float) and power > 0


def test_a_wrap_is_not_seen_outside(tmp_path: Path) -> None:
    made = sensor(build(tmp_path, TREE | {f"{Z}/energy_uj": "262143000000"}))
    made.open()
    before = made.read()[0]
    (tmp_path / Z / "energy_uj").write_text("671150")
    after = made.read()[0]
    assert isinstance(before, float) and isinstance(after, float)
    assert after - before == pytest.approx(1.0)


@pytest.mark.parametrize("content", ["", "0", "unreadable"])
def test_an_unreadable_range_is_no_obstacle(tmp_path: Path, content: str) -> None:
    made = sensor(build(tmp_path, TREE | {f"{Z}/max_energy_range_uj": content}))
    made.open()
    (tmp_path / Z / "energy_uj").write_text("4000000")
    assert made.read()[0] == 4.0
    (tmp_path / Z / "energy_uj").write_text("1000000")
    assert made.read()[0] == 5.0


@pytest.mark.parametrize("absurd", ["-5", "nan", "inf", "1e30", "262143328851", "", "no", "1\x002"])
def test_an_absurd_count_is_a_fault_and_leaves_no_trace(tmp_path: Path, absurd: str) -> None:
    made = sensor(build(tmp_path, TREE))
    made.open()
    (tmp_path / Z / "energy_uj").write_text(absurd)
    energy, power, *dram = made.read()
    assert isinstance(energy, Fault) and isinstance(power, Fault)
    assert dram == [0.5, 0.0]
    (tmp_path / Z / "energy_uj").write_text("2000000")
    assert made.read()[0] == 2.0


def test_a_part_that_appears_later_is_taken_up_at_the_next_opening(tmp_path: Path) -> None:
    made = sensor(build(tmp_path, TREE))
    made.open()
    made.close()
    build(tmp_path, {f"{Z}/intel-rapl:0:1/name": "core", f"{Z}/intel-rapl:0:1/energy_uj": "7000000"})
    assert [c.name for c in made.open()][::2] == ["package-0", "dram", "core"]
    assert made.read()[4] == 7.0


@pytest.mark.parametrize(
    ("boot_id", "raw", "total_j"),
    [
        pytest.param("boot-1", "7000000", 7.0, id="the agent restarts: the register went on"),
        pytest.param("boot-2", "2000000", 8.0, id="the machine restarts: the register began again"),
    ],
)
def test_totals_over_restarts(tmp_path: Path, boot_id: str, raw: str, total_j: float) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    state.mkdir()
    host = Host(build(root, TREE | {f"{Z}/energy_uj": "6000000"}).root, state)
    first = sensor(host)
    first.open()
    assert first.read()[0] == 6.0
    first.close()
    build(root, {"proc/sys/kernel/random/boot_id": boot_id, f"{Z}/energy_uj": raw})
    second = sensor(host)
    second.open()
    assert second.read()[0] == pytest.approx(total_j)


def counted(state: Path, boot_id: str, range_: float = 1000.0) -> tuple[WrapCounter, TotalsFile]:
    """A counter as a new process finds it."""
    counter, file = WrapCounter(range_, rate_max=150.0), TotalsFile(state, boot_id)
    file.restore({"x": counter})
    return counter, file


def test_rounds_made_while_the_agent_was_down_are_counted(tmp_path: Path) -> None:
    counter, file = counted(tmp_path / "totals", "boot-1")
    for now_s in range(5):
        counter.update(100.0 * now_s % 1000, now_s)
    file.save({"x": counter}, now=True)
    later, _ = counted(tmp_path / "totals", "boot-1")
    assert later.update(100.0 * 3600 % 1000, 3600.0) == pytest.approx(360_000.0)


def test_a_total_outlives_a_boot_in_which_the_register_could_not_be_read(tmp_path: Path) -> None:
    counter, file = counted(tmp_path / "totals", "boot-1")
    counter.update(700.0, 100.0)
    file.save({"x": counter}, now=True)
    counter, file = counted(tmp_path / "totals", "boot-2")
    file.save({"x": counter}, now=True)
    counter, _ = counted(tmp_path / "totals", "boot-2")
    assert counter.update(50.0, 10.0) == 750.0


_EVENTS = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from(["read", "saved", "killed", "ended", "rebooted"])),
    max_size=40,
)


@given(_EVENTS)
def test_nothing_is_lost_or_doubled_over_restarts(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, str]]
) -> None:
    """Killed: what was not saved is forgotten, but the register has it. Rebooted after a clean end."""
    state = tmp_path_factory.mktemp("state") / "totals"
    range_ = 10_000  # no rate of this test goes half round it, so there is one answer
    boot, register, true = 0, 9_900, 9_900
    counter, file = counted(state, "boot-0", range_)
    for now_s, (gain, event) in enumerate(events):
        register, true = (register + gain) % range_, true + gain
        assert counter.update(register, now_s) == true
        if event not in ("read", "killed"):
            file.save({"x": counter}, now=True)
        if event == "rebooted":
            boot, register = boot + 1, 0
        if event in ("killed", "ended", "rebooted") and state.exists():
            counter, file = counted(state, f"boot-{boot}", range_)


def test_a_full_disk_costs_no_reading(tmp_path: Path) -> None:
    made = PowercapSensor(
        Host(build(tmp_path, TREE).root, tmp_path / "missing"), PowercapOptions(zone="intel-rapl:0")
    )
    made.open()
    made.close()
    assert made.read()[0] == 1.0


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"boot_id": 1, "totals": {"x": "y"}}',
        '{"totals": null}',
        '{"boot_id": "b", "totals": {"x": {"total": NaN, "raw": 1, "at_s": 1, "rate": null}}}',
        '{"boot_id": "b", "totals": {"x": {"total": "9", "raw": 1, "at_s": 1, "rate": null}}}',
        '{"boot_id": "b", "totals": {"x": {"total": 9}}}',
    ],
)
def test_a_damaged_totals_file_is_a_new_beginning(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "totals.json"
    file.write_text(damage)
    counter = WrapCounter(None)
    TotalsFile(file, "b").restore({"x": counter})
    assert counter.total == 0.0


def test_files_for_root_alone_are_told_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011) if parent != Path("/tmp") else None
    host = build(tmp_path, TREE)
    (tmp_path / Z / "energy_uj").chmod(0o400)
    if os.geteuid() == 0:
        os.seteuid(65534)  # nobody: root may read everything
    try:
        (found,) = PowercapSensor.discover(host)
        with pytest.raises(DriverError) as error:
            sensor(host).open()
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    assert "energy_uj: permission denied" in found.missing
    assert "CAP_DAC_READ_SEARCH" in found.remedy
    assert "energy_uj: permission denied; run the agent as root or with" in str(error.value)


def test_discovery_takes_the_msr_zone_of_a_package_that_shows_twice(tmp_path: Path) -> None:
    mmio = {
        f"sys/class/powercap/intel-rapl-mmio:0/{file}": content
        for file, content in (("name", "package-0"), ("energy_uj", "1"))
    }
    psys = {
        f"sys/class/powercap/intel-rapl:1/{file}": content
        for file, content in (("name", "psys"), ("energy_uj", "1"))
    }
    found = PowercapSensor.discover(build(tmp_path, TREE | mmio | psys))
    assert [(f.device, f.options["zone"]) for f in found] == [
        ("rapl-package-0", "intel-rapl:0"),
        ("rapl-psys", "intel-rapl:1"),
    ]


def test_a_zone_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=r"'intel-rapl:9' is not there \(zones here: intel-rapl:0\)"):
        PowercapSensor(build(tmp_path, TREE), PowercapOptions(zone="intel-rapl:9")).open()
