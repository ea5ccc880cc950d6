"""The built-in model `anomaly`: how unlike themselves channels are, and events that say why."""

from edgeagent.models.anomaly.builtin import Anomaly

__all__ = ["Anomaly"]
