"""A governor in a running agent steers, yields, is refused, raises, is killed; what was found comes back."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk import hints
from edgeagent_sdk.messages import Outcome
from tests.integration.cli import edgeagent
from tests.services import spawn, wait_until

from .node import FOUND_KHZ, Node, node

_CAREFUL = "tests.governors:Careful"
_SWEEPING = "tests.governors:Sweeping"

#: The second highest operating points, which `Careful` takes when nothing is the matter; and the lowest.
_USUAL_KHZ = {"policy0": 1_200_000, "policy1": 1_608_000}
_LOW_KHZ = 408_000


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path) as found:
        yield found


def at(made: Node, policy: str, khz: int) -> None:
    wait_until(lambda: made.limits_khz[policy] == khz, f"{policy} at {khz} kHz, not {made.limits_khz}")


def test_it_steers_and_what_was_found_comes_back_at_the_end(made: Node) -> None:
    with made.agent(_SWEEPING) as agent:
        seen: set[int] = set()
        wait_until(lambda: len(seen.add(made.limits_khz["policy1"]) or seen) > 5, "many clocks")  # type: ignore[func-returns-value]
        kept = json.loads((made.home / "state/originals-cpu.json").read_text())["actuators"]
        assert {name: row["value"] for name, row in kept.items()} == {
            "policy0-max": 1.416e9,
            "policy1-max": 1.8e9,
        }
        assert all("driven" in row for row in kept.values())
        agent.stop()
        assert made.restored()
    assert not list((made.home / "state").glob("originals-*"))
    (memory,) = (made.home / "state").glob("dvfs-*.json")
    assert json.loads(memory.read_text())["ticks"] > 5


def test_killed_at_any_moment_the_next_start_gives_back(made: Node) -> None:
    with made.agent(_SWEEPING) as agent:
        agent.kill()
        assert made.steered()
        made.configure()
        agent.start()
        wait_until(made.restored, "what was found is back")
        wait_until(lambda: made.count("actuator-restored") == 2, "its events")


def test_a_governor_that_is_taken_out_by_a_reload_lets_go(made: Node) -> None:
    with made.agent(_SWEEPING) as agent:
        made.configure()
        agent.signal(signal.SIGHUP)
        wait_until(made.restored, "what was found is back")
        assert not list((made.home / "state").glob("originals-*"))
        made.configure(_CAREFUL)
        agent.signal(signal.SIGHUP)
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "another governor is at work")


def test_a_cap_is_honoured_while_it_is_lent(made: Node) -> None:
    with made.agent(_CAREFUL):
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "no cap")
        wait_until(lambda: "power/cap" in made.latest, "readings")
        reply = made.fleet.cap("lab", "n1", "governor", "power", value=6.0, lease_s=2.0)
        assert reply.outcome is Outcome.APPLIED and reply.holds["value"] == 6.0
        wait_until(lambda: set(made.limits_khz.values()) == {_LOW_KHZ}, "the cap counts")
        wait_until(lambda: made.latest["power/cap"] == 6.0, "and shows")
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "it has ended by itself")
        assert made.told("lease-ended", "its time was over")


def test_a_lease_on_a_clock_bounds_the_governor(made: Node) -> None:
    with made.agent(_CAREFUL):
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "no lease")
        reply = made.fleet.cap("lab", "n1", "cpu", "policy1-max", value=8.16e8, lease_s=3.0)
        assert (reply.outcome, reply.holds["value"]) == (Outcome.APPLIED, 8.16e8)
        shown = edgeagent("dvfs", "status", "--json", "--config", made.config).json[0]
        row = shown["domains"][1]
        assert (row["ceiling_hz"], row["ceiling_by"]) == (8.16e8, "a lease")
        assert made.limits_khz == _USUAL_KHZ | {"policy1": 816_000}
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "it has ended")
        assert not made.told("actuator-reverted")


def test_a_sensor_that_is_stale_is_not_believed(made: Node) -> None:
    zone = made.root / "sys/class/thermal/thermal_zone1/temp"
    with made.agent(_CAREFUL):
        wait_until(lambda: made.explained()["constraint"] == "deadline", "it is clear what decides")
        zone.unlink()
        at(made, "policy1", _LOW_KHZ)
        assert made.limits_khz["policy0"] == _USUAL_KHZ["policy0"], "the other one's heat is known"
        wait_until(lambda: made.told("constraint-changed", "heat (before: deadline)"), "what decides now")
        zone.write_text("45000\n")
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "all is well again")


def test_one_that_refuses_is_told_once_and_tried_again_while_the_other_goes_on(made: Node) -> None:
    file = made.limit("policy0")
    with made.agent(_SWEEPING):
        file.rename(file.with_name("aside"))
        file.mkdir()  # what is written there is refused, for root too
        wait_until(lambda: made.told("actuator-fault", "policy0-max: cannot be driven"), "its event")
        seen: set[str] = set()
        other = made.limit("policy1")
        wait_until(lambda: len(seen.add(other.read_text()) or seen) > 5, "the other goes on")  # type: ignore[func-returns-value]
        shown = edgeagent("dvfs", "status", "--json", "--config", made.config).json[0]
        assert "directory" in shown["domains"][0]["fault"]
        file.rmdir()
        file.with_name("aside").rename(file)
        wait_until(lambda: made.told("actuator-recovered"), "it is driven again")
        assert made.count("actuator-fault") == 1


def test_it_yields_to_another_process_and_names_who_it_could_be(made: Node) -> None:
    comm = made.root / "proc/812/comm"
    comm.parent.mkdir(parents=True)
    comm.write_text("power-profiles-\n")
    with made.agent(_CAREFUL, "yield_s = 2"):
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "it is at work")
        made.another_process_sets("policy1", 1_008_000)
        wait_until(lambda: made.told("governor-fight", "power-profiles-daemon (process 812)"), "its event")
        wait_until(lambda: made.told("actuator-left"), "and that of the control")
        assert made.limits_khz == _USUAL_KHZ | {"policy1": 1_008_000}, "it is left so"
        made.another_process_sets("policy1", FOUND_KHZ["policy1"])
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "after a while it is tried again")
    assert made.limits_khz == FOUND_KHZ


def test_it_insists_if_it_is_told_to(made: Node) -> None:
    with made.agent(_CAREFUL, 'on_fight = "insist"'):
        wait_until(lambda: made.limits_khz == _USUAL_KHZ, "it is at work")
        for _ in range(3):
            made.another_process_sets("policy1", 1_008_000)
            at(made, "policy1", _USUAL_KHZ["policy1"])
        wait_until(lambda: made.told("governor-fight", "it is set again"), "its event")
        assert made.count("governor-fight") == 1
    assert made.restored()


def test_a_governor_that_raises_lets_go_and_is_begun_anew(made: Node) -> None:
    made.configure("tests.governors:Raising")
    command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(made.config)]
    with spawn(command, made.home, name="agent"):
        wait_until(lambda: made.told("device-fault", "nobody has thought of this"), "its event")
        wait_until(made.restored, "what was found is back")
        wait_until(made.steered, "it is at work again")
    assert made.restored()


def test_status_tells_the_last_decision(made: Node) -> None:
    with made.agent("edge"):
        wait_until(lambda: "temperature/policy1" in made.latest, "it knows something")
        shown = edgeagent("dvfs", "status", "--config", made.config).out
        for words in ("governor: governor edge decided", "W now", "no cap", "policy1", "85", "decided GHz"):
            assert words in shown
        (told,) = edgeagent("dvfs", "status", "--json", "--config", made.config).json
        assert told["device"] == "governor" and told["why"] and told["expected"]["power_w"] > 0
        assert [row["name"] for row in told["domains"]] == ["policy0", "policy1"]
        assert told["domains"][1]["sensors"]["temperature"] == ["heat/temperature/big-thermal"]


def test_a_workload_that_tells_its_deadline_is_seen_and_served(
    made: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work takes as long as the clock of the twin makes it, in real time."""
    monkeypatch.setenv("EDGEAGENT_HINTS", str(made.home / "state/hints"))
    with (
        made.agent("edge", 'sessions = ["camera"]'),
        hints.session("camera", deadline_ms=60, domains=["policy1"]) as session,
    ):
        until_s = time.monotonic() + 20.0
        while "latency/camera" not in made.latest or made.latest.get("count/units", 0) < 60:
            assert time.monotonic() < until_s, "its units are not counted"
            with session.unit():
                time.sleep(0.020 * FOUND_KHZ["policy1"] / max(made.limits_khz["policy1"], _LOW_KHZ))
            time.sleep(0.05)
        (row,) = made.explained()["sessions"]
        assert (row["name"], row["domains"], row["deadline_s"]) == ("camera", ["policy1"], 0.06)
        assert row["units"] >= 60 and row["expected_s"] > 0.01 and row["latency_s"] > 0.01
        assert "camera" in edgeagent("dvfs", "status", "--config", made.config).out


