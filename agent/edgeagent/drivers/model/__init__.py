"""Models whose bus is other channels: what they give are channels of the node."""
