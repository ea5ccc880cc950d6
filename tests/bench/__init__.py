"""`make bench`: what the project must reach, measured, with a peer beside every figure.

A new row is a function in a file of `tests/bench/rows/`::

    @row
    def decoding(bench: Bench) -> Iterator[Figure]:
        yield Figure("decoding a reading", 1.2e6, "readings/s", at_least(1e6), {"by hand": 9e5})

It measures its peers in the same run, and starts what it needs from `tests.services`.
"""
