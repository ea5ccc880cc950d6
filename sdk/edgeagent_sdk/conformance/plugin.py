"""The pytest plugin: makes the kit's assertions explain themselves. Found by pytest through `pytest11`."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("edgeagent_sdk.conformance.sensors", "edgeagent_sdk.conformance.actuators")
