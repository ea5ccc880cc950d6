"""What holds for every test: random inputs differ on every run, and a failure says how to have them again."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# Ten runs try ten times as much; a failure prints the blob that repeats it. No deadlines: a busy
# machine is not a bug. HYPOTHESIS_PROFILE=thorough tries twenty times as much in one run.
settings.register_profile(
    "edgeagent",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("edgeagent"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "edgeagent"))

# A shell starts what it puts in the background with SIGINT ignored, and that is inherited: without
# this, Ctrl-C would be without effect on every program that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
