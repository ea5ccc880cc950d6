"""Faults within one machine: its name, its disk, its clock."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.fakeclock import FakeClock
from tests.faults.rig import SITE, Rig, assert_kept
from tests.services import wait_until

SEED = int(os.environ.get("SEED", "20261124"))

pytestmark = pytest.mark.timeout(240)


def test_two_agents_with_one_name(loop: Rig) -> None:
    """The second holds its readings back and says so; once the first has left it sends them."""
    first = loop.start_agent("n1", key="first")
    loop.run_for(2.0)
    second = loop.start_agent("n1", key="second")
    loop.run_for(4.0)
    second_log = second.service.log.read_text()
    assert "another agent" in second_log and "give one of the two another node name" in second_log
    seconds_own = "SELECT COUNT(value) FROM depth WHERE device = 'counter' AND value >= 10000000"
    assert not loop.store.query(seconds_own), "only the first one's numbers are there"
    first.service.stop()
    wait_until(lambda: "has left" in second.service.log.read_text(), "the second takes over", 10)
    assert_kept(loop.settle(), loop, at_least=600)


def test_a_name_left_behind_is_taken_over(loop: Rig) -> None:
    """A retained `online` of an installation that is gone (its broker died with the will) blocks nobody."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", loop.broker.port)
    client.loop_start()
    state = json.dumps({"status": "online", "since_ns": 1, "instance": "gone"})
    client.publish(f"edge/v1/{SITE}/n1/state", state, qos=1, retain=True).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()
    loop.start_agent("n1")
    loop.run_for(6.0)
    assert_kept(loop.settle(), loop, at_least=100)


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own size at `path`."""
    path.mkdir()
    if os.geteuid() != 0 or subprocess.call(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], stderr=subprocess.DEVNULL
    ):
        pytest.skip("mounting a small disk takes root")
    try:
        yield path
    finally:
        subprocess.call(["umount", "-l", str(path)])


def test_disk_full_under_the_outbox(loop: Rig, tmp_path: Path) -> None:
    """The broker is away and the disk fills up; readings wait in memory, and nothing is lost."""
    with small_disk(tmp_path / "small", 8) as disk:
        node = loop.start_agent("n1", home=disk, interval_s=0.05)
        loop.run_for(2.0)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            free = shutil.disk_usage(disk).free
            file.write(b"\0" * (free - 65536))
        loop.broker.kill()
        log = node.service.log
        wait_until(lambda: "readings wait in memory" in log.read_text(), "the disk is full", 60)
        loop.run_for(3.0)
        ballast.unlink()
        loop.broker.start()
        wait_until(lambda: "takes readings again" in log.read_text(), "the disk is tried again", 60)
        assert_kept(loop.settle(), loop, at_least=1000)
        node.service.stop()


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_an_outbox_damaged_while_the_agent_is_down(loop: Rig, damage: str) -> None:
    """What was in the file is gone, and said so; the agent starts afresh and goes on."""
    node = loop.start_agent("n1")
    loop.run_for(3.0)
    node.service.stop()
    size = node.outbox.stat().st_size
    node.outbox.write_bytes(
        random.Random(SEED).randbytes(size) if damage == "garbage" else b"SQLite format 3\0"
    )
    node.service.start()
    loop.run_for(3.0)
    assert "set aside as outbox.db.corrupt-" in node.service.log.read_text()
    # It had been stopped cleanly with the link up, so nothing was in the file that is not in the store.
    assert_kept(loop.settle(), loop, at_least=100)


@pytest.mark.parametrize("step_s", [3600, -3600, -2 * 86400])
def test_the_wall_clock_steps(loop: Rig, tmp_path: Path, step_s: int) -> None:
    """Readings go on, in order unless the clock was off by days, and the header says that it stepped."""
    clock = FakeClock(tmp_path)
    node = loop.start_agent("n1", environment=clock.environment)
    node.slack_s = abs(step_s) + 3600.0
    loop.run_for(3.0)
    clock.set(step_s)
    loop.run_for(5.0)
    told = re.search(r"the wall clock jumped by ([-+0-9.]+) s", node.service.log.read_text())
    assert told and float(told[1]) == pytest.approx(step_s, abs=1.0)
    node.service.stop()  # before `settle` starts it again with another clock, which may go back
    clock.set(0)
    verdict = loop.settle()
    if step_s < -86400:
        assert verdict.disordered > 0
        verdict = verdict._replace(disordered=0)
    assert_kept(verdict, loop, at_least=300)
    clocks = {row["clock"] for row in loop.store.query('SELECT "clock" FROM edgeagent_batch')}
    assert "stepped" in clocks
