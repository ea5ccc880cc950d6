"""The conformance kit: proves that a driver keeps the rules that the agent relies on.

In a package of your own, with pytest::

    from edgeagent_sdk.conformance import Bench, DriverConformance

    class TestThermometer(DriverConformance):
        driver = Thermometer

        @pytest.fixture
        def bench(self, tmp_path):
            device = tmp_path / "dev/thermo"
            device.parent.mkdir()
            device.write_text("21.5")
            return Bench(Host(tmp_path), unplug=device.unlink, replug=lambda: device.write_text("21.5"))

Every check is a test of its own. A failure says which rule was broken, how, and what to do; what the
bench cannot do is skipped, and says so.
"""

from edgeagent_sdk.conformance.actuators import ActuatorChecks
from edgeagent_sdk.conformance.bench import Bench
from edgeagent_sdk.conformance.failures import FailureChecks
from edgeagent_sdk.conformance.sensors import SensorChecks


class DriverConformance(SensorChecks, FailureChecks, ActuatorChecks):
    """All checks. Derive from it, set `driver`, and give it a fixture `bench`."""


__all__ = ["ActuatorChecks", "Bench", "DriverConformance", "FailureChecks", "SensorChecks"]
