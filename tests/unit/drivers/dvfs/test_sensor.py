"""The dvfs driver on a made-up node: what it sees, what it drives, what it makes of fights and refusals."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeagent.drivers.dvfs import DvfsSensor
from edgeagent.drivers.dvfs import domain as domain_module
from edgeagent.drivers.dvfs import memory as memory_module
from edgeagent.drivers.dvfs.options import DvfsOptions
from edgeagent.neighbours import Neighbours, Planned
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import ActuatorInfo, Driven, Host, Occurrence, Sensor
from edgeagent_sdk.errors import DeviceChanged, DriverError
from edgeagent_sdk.governor import Decision, Machine, Observation, Session, Unit
from edgeagent_sdk.messages import Severity
from tests.governors import Careful
from tests.unit.drivers.trees import build

from .bus import CLOCKS_HZ, Bus, Wheel, Wheels, policy, two_clusters


class Recorder(Careful):
    """Keeps what it is shown."""

    made: Recorder

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.seen: list[Observation] = []
        self.wants: tuple[float, ...] | None = None
        Recorder.made = self

    def decide(self, seen: Observation) -> Decision:
        self.seen.append(seen)
        usual = super().decide(seen)
        return Decision(self.wants, "as wished") if self.wants else usual


HERE = f"{__name__}:Recorder"


def tree(root: Path, files: dict[str, str]) -> Path:
    """Files under `root`; that."""
    build(root, {**files})
    return root


def host(bus: Bus, root: Path = Path("/nowhere"), **more: Any) -> Host:
    return Host(root, readings=bus, actuators=Wheels(bus), **more)


def opened(bus: Bus, root: Path = Path("/nowhere"), hints: Any = None, **options: Any) -> DvfsSensor:
    made = DvfsSensor(host(bus, root, hints=hints), DvfsOptions(governor=HERE, **options))
    made.open()
    return made


def values(made: Sensor) -> dict[str, Any]:
    """One pass, by quantity/name."""
    channels = list(made.open())
    return {"/".join(c.key): v for c, v in zip(channels, made.read(), strict=True)}


def news(made: DvfsSensor) -> list[Occurrence]:
    return list(made.occurrences())


class Clock:
    """The monotonic clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class TestKit(DriverConformance):
    driver = DvfsSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        root = tree(tmp_path, {"sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0"})
        return Bench(host(two_clusters(), root), {"governor": HERE}, patience_s=5.0)


def test_it_finds_all_by_itself_and_tells_the_governor(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0 1 2 3",
            "sys/devices/system/cpu/cpufreq/policy4/related_cpus": "4 5",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/trip_point_0_type": "passive",
            "sys/class/thermal/thermal_zone0/trip_point_0_temp": "75000",
            "sys/class/thermal/thermal_zone0/trip_point_1_type": "critical",
            "sys/class/thermal/thermal_zone0/trip_point_1_temp": "95000",
        },
    )
    made = opened(two_clusters(), root)
    made.read()
    machine, (seen,) = Recorder.made.machine, Recorder.made.seen
    assert [(d.name, d.opps_hz, d.cores, d.limit_c) for d in machine.domains] == [
        ("policy0", CLOCKS_HZ, 4, 75.0),
        ("policy4", CLOCKS_HZ, 2, 75.0),
    ]
    assert [(s.clock_hz, s.busy, s.temperature_c, s.power_w, s.ceiling_hz) for s in seen.domains] == [
        (1.2e9, 0.25, 51.0, None, inf),
        (1.6e9, 0.75, 51.0, None, inf),
    ]
    assert (seen.power_w, seen.cap_w) == (7.5, inf)


def test_each_policy_has_the_zone_that_the_kernel_cools_by_it(tmp_path: Path) -> None:
    files = {}
    for zone, (kind, cooler) in enumerate([("little", "cpufreq-cpu0"), ("big", "cpufreq-cpu4")]):
        files[f"sys/class/thermal/thermal_zone{zone}/type"] = kind
        files[f"sys/class/thermal/thermal_zone{zone}/cdev0/type"] = cooler
    for number, cpus in ((0, "0 1 2 3"), (4, "4 5")):
        files[f"sys/devices/system/cpu/cpufreq/policy{number}/related_cpus"] = cpus
    bus = two_clusters()
    bus.values |= {"heat/temperature/little": 40.0, "heat/temperature/big": 60.0}
    opened(bus, tree(tmp_path, files)).read()
    assert [s.temperature_c for s in Recorder.made.seen[0].domains] == [40.0, 60.0]


