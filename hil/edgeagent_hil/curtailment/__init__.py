"""The live proof of a curtailment: real programs, each a process of its own, around a twin site."""
