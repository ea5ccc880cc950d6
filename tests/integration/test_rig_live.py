"""`edgeagent rig dvfs --live`: a real model, its real latencies, and the quota that a governor decides."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edgeagent_hil.dvfs import live
from edgeagent_hil.dvfs.live.model import IMAGE, image, onnx_bytes
from edgeagent_sdk.governor import Decision, Machine, Observation
from tests.cgroups import obstacle

_CELL = sys.modules["edgeagent_hil.dvfs.live.cell"]
_TRIAL = sys.modules["edgeagent_hil.dvfs.live.trial"]

needs_cgroups = pytest.mark.skipif(bool(obstacle()), reason=obstacle())


class Fixed:
    """Decides one share for ever, and keeps what it sees."""

    tick_s = 0.1

    def __init__(self, machine: Machine, share: float, seen: list[Observation]) -> None:
        self._clock_hz = share * machine.domains[0].opps_hz[-1]
        self._seen = seen

    def decide(self, seen: Observation) -> Decision:
        self._seen.append(seen)
        return Decision((self._clock_hz,))


def test_the_model_is_one_that_a_runtime_takes() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_bytes(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": image()})
    assert session.get_inputs()[0].shape == list(IMAGE)
    assert scores.shape == (1, 10) and abs(scores).max() < 1e3


@needs_cgroups
def test_latencies_answer_the_quota() -> None:
    service_s: dict[float, float] = {}
    seen: list[Observation] = []
    with TemporaryDirectory(prefix="live") as directory:
        model = Path(directory) / "camera.onnx"
        model.write_bytes(onnx_bytes())
        for share in (1.0, 0.1):
            ticks = _TRIAL.trial(partial(Fixed, share=share, seen=seen), model, 4.0)
            units = sorted(unit.service_s for tick in ticks[10:] for unit in tick.units)
            service_s[share] = units[len(units) // 2]
            assert sum(tick.used_s for tick in ticks[10:]) > 0
    assert service_s[0.1] > 0.05, "a tenth of a CPU, of which it needs some hundredths of a second"
    assert service_s[0.1] > service_s[1.0]
    assert {session.name for one in seen for session in one.sessions} == {"camera"}
    assert not list(Path("/sys/fs/cgroup").glob("**/edgeagent-live-*"))


def test_where_no_group_can_be_made_it_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_CELL, "_ROOT", Path("/proc"))
    live.show_live(120, as_json=True)
    out, err = capsys.readouterr()
    assert err.startswith("skipped: no control group can be made here: /proc/") and err.count("\n") == 1
    assert out == "[]\n"


def test_without_a_runtime_it_is_skipped_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "find_spec", lambda name: None)
    assert live.obstacle() == "it runs a model: pip install onnx onnxruntime"