def test_clocks_of_other_kinds_are_found(tmp_path: Path) -> None:
    many = tuple(range(210, 1981, 15))
    gpu = ActuatorInfo("sm-clock-limit", "frequency", 210e6, 1980e6, "", 15e6, tuple(m * 1e6 for m in many))
    bus = Bus(gpu, device="gpu0")
    bus.values = {
        "gpu0/frequency/sm": 1.5e9,
        "gpu0/utilization/gpu": 0.5,
        "gpu0/temperature/core": 66.0,
        "gpu0/power/board": 300.0,
    }
    opened(bus).read()
    (domain,), (state,) = Recorder.made.machine.domains, Recorder.made.seen[0].domains
    assert domain.name == "gpu0" and domain.opps_hz[-1] == 1.98e9 and 8 <= len(domain.opps_hz) <= 16
    assert (state.clock_hz, state.busy, state.temperature_c, state.power_w) == (1.5e9, 0.5, 66.0, 300.0)
    assert Recorder.made.seen[0].power_w == 300.0
    bus = Bus(ActuatorInfo("ff9a0000.gpu-max", "frequency", 2e8, 8e8, "", 1.0, (2e8, 8e8)), device="clocks")
    opened(bus).read()
    assert Recorder.made.machine.domains[0].name == "gpu"
    assert Recorder.made.seen[0].domains[0].busy == 1.0, "whoever cannot say so may have much to do"
    gpus = [ActuatorInfo(f"gpu-{i}-max", "frequency", 2e8, 8e8, "", 1.0, (2e8, 8e8)) for i in range(2)]
    opened(Bus(*gpus, device="clocks")).read()
    assert [domain.name for domain in Recorder.made.machine.domains] == ["gpu-0", "gpu-1"]


def test_a_share_of_time_stands_in_the_place_of_a_clock_where_it_is_asked_for() -> None:
    bus = Bus(ActuatorInfo("quota", "duty", 0.01, 1.0, "", 1e-5), device="camera")
    bus.values = {"camera/duty/quota": 1.0, "camera/utilization/busy": 0.2}
    with pytest.raises(DriverError, match="no clock to steer"):
        opened(bus)
    made = opened(bus, domains=_domains({"name": "camera", "actuator": "camera/quota", "cores": 2}))
    opps_hz = Recorder.made.machine.domains[0].opps_hz
    assert (opps_hz[0], opps_hz[-1]) == pytest.approx((1e7, 1e9))
    Recorder.made.wants = (opps_hz[6],)
    made.read()
    made.read()
    share = opps_hz[6] / 1e9
    assert bus.wheels[0].told[-1][0] == pytest.approx(share) and 0.4 < share < 0.6
    state = Recorder.made.seen[-1].domains[0]
    assert (state.clock_hz, state.busy) == pytest.approx((share * 1e9, 0.2 / share))


def test_a_clock_without_a_list_of_its_choices_gets_one() -> None:
    opened(Bus(policy(0, ()))).read()
    opps_hz = Recorder.made.machine.domains[0].opps_hz
    assert (len(opps_hz), opps_hz[0], opps_hz[-1]) == (13, 0.4e9, 1.6e9)
    assert list(opps_hz) == sorted(opps_hz)


@pytest.mark.parametrize(
    ("wanted_hz", "driven_hz"),
    [(1.2e9, 1.2e9), (1.3e9, 1.2e9), (9e9, 1.6e9), (1.0, 0.4e9)],
)
def test_what_is_decided_is_driven_at_an_operating_point(wanted_hz: float, driven_hz: float) -> None:
    bus = two_clusters()
    made = opened(bus)
    Recorder.made.wants = (wanted_hz, 0.8e9)
    made.read()
    assert [wheel.told for wheel in bus.wheels] == [[(driven_hz, False)], [(0.8e9, False)]]
    made.close()
    assert [wheel.gone for wheel in bus.wheels] == [1, 1]


def test_several_actuators_of_a_domain_are_driven_alike() -> None:
    bus = two_clusters()
    made = opened(
        bus, domains=_domains({"name": "all", "actuator": "cpu/*-max", "busy": "cpu/utilization/*"})
    )
    made.read()
    assert [wheel.told[0][0] for wheel in bus.wheels] == [1.2e9, 1.2e9]
    assert Recorder.made.seen[0].domains[0].busy == 0.75


def _domains(*tables: dict[str, Any]) -> Any:
    return msgspec.convert({"domains": tables}, DvfsOptions).domains


