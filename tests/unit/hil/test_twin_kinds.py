"""Kinds of servers: the data files, and the real machines that they stand for."""

from __future__ import annotations

import csv
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import pytest

from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.chips import chips, operate
from edgeagent_hil.twin.layout import Layout
from edgeagent_sdk.errors import EdgeError
from tests.unit.hil.twins import data, plant, settled, working


@pytest.mark.parametrize("name", kinds.names())
def test_each_kind_names_its_sources(name: str) -> None:
    kind = kinds.load(name)
    assert all(len(source) > 20 for source in kind.sources)
    assert len({part.name for part in kind.components}) == len(kind.components)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("board_w = 27.5", "board_w = -1.0", ": board_w: must be a number ≥ 0, not -1.0"),
        ("board_w = 27.5", "board = 27.5", ": board_w: is missing"),
        (
            "[1867e6, 1.10]",
            "[1500e6, 1.10]",
            ": component 'package-0': the operating points must rise",
        ),
        ("throttle_c = 81.0", "throttle_c = 99.0", "throttle_c must be below critical_c"),
        ("cap_w = [40.0, 95.0]", "cap_w = [95.0, 40.0]", "cap_w must rise"),
        ("high_c = 80.0", "high_c = 50.0", "low_c must be below high_c"),
        ("title", "title =", "not TOML: invalid"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_path(tmp_path: Path, old: str, new: str, said: str) -> None:
    original = Path(kinds.__file__).parent / "data" / "kinds" / "x3550m3.toml"
    file = tmp_path / "mine.toml"
    file.write_text(original.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(EdgeError) as caught:
        kinds.load(str(file))
    assert str(file) in str(caught.value) and said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x3550", "no/such.toml"])
def test_an_unknown_kind_is_named(name: str) -> None:
    with pytest.raises(EdgeError, match=f"unknown kind of server '{name}'; "):
        kinds.load(name)


def test_a_file_of_ones_own_is_a_kind(tmp_path: Path) -> None:
    original = Path(kinds.__file__).parent / "data" / "kinds" / "rk3399.toml"
    file = tmp_path / "mine.toml"
    file.write_bytes(original.read_bytes())
    assert kinds.load(str(file)) == kinds.load("rk3399")


def test_the_rk3399_has_the_published_operating_points() -> None:
    with data("soc/rk3399_opp.csv").open() as file:
        rows = list(csv.DictReader(file))
    parts = {part.name: part for part in kinds.load("rk3399").components}
    for cluster, group in groupby(rows, key=lambda row: row["cluster"]):
        points = list(group)
        part = parts[cluster]
        assert part.points_hz_v == tuple(
            (float(row["frequency_mhz"]) * 1e6, float(row["voltage_v"])) for row in points
        )
        assert part.cores == int(points[0]["cores"])
        assert part.capacitance_f == pytest.approx(float(points[0]["dynamic_power_uw_per_mhz_v2"]) * 1e-12)


#: Wall power of an IBM System x3550 M3 at 0 % to 100 % of its throughput: SPECpower_ssj2008 result 00368.
_X3550_W = (58.4, 98, 109, 118, 128, 140, 153, 170, 189, 205, 222)


def test_a_server_draws_what_specpower_measured() -> None:
    """Under the kernel's schedutil governor: f = 1.25·f_max·utilization (scheduler/schedutil.rst)."""
    site = plant(servers=11)
    load = np.linspace(0, 1, 11)
    clock_hz = np.clip(1.25 * 3067e6 * load, 1600e6, 3067e6)
    outputs = settled(site, working(site, load, clock_max_hz=np.tile(clock_hz, (2, 1))))
    assert outputs.servers.work[0] == pytest.approx(load)
    errors = outputs.servers.ac_w / np.array(_X3550_W) - 1
    assert np.abs(errors).max() < 0.05
    assert np.abs(errors).mean() < 0.02


@pytest.mark.parametrize(("demand", "expected_w"), [(0.0, 626.0), (1.0, 2704.0)])
def test_a_frontier_node_draws_what_its_operators_say(demand: float, expected_w: float) -> None:
    """Idle and greatest power of a node: ExaDigiT/RAPS, config/frontier/power.json."""
    site = plant("ex235a", 1)
    assert settled(site, working(site, demand)).servers.dc_w[0] == pytest.approx(expected_w, rel=0.01)


def _zeus() -> dict[tuple[str, ...], dict[float, tuple[float, float]]]:
    """Runs of the Zeus trace on a V100: network, batch … → power limit → time per epoch, mean power."""
    runs: dict[tuple[str, ...], dict[float, tuple[float, float]]] = defaultdict(dict)
    with data("gpu_power_limits/v100.csv").open() as file:
        for row in csv.DictReader(file):
            key = (row["dataset"], row["network"], row["batch_size"], row["optimizer"])
            runs[key][float(row["power_limit"])] = float(row["time_per_epoch"]), float(row["average_power"])
    return {key: run for key, run in runs.items() if len(run) == 7}


def test_a_power_limit_costs_the_speed_that_it_cost_a_real_gpu() -> None:
    """Training runs that keep a V100 busy, at limits from 100 W to 250 W: the twin's clock against the real
    throughput. C is scaled so that the unlimited twin draws what the run drew; all else is the data file."""
    gpu = next(part for part in kinds.load("v100x4").components if part.type == "gpu")
    errors, power_errors = [], []
    for run in _zeus().values():
        full_s, full_w = run[250.0]
        if full_w < 200:  # the data loader holds this one back, not the GPU
            continue
        part = msgspec.structs.replace(gpu, capacitance_f=gpu.capacitance_f * (full_w - 38) / 188)
        constants = chips(Layout([_only(part)], [1]))
        for limit_w, (epoch_s, mean_w) in run.items():
            done = operate(
                constants,
                np.ones((1, 1)),
                constants.clock_hz[-1],
                np.full((1, 1), limit_w),
                np.full((1, 1), 55.0),
                np.ones(1),
            )
            errors.append(abs(float(done.work[0, 0]) - full_s / epoch_s))
            power_errors.append(abs(float(done.power_w[0, 0]) / mean_w - 1))
    assert len(errors) > 100
    assert median(errors) < 0.03
    assert np.mean(errors) < 0.05
    assert median(power_errors) < 0.05


def _only(part: kinds.Component) -> kinds.Kind:
    """A machine that has this component only."""
    return msgspec.structs.replace(kinds.load("v100x4"), components=(part,))


def test_no_two_servers_are_quite_alike() -> None:
    site = plant(servers=200, seed=1)
    drawn_w = settled(site, working(site, 1.0)).servers.ac_w
    assert 0.01 < drawn_w.std() / drawn_w.mean() < 0.05
    alike = plant(servers=200)
    assert np.ptp(settled(alike, working(alike, 1.0)).servers.ac_w) == pytest.approx(0, abs=1e-6)


def test_the_design_follows_the_load() -> None:
    site = plant("v100x4", 40, per_rack=20)
    assert site.racks.count == 2
    peak_a = design.peak_w(site.servers)[:20:3].sum() / 0.98 / 230  # the first phase feeds seven of the 20
    assert site.racks.breakers.rated_a[0] * 0.8 >= peak_a
    assert site.racks.breakers.rated_a[0] in design.RATINGS_A
    assert np.bincount(site.racks.phase_of_server).tolist() == [14, 14, 12]


@pytest.mark.parametrize(
    ("load_a", "rating_a"),
    [(1.0, 6), (8.0, 10), (8.1, 13), (100.0, 125), (101.0, 160), (5040.0, 6300), (5041.0, 12600)],
)
def test_breakers_have_preferred_ratings(load_a: float, rating_a: float) -> None:
    assert design.rated(np.array([load_a])) == pytest.approx(rating_a)
