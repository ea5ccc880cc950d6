"""Faults anywhere in the running loop: what the agents took is in the store, once."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.faults.rig import SITE, Rig, assert_kept
from tests.faults.soak import soak
from tests.faults.table import FAULTS
from tests.services import wait_until

SEED = int(os.environ.get("SEED", "20261124"))

pytestmark = pytest.mark.timeout(240)


def test_every_fault_one_after_the_other(loop: Rig) -> None:
    """In the order of the table, with a pause after each that is long enough for it to show."""
    random_ = random.Random(SEED)
    print(f"SEED={SEED}")
    loop.start_agent("n1")
    for fault in FAULTS.values():
        loop.run_for(1.0)
        fault(loop, random_)
    loop.run_for(2.0)
    assert_kept(loop.settle(), loop, at_least=1000)


def test_faults_in_random_order(tmp_path: Path) -> None:
    """A short soak; `make soak` is the long one."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"SEED={seed}")
    verdict = soak(tmp_path, 25.0, seed, say=False)
    assert verdict.kept, f"{verdict}; SEED={seed} make soak repeats it; logs in {tmp_path}"
    assert verdict.produced > 1000


def test_a_broker_gone_for_ten_minutes_of_readings(loop: Rig) -> None:
    """600 passes of every channel, as many as ten minutes at 1 Hz give, while there is no broker."""
    loop.start_agent("n1", interval_s=0.02)
    loop.run_for(1.0)
    loop.broker.kill()
    before = loop.produced()
    wait_until(lambda: loop.produced() - before >= 600, "600 passes", 60)
    loop.broker.start()
    loop.run_for(3.0)
    assert_kept(loop.settle(), loop, at_least=6000)


def test_the_store_takes_a_part_and_refuses_the_rest(loop: Rig) -> None:
    """A real partial write: InfluxDB has `duration` as text already, so the agent's numbers do not fit."""
    where = f"channel=cpu,device=agent,node=n1,site={SITE}"
    loop.store.write(f'duration,{where} value="text" {time.time_ns()}'.encode())
    loop.start_agent("n1")
    loop.run_for(6.0)
    assert_kept(loop.settle(), loop, at_least=100)
    dead = [json.loads(line) for line in (loop.directory / "aggregator/dead-letters.jsonl").open()]
    assert {row["line"].split(",")[0] for row in dead} == {"duration"}
    assert all("field type conflict" in row["reason"] for row in dead)
    # Its neighbours of the very same batches are there.
    assert loop.store.query("SELECT COUNT(value) FROM size WHERE device = 'agent'")[0]["count"] >= 5


def test_duplicates_and_disorder(loop: Rig) -> None:
    """Every batch of an agent again, twice, in any order: the store holds each point once."""
    heard: list[tuple[str, bytes]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _d, message: heard.append((message.topic, bytes(message.payload)))
    client.connect("127.0.0.1", loop.broker.port)
    client.subscribe("edge/v1/+/+/data", 1)
    client.loop_start()
    loop.start_agent("n1")
    loop.run_for(5.0)
    batches = heard[:] * 2
    random.Random(SEED).shuffle(batches)
    for topic, payload in batches:
        client.publish(topic, payload, qos=1)
    loop.run_for(1.0)
    client.disconnect()
    client.loop_stop()
    assert len(batches) > 10
    assert_kept(loop.settle(), loop, at_least=100)
