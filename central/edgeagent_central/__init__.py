"""edgeagent_central: the aggregator, which checks, stores and acknowledges what the agents send."""
