"""edgeagent_hil: what stands in for the field: fleets of made-up nodes, and later the twin and the rig."""
