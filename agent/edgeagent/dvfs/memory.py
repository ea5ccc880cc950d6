"""What was learned, as JSON holds it, and what of such a thing may be believed.

Nothing is taken on trust: a list must have the right length and hold finite numbers in their bounds. What is
recalled becomes a prior, so that a few measurements outweigh it where it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

#: Of the form below; what has another is left aside.
VERSION = 1

#: No weight of any learner is larger.
_LARGEST = 1e7


def numbers(value: Any, count: int, low: float = 0.0) -> list[float] | None:
    """A list of so many numbers, none below `low`; None if it is anything else."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return None
    plain = [float(v) for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    sound = len(plain) == count and all(isfinite(v) and low <= v <= _LARGEST for v in plain)
    return plain if sound else None


def part(value: Any, *path: str) -> Mapping[str, Any]:
    """What lies at a path of names in nested mappings; empty if nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def corrections(value: Any, domains: int) -> dict[tuple[int, int], float]:
    """Corrections by domain and operating point, from a list of triples; what is unsound is left out."""
    found = {}
    for entry in value if isinstance(value, (list, tuple)) else ():
        triple = numbers(entry, 3, -inf)
        if triple is not None and 0 <= triple[0] < domains and 0 <= triple[1] < 1000:
            found[int(triple[0]), int(triple[1])] = triple[2]
    return found


def rounded(values: list[float]) -> list[float]:
    """Six digits are more than is known."""
    return [float(f"{value:.6g}") for value in values]