def test_what_is_stale_tells_nothing() -> None:
    bus = two_clusters()
    made = opened(bus)
    made.read()
    for path in list(bus.values):
        bus.fail(path)
    made.read()
    seen = Recorder.made.seen[-1]
    assert [(s.clock_hz, s.busy, s.temperature_c) for s in seen.domains] == [(1.2e9, 1.0, None)] * 2
    assert seen.power_w is None
    assert [wheel.told[-1][0] for wheel in bus.wheels] == [0.4e9, 0.4e9], "as cool as can be"


def test_what_comes_later_is_taken_in_and_what_was_learned_kept() -> None:
    bus = two_clusters()
    heat = bus.values.pop("heat/temperature/cpu-thermal")
    made = DvfsSensor(host(bus), DvfsOptions(governor="tests.governors:Sweeping"))
    made.open()
    made.read()
    assert made.explain()["domains"][0]["temperature_c"] is None
    bus.values["heat/temperature/cpu-thermal"] = heat
    bus.version += 1
    made.read()
    assert made.explain()["domains"][0]["temperature_c"] == heat
    assert made.explain()["expected"]["power_w"] == 2.0, "it is the same governor"
    bus.wheels.append(Wheel("cpu", policy(6)))
    bus.version += 1
    with pytest.raises(DeviceChanged, match="looked for anew"):
        made.read()


def test_one_that_is_read_too_rarely_says_so(clock: Clock) -> None:
    made = opened(two_clusters())
    for pause_s in (0.2, 3.0, 3.0, 0.2, 3.0):
        made.read()
        clock.s += pause_s
    made.read()
    assert [event.kind for event in news(made)] == ["governor-slow"] * 2


def test_a_clock_read_before_it_was_changed_is_no_longer_true() -> None:
    bus = two_clusters()
    made = opened(bus)
    Recorder.made.wants = (0.4e9, 0.4e9)
    made.read()
    bus.age_s = 60.0
    made.read()
    assert [s.clock_hz for s in Recorder.made.seen[-1].domains] == [0.4e9, 0.4e9]


def test_a_ceiling_and_a_refusal_are_told_to_the_governor() -> None:
    bus = two_clusters()
    made = opened(bus)
    made.read()
    bus.wheels[0].state = Driven(1.2e9, ceiling=0.8e9, whose="a lease")
    bus.wheels[1].state = Driven(1.0e9, fault="permission denied")
    made.read()
    assert [s.ceiling_hz for s in Recorder.made.seen[-1].domains] == [0.8e9, 1.0e9]
    rows = made.explain()["domains"]
    assert [(row["ceiling_by"], row["fault"]) for row in rows] == [
        ("a lease", ""),
        ("it refuses", "permission denied"),
    ]


def test_a_fight_is_told_with_who_could_be_and_left_for_ever_longer(tmp_path: Path, clock: Clock) -> None:
    root = tree(tmp_path, {"proc/812/comm": "thermald\n", "proc/9/comm": "kthreadd\n", "run/tlp/last": ""})
    bus = two_clusters()
    made = opened(bus, root, yield_s=60.0)
    made.read()
    wheel, met = bus.wheels[0], 0
    for pause_s in (60.0, 120.0):
        met += 1
        wheel.state = Driven(1.6e9, found=1.6e9, met=met)
        told = len(wheel.told)
        made.read()
        (event,) = (event for event in news(made) if event.kind == "governor-fight")
        assert f"left so for {pause_s:g} s" in event.message
        assert "cpu/policy0-max to 1.6e+09;" in event.message
        assert "thermald (process 812), tlp" in event.message
        assert wheel.gone == met
        wheel.state = Driven(1.6e9, met=met)
        clock.s += pause_s - 1.0
        assert isinstance(_frequency(made, 0), Fault)
        assert len(wheel.told) == told and len(bus.wheels[1].told) > told, "the other domain is driven on"
        clock.s += 2.0
        made.read()
        assert len(wheel.told) == told + 1
    clock.s += domain_module._PEACE_S + 120.0
    wheel.state = Driven(1.6e9, found=1.6e9, met=met + 1)
    made.read()
    assert "left so for 60 s" in news(made)[-1].message, "after a long peace it is another fight"


def _frequency(made: DvfsSensor, place: int) -> Any:
    return made.read()[2 * place]


def test_one_that_insists_tells_a_fight_once(clock: Clock) -> None:
    bus = two_clusters()
    made = opened(bus, on_fight="insist")
    for met in range(1, 20):
        made.read()
        bus.wheels[0].state = Driven(1.6e9, found=1.6e9, met=met)
        clock.s += 1.0
    made.read()
    assert [event.kind for event in news(made)] == ["governor-fight"]
    assert all(insist for _, insist in bus.wheels[0].told) and bus.wheels[0].gone == 0


