"""What a converter of power loses: power supplies, transformers, uninterruptible supplies.

``loss = rated·(k0 + k1·x + k2·x²)`` with the load share x: k0 runs the control circuits, k1 is the drop of
diodes and switching, k2 the resistance of copper. The same three terms describe
transformers and uninterruptible supplies (Rasmussen, APC white paper 113, "Electrical efficiency modeling
for data centers"); the coefficients come from published efficiencies by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgeagent_hil.twin.units import Array

#: One, or one for each of many.
Quantity = TypeVar("Quantity", float, Array)


def loss_coefficients(efficiency: Sequence[tuple[float, float]]) -> Array:
    """k0, k1, k2 (shape (3,), not negative) from points of load share and efficiency.

    At a load share x with the efficiency η a converter loses 1/η − 1 of what it gives; that is k0/x + k1 +
    k2·x.
    """
    share, eta = np.asarray(efficiency, float).T
    return _not_negative(np.stack([1 / share, np.ones_like(share), share], axis=1), 1 / eta - 1)


def loss_w(output_w: Quantity, rated_w: Quantity, coefficients: Array) -> Quantity:
    """What is lost while `output_w` goes out.

    Args:
        output_w, rated_w: of one converter, or shape (n,).
        coefficients: shape (3,) or (3, n).
    """
    k0, k1, k2 = coefficients
    lost_w: Quantity = k0 * rated_w + output_w * (k1 + k2 * output_w / rated_w)
    return lost_w


def _not_negative(columns: Array, target: Array) -> Array:
    """Least squares with coefficients ≥ 0: the best of all subsets of columns whose solution is."""
    best, least = np.zeros(columns.shape[1]), float(target @ target)
    for chosen in range(1, 2 ** columns.shape[1]):
        subset = [i for i in range(columns.shape[1]) if chosen >> i & 1]
        solution = np.linalg.lstsq(columns[:, subset], target, rcond=None)[0]
        error = float(np.sum((columns[:, subset] @ solution - target) ** 2))
        if (solution >= 0).all() and error < least:
            best = np.zeros(columns.shape[1])
            best[subset], least = solution, error
    return best
