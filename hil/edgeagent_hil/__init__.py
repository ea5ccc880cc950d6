"""edgeagent_hil: what stands in for the field: fleets of made-up nodes, the twin of a plant, and the rig."""
