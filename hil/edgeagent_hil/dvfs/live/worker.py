"""The workload: a camera whose every frame goes through the model, and is reported by hints.

``python -m edgeagent_hil.dvfs.live.worker FILE.onnx PERIOD_S``, until its standard input ends.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from edgeagent_hil.dvfs.live.model import image
from edgeagent_sdk import hints


def main(file: str, period_s: float) -> None:
    """Frames at their times; one that comes while another is worked on waits, and is late by that."""
    run = _runner(file)
    run()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=_wait, args=(ended,), daemon=True).start()
    due_s = time.monotonic()
    with hints.session("camera", deadline_s=period_s, domains=("cpu",)) as session:
        while not ended.wait(max(0.0, due_s - time.monotonic())):
            with session.unit(arrived=due_s):
                run()
            due_s += period_s


def _wait(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _runner(file: str) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    frame = {"image": image()}
    return lambda: model.run(None, frame)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