def test_while_the_kernel_cools_nothing_is_begun(tmp_path: Path, clock: Clock) -> None:
    cooling = "sys/class/thermal/cooling_device0"
    root = tree(tmp_path, {f"{cooling}/type": "cpufreq-cpu0", f"{cooling}/cur_state": "3"})
    bus = two_clusters()
    made = opened(bus, root)
    for _ in range(3):
        made.read()
        clock.s += 2.0
    assert {event.kind for event in news(made)} == {"kernel-throttles"} and bus.wheels[0].told == []
    (root / cooling / "cur_state").write_text("0")
    made.read()
    assert bus.wheels[0].told


@pytest.mark.parametrize(
    ("kernel_governor", "kernel_driver", "told"),
    [("powersave", "cpufreq-dt", 1), ("powersave", "intel_pstate", 0), ("schedutil", "cpufreq-dt", 0)],
)
def test_a_kernel_governor_that_never_uses_the_bound_is_told(
    tmp_path: Path, kernel_governor: str, kernel_driver: str, told: int
) -> None:
    policy0 = "sys/devices/system/cpu/cpufreq/policy0"
    files = {"scaling_governor": kernel_governor, "scaling_driver": kernel_driver}
    root = tree(tmp_path, {f"{policy0}/{name}": content for name, content in files.items()})
    assert [event.kind for event in news(opened(two_clusters(), root))] == ["clock-idle"] * told


def test_the_cap_is_a_lease_that_ends(clock: Clock) -> None:
    bus = two_clusters()
    made = opened(bus, cap_w=20.0)
    (cap,) = made.actuators()
    assert cap.get() == cap.info.maximum
    cap.hold(6.0, 3.0)  # type: ignore[attr-defined]
    made.read()
    assert (cap.get(), Recorder.made.seen[-1].cap_w) == (6.0, 6.0)
    clock.s += 4.0
    made.read()
    assert (cap.get(), Recorder.made.seen[-1].cap_w) == (cap.info.maximum, 20.0)


def test_what_decides_is_told_once_it_prevails(clock: Clock) -> None:
    made = opened(two_clusters())
    for tick in range(120):
        made.actuators()[0].hold(5.0, 0.05) if tick >= 60 or tick % 10 == 0 else None  # type: ignore[attr-defined]
        made.read()
        clock.s += 0.1
    assert [event.message for event in news(made)] == ["what decides is now: cap (before: deadline)"]


def test_sessions_are_counted_and_found_on_their_domains(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0 1",
            "sys/devices/system/cpu/cpufreq/policy4/related_cpus": "4 5",
        },
    )
    units = tuple(Unit(float(i), 0.01, 0.01 * i) for i in range(1, 5))
    told = [
        Session("camera", (), 0.035, done=units, cpus=frozenset({4}), misses=0.25),
        Session("batch", ("policy0",), 10.0),
    ]
    made = DvfsSensor(
        host(two_clusters(), root, hints=lambda reader: tuple(told)),
        DvfsOptions(governor=HERE, sessions=("camera", "other")),
    )
    found = values(made)
    assert [s.domains for s in Recorder.made.seen[-1].sessions] == [("policy4",), ("policy0",)]
    assert (found["count/units"], found["count/misses"]) == (4.0, 1.0)
    assert (found["latency/camera"], found["count/camera-misses"]) == (0.03, 1.0)
    assert isinstance(found["latency/other"], Fault)
    camera, batch = made.explain()["sessions"]
    assert (camera["units"], camera["misses"], camera["latency_s"]) == (4, 1, 0.03)
    assert batch["latency_s"] is None


def test_a_workload_that_names_no_domain_of_ours_is_told_of_once() -> None:
    told = [Session("camera", ("policy0", "big"), 0.03), Session("batch", ("policy4",), 1.0)]
    made = opened(two_clusters(), hints=lambda reader: tuple(told))
    made.read()
    made.read()
    [event] = news(made)
    assert (event.kind, event.severity) == ("domain-unknown", Severity.WARNING)
    assert event.message == "the workload camera names big; the domains here are policy0, policy4"
    told += [Session(f"flood-{i}", ("x",), 1.0) for i in range(500)]
    made.read()
    assert len(news(made)) < 100


