"""The runner in step with the clock, and what it feeds to a node's sensors."""

from __future__ import annotations

import time

import pytest

from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.sensors import SensorFeed, sensed
from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState, design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.nodemap import CHANNELS
from tests.services import wait_until


class _Clocked:
    """A device that notes when it was served."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        return inputs

    def show(self, state: SiteState, _: SiteOutputs) -> None:
        self.times.append((time.monotonic(), state.time_s))


def _site(kind: str = "ex235a") -> tuple[Site, Workload]:
    site = design.site([kinds.load(kind)], [2], seed=1)
    return site, Workload(site.servers.shape, 1)


@pytest.mark.parametrize("speed", [1.0, 30.0])
def test_it_keeps_step_with_the_clock(speed: float) -> None:
    device = _Clocked()
    runner = Runner(*_site(), [device], speed=speed)
    begun_s = time.monotonic()
    runner.run(1.0 * speed)
    assert time.monotonic() - begun_s >= 0.9
    for wall_s, twin_s in device.times[1:]:
        assert twin_s <= speed * (wall_s - begun_s) + 2 * max(1.0, 0.1 * speed), "never ahead"
    assert runner.state.time_s == pytest.approx(1.0 * speed, abs=1.0)


def test_in_the_background_it_runs_until_the_block_ends() -> None:
    with Runner(*_site(), speed=10.0) as runner:
        wait_until(lambda: runner.state.time_s > 3.0, "three seconds of the twin")
    stopped_s = runner.state.time_s
    time.sleep(0.3)
    assert runner.state.time_s == stopped_s


def test_a_node_in_a_server_would_measure_what_the_twin_does() -> None:
    site, workload = _site()
    forced: dict[str, float] = {}
    runner = Runner(site, workload, [SensorFeed(site, forced.__setitem__)], speed=0.0)
    runner.run(300)
    assert forced == sensed(site, runner.state, runner.outputs)
    assert set(forced) <= {f"{channel.quantity}_{channel.name}" for channel in CHANNELS}
    done = runner.outputs.servers
    assert forced["temperature_inlet"] < forced["temperature_board"] < forced["temperature_outlet"]
    assert 32.0 < forced["temperature_coolant"] < 45.0
    assert forced["voltage_in"] == pytest.approx(48.0, abs=0.5)
    assert forced["voltage_out"] < forced["voltage_in"]
    assert forced["power_in"] == pytest.approx(done.dc_w[0], rel=0.01)
    assert forced["power_in"] == pytest.approx(forced["voltage_in"] * forced["current_out"])
