"""The promise, proven with real processes: nothing lost, nothing doubled, nothing under a wrong name."""
