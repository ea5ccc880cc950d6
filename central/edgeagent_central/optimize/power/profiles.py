"""What power is worth to a class of work: throughput against power, concave, as shares of what it would
draw."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from edgeagent_central.optimize.power.tree import Array


@dataclass(frozen=True)
class Profile:
    """Throughput against power of one class of work.

    Attributes:
        x: from 0 to 1, power above idle as a share of what the work would draw above idle.
        work: done there, as a share; concave.
        steady: whether such work draws the same for long and then changes in step with others: a
            synchronous job.
        source: where the figures come from.
    """

    name: str
    x: Array
    work: Array
    source: str = ""
    steady: bool = False

    def at(self, x: Array) -> Array:
        """Work done at `x`, of any shape."""
        done: Array = np.interp(x, self.x, self.work)
        return done

    def slope(self, x: Array) -> Array:
        """Work for a little more power at `x`, of any shape; 0 from 1 on."""
        slopes = np.append(np.diff(self.work) / np.diff(self.x), 0.0)
        rising: Array = slopes[np.minimum(np.searchsorted(self.x, x, side="right") - 1, len(slopes) - 1)]
        return rising


def concave(name: str, x: Array, work: Array, source: str = "", steady: bool = False) -> Profile:
    """A profile from measured points: their concave hull from (0, 0) to (1, 1).

    Raises:
        ValueError: not between 0 and 1, or less than a point.
    """
    if not (len(x) and np.all((x >= 0) & (x <= 1)) and np.all(work >= 0)):
        raise ValueError(f"{name}: x must lie between 0 and 1, work above 0")
    points = sorted({(0.0, 0.0), (1.0, 1.0), *zip(x.tolist(), np.minimum(work, 1.0).tolist(), strict=True)})
    hull: list[tuple[float, float]] = []
    for point in points:
        if hull and point[0] == hull[-1][0]:
            hull.pop()  # the higher of two
        while len(hull) > 1 and _below(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    xs, ys = (np.asarray(column) for column in zip(*hull, strict=True))
    return Profile(name, xs, ys, source, steady)


def _below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether `middle` is not above the line between the others."""
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


@cache
def shipped() -> dict[str, Profile]:
    """The profiles that come with us, by name."""
    text = resources.files(__package__).joinpath("data/profiles.toml").read_text("utf-8")
    return {
        name: concave(name, np.asarray(row["x"]), np.asarray(row["work"]), row["source"], row["steady"])
        for name, row in tomllib.loads(text).items()
    }