def test_a_governor_that_hangs_is_let_go_of(made: Node) -> None:
    with made.agent("tests.governors:Hanging"):
        wait_until(lambda: made.told("stale"), "nothing is read any more")
        wait_until(made.restored, "what was found is back")


def test_status_of_an_agent_without_a_governor_and_of_none(made: Node) -> None:
    with made.agent(_CAREFUL) as agent:
        made.configure()
        agent.signal(signal.SIGHUP)
        wait_until(made.restored, "the governor is gone")
        said = edgeagent("dvfs", "status", "--config", made.config).mistake
        assert "no governor runs by" in said and 'driver = "dvfs"' in said
        agent.stop()
    assert "no agent runs on lab/n1" in edgeagent("dvfs", "status", "--config", made.config).mistake


def test_status_of_a_governor_that_cannot_begin_says_why(made: Node) -> None:
    with made.agent(_CAREFUL) as agent:
        made.configure(_CAREFUL, '[[device.domains]]\nname = "big"\nactuator = "cpu/policy9-max"')
        agent.signal(signal.SIGHUP)
        wait_until(lambda: made.told("device-fault", "policy9-max"), "it cannot")
        shown = edgeagent("dvfs", "status", "--config", made.config).out
        assert "does not run: domain big: there is no actuator cpu/policy9-max" in " ".join(shown.split())


def test_a_configuration_is_checked_line_by_line(made: Node) -> None:
    made.configure("egde")
    words = "device[3].governor: unknown governor 'egde'; did you mean 'edge'?"
    assert words in edgeagent("check", made.config).mistake
    made.configure("edge", '[[device.domains]]\nname = "big"\nactuator = "policy1"\nlimit = 80\n')
    result = edgeagent("check", made.config)
    line = made.config.read_text().splitlines().index("limit = 80") + 1
    words = "device[3].domains[0].limit: unknown key; did you mean 'limit_c'?"
    assert result.code == 1 and f"agent.toml:{line}: {words}" in result.err
    made.configure("edge", '[[device.domains]]\nname = "big"\nactuator = "policy1"\n')
    words = f"agent.toml:{line - 1}: device[3].domains[0].actuator: 'policy1' is not device/actuator"
    assert words in edgeagent("check", made.config).mistake
