"""The site of a run, what its servers are asked to do, and the files that describe it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeagent_central.optimize.power.topology.load import load_topology
from edgeagent_hil.curtailment import files
from edgeagent_hil.curtailment.loads import BATCH, INFERENCE, TRAINING, Mix, class_of
from edgeagent_hil.curtailment.plant import Meter, Plant, Recorder, mix, plant
from edgeagent_hil.exposed import Runner
from edgeagent_hil.twin import calm, start, step


@pytest.fixture(scope="module")
def site() -> Plant:
    """Nine servers, so that the second rack has one."""
    return plant(9, seed=3)


def test_the_mix_is_seeded_and_of_all_classes() -> None:
    first, again, other = (Mix((2, 8), seed) for seed in (1, 1, 2))
    runs = [np.array([each.next(0.1)[0] for _ in range(600)]) for each in (first, again, other)]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])
    assert runs[0].min() >= 0 and runs[0].max() <= 1
    assert {class_of(server) for server in range(8)} == {TRAINING, INFERENCE, BATCH}
    job = [server for server in range(8) if class_of(server) is TRAINING]
    assert (runs[0][:, job] == runs[0][:, job[:1]]).all(), "the servers of a job go in step"


def test_the_topology_fits_the_site(site: Plant, tmp_path: Path) -> None:
    """The optimizer takes it, and its leaves can draw no less than the servers do at full load."""
    path = tmp_path / "site.toml"
    path.write_text(files.site_toml(site, 3000.0))
    known = load_topology(path).site
    assert known.domains == ("contract", "rack-1", "rack-2")
    assert float(known.tree.limit_w[0]) == pytest.approx(3000.0)
    assert known.max_w.sum() >= site.peak_w.sum() - 1.0
    held = [leaf for leaf, name in enumerate(known.leaves) if "package" in name]
    assert (known.fallback_w[held] == known.min_w[held]).all(), "the end of a lease never raises a limit"


@pytest.mark.parametrize("cap_w", [60.0, 75.0, 100.0, 150.0])
def test_limits_and_what_is_drawn_beside_them_bound_each_second(site: Plant, cap_w: float) -> None:
    recorder, work = Recorder(site.most_w), mix(site, 0)
    inputs, state = calm(site.site), start(site.site)
    before_j = state.server_j.sum()
    for _ in range(1200):
        caps_w = np.full(site.site.servers.shape, cap_w)
        servers = replace(inputs.servers, cap_w=caps_w, demand=work.next(0.1))
        state, outputs = step(site.site, state, recorder.steer(replace(inputs, servers=servers)), 0.1)
        recorder.show(state, outputs)
    drawn_w = [second.power_w for second in recorder.seconds]
    # RAPL holds an average: out of a quiet time it lets a burst pass, here the start.
    assert max(drawn_w[10:]) <= 2 * 9 * cap_w + site.other_w.sum()
    assert sum(drawn_w) == pytest.approx(state.server_j.sum() - before_j)
    assert len(drawn_w) == 120
    assert recorder.seconds[-1].held == (18 if cap_w < site.most_w else 0)


def test_the_meter_shows_all_servers(site: Plant, tmp_path: Path) -> None:
    with Meter(tmp_path) as meter:
        runner = Runner(site.site, mix(site, 0), [meter], speed=0)
        runner.run(5.0)
    shown_uw = int((tmp_path / "sys/class/hwmon/hwmon0/power1_input").read_text())
    assert shown_uw == pytest.approx(1e6 * runner.outputs.it_w, abs=1)
