"""The twin: the physics of servers, racks, cooling and grid connection in virtual time.

    from edgeagent_hil.twin import calm, design, kinds, start, step

    plant = design.site([kinds.load("x3550m3")], [1000], seed=1)
    state, inputs = start(plant), calm(plant)
    state, outputs = step(plant, state, inputs, 1.0)

Pure functions over NumPy arrays: SI units in every name, temperatures in °C, the last axis counts servers
(or racks, loops), so that a batch of plants is just more of them. What tells one machine from another is
data (``data/kinds``). The twin is the plant that controllers and optimizers are tried on; none of them
imports it.
"""

from edgeagent_hil.twin.site import (
    Site,
    SiteInputs,
    SiteOutputs,
    SiteState,
    calm,
    start,
    step,
    stored_j,
)

__all__ = ["Site", "SiteInputs", "SiteOutputs", "SiteState", "calm", "start", "step", "stored_j"]
