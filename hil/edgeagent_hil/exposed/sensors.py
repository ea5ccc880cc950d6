"""What a sensor node that sits in one of the twin's servers would measure."""

from __future__ import annotations

from collections.abc import Callable

from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState
from edgeagent_hil.twin.supplies import bus


def sensed(site: Site, state: SiteState, outputs: SiteOutputs, server: int = 0) -> dict[str, float]:
    """Channel of the node (as in `edgeagent_sdk.nodemap`) → value, in °C, V, A and W.

    The board sits halfway along the air's path, where it has taken up half of the heat; the coolant is
    what returns from the loop that the server is on. The hot-swap controller sits on the DC bus.
    """
    done = outputs.servers
    dc_bus = bus(site.servers.supplies, done.dc_w)
    inlet_c, outlet_c = float(done.inlet_c[server]), float(done.case_c[server])
    input_v, current_a = float(dc_bus.input_v[server]), float(dc_bus.current_a[server])
    return {
        "temperature_board": (inlet_c + outlet_c) / 2,
        "temperature_inlet": inlet_c,
        "temperature_outlet": outlet_c,
        "temperature_coolant": float(state.loops.return_c[site.loop_of_server[server]]),
        "voltage_in": input_v,
        "voltage_out": float(dc_bus.output_v[server]),
        "current_out": current_a,
        "power_in": input_v * current_a,
    }


class SensorFeed:
    """Forces what one server's sensors would measure upon a node.

    Args:
        force: takes a channel and a value, e.g. the `set` of the rig's stimulus.
    """

    def __init__(self, site: Site, force: Callable[[str, float], object], server: int = 0) -> None:
        self._site, self._force, self._server = site, force, server

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """A sensor changes nothing."""
        return inputs

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Force every channel."""
        for channel, value in sensed(self._site, state, outputs, self._server).items():
            self._force(channel, value)
