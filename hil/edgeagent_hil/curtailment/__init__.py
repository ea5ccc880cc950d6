"""The live proof of a curtailment: agents, broker, aggregator and optimizer as processes, around a twin site."""
