"""What a linear forecast needs of all that was ever seen: sums of products, of a size that never grows.

A window is `lags` values in a row, a future the `horizon` values after it; both count from the window's last
value, as in NLinear (Zeng et al., "Are Transformers Effective for Time Series Forecasting?", AAAI 2023): a
level that shifts then shifts the forecast with it, and weights of zero forecast the last value.
Least squares in closed form from those sums does as well as the same model trained by gradient
(Toner & Darlow, "An Analysis of Linear Time Series Forecasting Models", ICML 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Moments:
    """Sums over windows and their futures, for each channel by itself.

    Args:
        gram: of windows times windows; channels × lags × lags.
        cross: of windows times futures; channels × lags × horizon.
        energy: of squared futures; channels × horizon.
        count: how many windows; channels.
    """

    gram: Array
    cross: Array
    energy: Array
    count: Array

    @classmethod
    def none(cls, channels: int, lags: int, horizon: int) -> Moments:
        """Of no windows."""
        shapes = ((channels, lags, lags), (channels, lags, horizon), (channels, horizon), (channels,))
        return cls(*(np.zeros(shape) for shape in shapes))

    @classmethod
    def of(cls, history: Array, lags: int, horizon: int) -> Moments:
        """Of all windows of a history, channels × time; one with a gap (NaN) in it or after is left out."""
        rows = sliding_window_view(history, lags + horizon, axis=1)
        whole = np.isfinite(rows).all(axis=2, keepdims=True)
        rows = np.where(whole, rows - rows[..., lags - 1 : lags], 0.0)
        windows, futures = rows[..., :lags], rows[..., lags:]
        turned = windows.transpose(0, 2, 1)
        energy = np.einsum("cnh,cnh->ch", futures, futures)
        return cls(turned @ windows, turned @ futures, energy, whole.sum(axis=(1, 2)).astype(float))

    def followed_by(self, later: Moments, fade: float) -> Moments:
        """These, faded by a factor, and later ones."""
        pairs = zip(vars(self).values(), vars(later).values(), strict=True)
        return Moments(*(fade * old + new for old, new in pairs))

    def pooled(self) -> Moments:
        """All channels as one, each brought to the same size first."""
        size = np.trace(self.gram, axis1=1, axis2=2) / np.maximum(self.count, 1.0)
        share = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        gram, cross, energy = (
            np.tensordot(share, part, axes=1)[None] for part in (self.gram, self.cross, self.energy)
        )
        return Moments(gram, cross, energy, self.count.sum(keepdims=True))


def ridge(moments: Moments, strengths: Sequence[float]) -> Array:
    """Weights that take a window to its future; strengths × channels × lags × horizon.

    Minimises the squared error plus `strength` times the mean eigenvalue of `gram` times the squared weights
    (Hoerl & Kennard, Technometrics 1970). One eigendecomposition serves all strengths.
    """
    values, vectors = np.linalg.eigh(moments.gram)
    along = vectors.transpose(0, 2, 1) @ moments.cross
    mean = values.mean(axis=1, keepdims=True)
    weights = []
    for strength in strengths:
        stiff = np.maximum(values, 0.0) + strength * mean
        inverse = np.divide(1.0, stiff, out=np.zeros_like(stiff), where=stiff > 0)
        weights.append(vectors @ (inverse[..., None] * along))
    return np.stack(weights)


def loss(moments: Moments, weights: Array) -> Array:
    """Sums of the squared errors of `weights`, … × lags × horizon, on the windows summed up; … × horizon."""
    bent = moments.gram @ weights - 2.0 * moments.cross
    error: Array = moments.energy + np.einsum("...lh,...lh->...h", weights, bent)
    return np.maximum(error, 0.0)
