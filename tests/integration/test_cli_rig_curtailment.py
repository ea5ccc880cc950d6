"""`edgeagent rig run curtailment`: real programs, few of each; and nothing left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.services import wait_until

from .cli import command, edgeagent, environment

_MISSING = [name for name in ("piqp", "scipy") if find_spec(name) is None]
_NO_BROKER = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None

pytestmark = [
    pytest.mark.skipif(bool(_MISSING), reason=f"the optimizer needs {' and '.join(_MISSING)}"),
    pytest.mark.skipif(_NO_BROKER, reason="mosquitto is not installed"),
]

_FEW = ("rig", "run", "curtailment", "--agents=3", "--phase=3", "--lease=5")


def _alive(home: Path) -> list[str]:
    """Command lines of processes that were started with files below `home`."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended
    return [line for line in lines if str(home) in line]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_order_is_kept_while_the_optimizer_is_killed(tmp_path: Path) -> None:
    plot = tmp_path / "run.svg"
    home = tmp_path / "home"
    done = edgeagent(*_FEW, "--kill=optimizer", "--json", "--plot", plot, "--state-dir", home, timeout_s=220)
    assert done.code == 0, done.err
    (figures,) = done.json
    phases = {row["phase"]: row for row in figures["phases"]}
    assert list(phases) == ["before the order", "order", "optimizer killed", "optimizer back", "order over"]
    assert figures["baseline_w"] == pytest.approx(figures["baseline_of_twin_w"], rel=0.05)  # of 3 s
    assert phases["order"]["limit_kw"] == pytest.approx(0.75 * figures["baseline_w"] / 1e3)
    assert phases["order"]["to_limit_s"] <= 10
    assert not any(row["seconds_above"] for row in figures["phases"])
    # All limits stand at their lowest once the leases are over; and rise again.
    assert phases["optimizer killed"]["caps_in_force"] == 6
    assert phases["optimizer killed"]["settled_s"] is not None
    assert phases["order over"]["mean_kw"] > phases["optimizer back"]["limit_kw"]
    assert plot.read_text().startswith("<svg") and "optimizer killed" in plot.read_text()
    assert not _alive(home)


def test_told_to_end_it_ends_all_that_it_has_started(tmp_path: Path) -> None:
    line = [*command(*_FEW), "--state-dir", str(tmp_path / "home")]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any("edgeagent.daemon" in each for each in _alive(tmp_path)), "an agent runs", 60)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=40)
    assert process.returncode == 1
    assert b"edgeagent: stopped before its end" in err and b"Traceback" not in err
    assert not _alive(tmp_path)


def test_who_cannot_be_killed_is_told() -> None:
    done = edgeagent(*_FEW, "--kill=brocker")
    assert done.mistake == "edgeagent: --kill brocker: did you mean 'broker'?"
