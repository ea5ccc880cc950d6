"""The drivers that come with the agent: one file, one driver, one entry point of `edgeagent.drivers`."""
