"""Control groups of both versions: made-up trees, and the kernel's own where it lets us make one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.cgroup import CgroupSensor
from edgeagent.drivers.cgroup.sensor import CgroupOptions
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.config import Document
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import Actuator, Host
from edgeagent_sdk.errors import DriverError
from tests.cgroups import obstacle, own_group
from tests.unit.drivers.trees import build, good, values

_ONLINE = {"sys/devices/system/cpu/online": "0-3"}

_V2 = {
    "sys/fs/cgroup/edge/work/cpu.max": "200000 100000\n",
    "sys/fs/cgroup/edge/work/cpu.stat": (
        "usage_usec 3000000\nuser_usec 2000000\nnr_periods 50\nnr_throttled 7\nthrottled_usec 250000\n"
    ),
}
_V1 = {
    "sys/fs/cgroup/cpu/edge/work/cpu.cfs_quota_us": "200000\n",
    "sys/fs/cgroup/cpu/edge/work/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/edge/work/cpu.stat": "nr_periods 50\nnr_throttled 7\nthrottled_time 250000000\n",
    "sys/fs/cgroup/cpuacct/edge/work/cpuacct.usage": "3000000000\n",
}
_V1_TOGETHER = {
    name.replace("/cpu/", "/cpu,cpuacct/").replace("/cpuacct/", "/cpu,cpuacct/"): content
    for name, content in _V1.items()
}
_TREES = {"v2": _V2, "v1": _V1, "v1, mounted together": _V1_TOGETHER}


def _bench(root: Path, files: Mapping[str, str], reset: Mapping[str, str]) -> Bench:
    def plug() -> None:
        build(root, {**_ONLINE, **files})

    plug()
    return Bench(
        Host(root),
        {"group": "edge/work"},
        unplug=lambda: shutil.rmtree(root / "sys/fs/cgroup"),
        replug=plug,
        reset=lambda: build(root, reset),
        discovered=True,
    )


class TestVersion2(DriverConformance):
    driver = CgroupSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        stat = "sys/fs/cgroup/edge/work/cpu.stat"
        return _bench(tmp_path, _V2, {stat: "usage_usec 5\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n"})


class TestVersion1(DriverConformance):
    driver = CgroupSensor

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return _bench(tmp_path, _V1, {"sys/fs/cgroup/cpuacct/edge/work/cpuacct.usage": "5000"})


def _opened(host: Host) -> tuple[CgroupSensor, Actuator]:
    sensor = CgroupSensor(host, CgroupOptions(group="edge/work"))
    sensor.open()
    (quota,) = sensor.actuators()
    return sensor, quota


@pytest.mark.parametrize("tree", _TREES)
def test_both_versions_say_the_same(tmp_path: Path, tree: str) -> None:
    found = values(
        CgroupSensor(build(tmp_path, {**_ONLINE, **_TREES[tree]}), CgroupOptions(group="edge/work"))
    )
    assert good(found) == {
        "duty/quota": 0.5,
        "utilization/cpu": 0.0,
        "utilization/busy": 0.0,
        "duration/cpu": 3.0,
        "duration/throttled": 0.25,
        "count/periods": 50.0,
        "count/throttled": 7.0,
    }


@pytest.mark.parametrize(
    ("tree", "file", "texts"),
    [
        ("v2", "sys/fs/cgroup/edge/work/cpu.max", ("100000", "1000", "max")),
        ("v1", "sys/fs/cgroup/cpu/edge/work/cpu.cfs_quota_us", ("100000", "1000", "-1")),
    ],
)
def test_a_quota_is_spelled_as_the_kernel_wants_it(
    tmp_path: Path, tree: str, file: str, texts: tuple[str, ...]
) -> None:
    sensor, quota = _opened(build(tmp_path, {**_ONLINE, **_TREES[tree]}))
    assert (quota.info.minimum, quota.info.maximum, quota.info.step) == (0.0025, 1.0, 2.5e-6)
    for share, text in zip((0.25, quota.info.minimum, 1.0), texts, strict=True):
        quota.set(share)
        assert (tmp_path / file).read_text() == text
        if tree == "v2":  # the kernel says both, whatever it was told
            (tmp_path / file).write_text(f"{text} 100000\n")
        assert quota.get() == pytest.approx(share)
    sensor.close()


def test_a_group_below_cpu_alone_has_a_quota_and_no_use(tmp_path: Path) -> None:
    files = {name: content for name, content in _V1.items() if "cpuacct" not in name}
    sensor, quota = _opened(build(tmp_path, {**_ONLINE, **files}))
    quota.set(0.25)
    assert (tmp_path / "sys/fs/cgroup/cpu/edge/work/cpu.cfs_quota_us").read_text() == "100000"
    found = values(sensor)
    assert good(found) == {
        "duty/quota": 0.25,
        "duration/throttled": 0.25,
        "count/periods": 50.0,
        "count/throttled": 7.0,
    }
    for name in ("utilization/cpu", "utilization/busy", "duration/cpu"):
        fault = found[name]
        assert isinstance(fault, Fault) and "cpuacct/edge/work/cpuacct.usage; make the group" in fault.reason
    sensor.close()


@pytest.mark.parametrize("path", ["..", "../etc", "edge/../../work", "/edge/.."])
def test_a_path_that_leads_upwards_is_refused(path: str) -> None:
    document = Document("agent.toml", {}, {})
    assert document.bind({"group": path}, CgroupOptions) is None
    (problem,) = document.problems
    assert problem.key == "group"
    assert problem.message == f"{path!r} leads upwards; give its path below /sys/fs/cgroup without .."


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "no control group 'edge/work'"),
        ({"sys/fs/cgroup/edge/work/cpu.stat": "usage_usec 1"}, "has no CPU controller; switch it on"),
        (_V1 | {"sys/fs/cgroup/cpuacct/edge/work/cpuacct.usage": b"\xff"}, "cpuacct.usage: no text"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, files: Mapping[str, Any], why: str) -> None:
    sensor = CgroupSensor(build(tmp_path, {**_ONLINE, **files}), CgroupOptions(group="edge/work"))
    with pytest.raises(DriverError) as caught:
        sensor.open()
    assert why in str(caught.value)


@pytest.mark.parametrize(("quota", "count"), [("max 100000", 0), ("50000 100000", 1)])
def test_groups_that_have_a_quota_are_found(tmp_path: Path, quota: str, count: int) -> None:
    host = build(tmp_path, _V2 | {"sys/fs/cgroup/edge/work/cpu.max": quota})
    found = list(CgroupSensor.discover(host))
    assert [(device.device, device.options) for device in found] == [("work", {"group": "edge/work"})] * count


@pytest.mark.skipif(bool(obstacle()), reason=obstacle())
def test_the_kernel_keeps_a_busy_process_to_its_quota() -> None:
    with own_group() as group:
        sensor = CgroupSensor(Host(), CgroupOptions(group=group.name))
        sensor.open()
        (quota,) = sensor.actuators()
        assert quota.get() == 1.0
        quota.set(0.1)
        assert quota.get() == pytest.approx(0.1, abs=quota.info.step)
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
            group.take(busy.pid)
            sensor.read()
            time.sleep(1.0)
            read = dict(
                zip(
                    ("quota", "use", "busy", "cpu_s", "throttled_s", "periods", "throttled"),
                    sensor.read(),
                    strict=True,
                )
            )
            busy.kill()
        assert group.quota == pytest.approx(0.1)
        quota.set(1.0)
        assert quota.get() == group.quota == 1.0
        sensor.close()
    found = {name: value for name, value in read.items() if not isinstance(value, Fault)}
    assert found.keys() == read.keys()
    assert 0 < found["use"] < 0.15 < found["busy"] and found["throttled"] > 3 and found["throttled_s"] > 0