def test_what_was_learned_is_kept_for_the_same_machine(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ticks(bus: Bus) -> int:
        made = DvfsSensor(
            Host(Path("/nowhere"), tmp_path, bus, Wheels(bus)),
            DvfsOptions(governor="tests.governors:Sweeping"),
        )
        made.open()
        made.read()
        clock.s += memory_module._EVERY_S + 1
        made.read()
        made.close()
        return int(json.loads(max(tmp_path.glob("dvfs-*.json"), key=_written).read_bytes())["ticks"])

    assert [ticks(two_clusters()), ticks(two_clusters())] == [2, 4]
    assert ticks(Bus(policy(0))) == 2, "another machine begins anew"
    file = max(tmp_path.glob("dvfs-*.json"), key=_written)
    file.write_text("rubbish")
    assert ticks(Bus(policy(0))) == 2


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


@pytest.mark.parametrize("learned", ['{"ticks": "many"}', "[1]", '{"else": 1}'])
def test_a_memory_that_does_not_fit_is_left_aside(tmp_path: Path, learned: str) -> None:
    bus = two_clusters()
    options = DvfsOptions(governor="tests.governors:Sweeping")
    for _ in range(2):
        made = DvfsSensor(Host(Path("/nowhere"), tmp_path, bus, Wheels(bus)), options)
        made.open()
        made.read()
        made.close()
        next(tmp_path.glob("dvfs-*.json")).write_text(learned)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"governor": "egde"}, "unknown governor 'egde'; did you mean 'edge'"),
        ({"domains": [{"name": "a", "actuator": "policy0"}]}, "'policy0' is not device/actuator"),
        (
            {"domains": [{"name": "a", "actuator": "c/x", "busy": "c/power/x"}]},
            "'c/power/x' is not device/utilization/channel",
        ),
        ({"domains": [{"name": "a", "actuator": "c/x"}] * 2}, "two are called 'a'"),
        ({"domains": [{"name": "A b", "actuator": "c/x"}]}, "A b"),
        ({"power": "box"}, "'box' is not device/power/channel"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words.replace("?", r"\?")):
        msgspec.convert(options, DvfsOptions)


@pytest.mark.parametrize(
    ("bus", "options", "words"),
    [
        (Bus(), {}, "no clock to steer"),
        (
            Bus(policy(0)),
            {"domains": _domains({"name": "a", "actuator": "cpu/policy7-max"})},
            "domain a: there is no actuator cpu/policy7-max",
        ),
        (
            Bus(ActuatorInfo("limit", "power", 1.0, 9.0)),
            {"domains": _domains({"name": "a", "actuator": "cpu/limit"})},
            "domain a: cpu/limit sets a power, no clock",
        ),
        (Bus(policy(0)), {"governor": "tests.governors:Nobody"}, "cannot be loaded"),
    ],
)
def test_what_is_not_there_is_told_at_the_opening(bus: Bus, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words):
        DvfsSensor(host(bus), DvfsOptions(**{"governor": HERE} | options)).open()


_CONFIGURED = Neighbours(Planned(["cpu", "box"]), "governor")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"power": "*/power/in", "domains": _domains({"name": "a", "actuator": "c*/x"})}, []),
        ({"power": "psu/power/in"}, [("power", "no [[device]] is named 'psu'")]),
        (
            {"domains": _domains({"name": "a", "actuator": "cpi/x", "clock": "c?/frequency/x"})},
            [
                ("domains", "a.actuator: no [[device]] is named 'cpi'"),
                ("domains", "a.clock: no [[device]] is named 'c?'"),
            ],
        ),
        (
            {"governor": "tests.governors:Nobody"},
            [("governor", "governor 'tests.governors:Nobody' cannot be loaded: *has no attribute 'Nobody'")],
        ),
        ({"governor": "this.is:Bad name"}, [("governor", "governor 'this.is:Bad name' cannot be loaded: *")]),
    ],
)
def test_a_check_finds_what_is_nowhere(options: dict[str, Any], found: list[tuple[str, str]]) -> None:
    host, said = Host(readings=_CONFIGURED), DvfsOptions(**{"governor": HERE} | options)
    told = list(DvfsSensor.examine(host, said))
    assert len(told) == len(found)
    for (key, why), (wanted, words) in zip(told, found, strict=True):
        assert key == wanted and fnmatchcase(why, words.replace("[[", "[[][[]"))


def test_without_an_agent_it_says_so() -> None:
    with pytest.raises(DriverError, match="only be steered inside an agent"):
        DvfsSensor(Host(), DvfsOptions()).open()


def test_it_is_proposed_where_there_are_clocks_but_not_to_be_run_unasked(tmp_path: Path) -> None:
    root = tree(tmp_path, {"sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0"})
    (found,) = DvfsSensor.discover(Host(root))
    assert "not enabled unasked" in found.missing
    assert "edgeagent rig dvfs" in found.remedy and ".md" not in found.remedy, "a wheel has no such path"
    assert list(DvfsSensor.discover(Host(tmp_path / "nothing"))) == []
