"""The load generator against a real Mosquitto and a small responder in the aggregator's place."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeagent_hil.load import Plan, run
from edgeagent_hil.load.report import report
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Ack, Refusal
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import Identity
from tests.responder import responder, stored
from tests.services import Service, free_port, mosquitto

_LOAD = [sys.executable, "-c", "from edgeagent_hil.cli import bench; bench()", "load"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with mosquitto(tmp_path_factory.mktemp("load"), persistence=False) as service:
        yield service


def _plan(broker: Service, **more: Any) -> Plan:
    base = Plan(Broker(url=broker.url), nodes=20, channels=10, interval_s=0.2, duration_s=1.0)
    return base._replace(**more)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_batch_is_sent_and_acknowledged(broker: Service, processes: int) -> None:
    with responder(broker.url) as taken:
        plan = _plan(broker, processes=processes)
        figures = report(plan, run(plan))
        assert sorted(taken.batches) == sorted(
            (Identity("load", f"load-{n}"), seq) for n in range(20) for seq in range(1, 6)
        )
        assert len(set(taken.readings)) == len(taken.readings) == 20 * 5 * 10
        for states in taken.states.values():
            assert [state.status if state else "cleared" for state in states] == ["online", "cleared"]
        assert all(len(describe.channels) == 10 for describe in taken.describes.values())
    assert (figures.batches, figures.unacknowledged, figures.refused, figures.resent) == (100, 0, 0, 0)
    assert 0 < figures.ack_p50_s <= figures.ack_p99_s <= figures.ack_max_s < 1
    assert figures.duration_s == pytest.approx(1.0, abs=0.5)


def test_saturation_keeps_within_its_window(broker: Service) -> None:
    with responder(broker.url) as taken:
        plan = _plan(broker, nodes=2, channels=200, interval_s=0.0, duration_s=0.5, window=3)
        figures = report(plan, run(plan))
        assert len(set(taken.readings)) == figures.batches * 200
    assert figures.in_flight_max <= 3
    assert figures.unacknowledged == 0
    assert figures.batches > 20


def test_what_nobody_acknowledges_is_sent_again(broker: Service) -> None:
    seen: set[tuple[str, int]] = set()

    def second_time(boot: str, seq: int) -> Ack | None:
        again = (boot, seq) in seen
        seen.add((boot, seq))
        return stored(boot, seq) if again else None

    with responder(broker.url, second_time):
        plan = _plan(broker, nodes=3, duration_s=0.4, ack_timeout_s=0.5)
        figures = report(plan, run(plan))
    assert figures.batches == figures.resent == figures.backlog == 6
    assert figures.unacknowledged == 0


def test_refusals_and_missing_acks_are_told_apart(broker: Service) -> None:
    def answer(boot: str, seq: int) -> Ack | None:
        if seq == 1:
            return Ack(boot=boot, refused=[Refusal(seq=1, reason="no")])
        return None if seq == 2 else stored("another boot", seq)

    with responder(broker.url, answer):
        plan = _plan(broker, nodes=2, duration_s=0.6, ack_timeout_s=0.2)
        figures = report(plan, run(plan))
    assert (figures.batches, figures.refused, figures.unacknowledged) == (6, 2, 4)


def test_the_fleet_survives_a_restart_of_the_broker(tmp_path: Path) -> None:
    with mosquitto(tmp_path, persistence=False) as broker, responder(broker.url):
        restart = threading.Timer(0.8, broker.restart)
        restart.start()
        plan = _plan(broker, nodes=5, duration_s=3.0, ack_timeout_s=2.0)
        figures = report(plan, run(plan))
        restart.join()
    assert figures.batches == 75
    assert figures.reconnects >= 5
    assert figures.unacknowledged == 0


def test_the_command_prints_json_and_leaves_nothing_retained(broker: Service) -> None:
    options = ["--broker", broker.url, "--nodes", "5", "--interval", "0.2", "--duration", "0.6", "--json"]
    with responder(broker.url):
        done = subprocess.run([*_LOAD, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)
    assert figures["batches"] == 15 and figures["unacknowledged"] == 0
    with responder(broker.url) as late:
        time.sleep(0.3)
        assert late.states == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--broker", "mqtt://127.0.0.1:{closed}"], "nothing listens there; start the broker"),
        (["--broker", "http://127.0.0.1"], "write mqtt://host"),
        (["--broker", "{url}", "--site", "My Site"], "'my-site' would do"),
        (["--broker", "{url}", "--channels", "50000", "--nodes", "1"], "use fewer channels"),
        (
            ["--broker", "{url}", "--nodes", "1", "--duration", "0.1", "--ack-timeout", "0.2"],
            "does an aggregator run?",
        ),
    ],
)
def test_bad_input_is_one_line(broker: Service, options: list[str], message: str) -> None:
    words = [word.format(closed=free_port(), url=broker.url) for word in options]
    done = subprocess.run([*_LOAD, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_too_few_file_descriptors_is_said(broker: Service) -> None:
    nodes = int(Path("/proc/sys/fs/nr_open").read_text()) + 1  # more than even root may ask for
    command = [*_LOAD, "--broker", broker.url, "--nodes", str(nodes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"{nodes} connections need {nodes + 64} file descriptors" in done.stderr
    assert done.stderr.count("\n") == 1


def test_run_raises_without_a_broker() -> None:
    plan = Plan(Broker(url=f"mqtt://127.0.0.1:{free_port()}"), nodes=1, channels=1)
    with pytest.raises(EdgeError, match="nothing listens there"):
        run(plan)
