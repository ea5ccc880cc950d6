"""Orders to draw less for a time, and the limits that follow from them.

An order's target is reached over its ramp from its beginning on, and left over the same ramp after its end,
so that no peak of all that was held back follows it.
"""

from __future__ import annotations

import re
import uuid
from math import inf, isfinite
from typing import Final, Literal

import msgspec

from edgeagent_sdk.errors import EdgeError

_POWER = re.compile(r"(\d+(?:\.\d+)?)\s*(W|kW|MW)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)?")

_WATTS: Final = {"W": 1.0, "kW": 1e3, "MW": 1e6}
_SECONDS: Final = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

#: Nobody plans further ahead; what does is a slip.
_AHEAD_MAX_S: Final = 366 * 86400.0

Phase = Literal["coming", "ramping", "holding", "returning", "over"]


class Order(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Draw no more than `to_w`, or less by the share `by` than before, from `from_s` on for `for_s`.

    Args:
        from_s: seconds since 1970, UTC.
        ramp_s: how long the way to the target, and back from it, takes.
        baseline_w: what was drawn before; known once it has begun.
        baseline_span_s: what it is the mean of.
        cancelled: it was taken back, and is kept so that nobody takes it up again.
    """

    id: str
    from_s: float
    for_s: float
    to_w: float | None = None
    by: float | None = None
    ramp_s: float = 0.0
    who: str = ""
    baseline_w: float | None = None
    baseline_span_s: float = 0.0
    cancelled: bool = False

    @property
    def until_s(self) -> float:
        """When its target ends."""
        return self.from_s + self.for_s

    @property
    def over_s(self) -> float:
        """When nothing is left of it."""
        return self.until_s + self.ramp_s

    def merge(self, other: Order) -> None:
        """Take over what another has of the same order; of two baselines, what was measured for longer."""
        self.cancelled = self.cancelled or other.cancelled
        if other.measured > self.measured:
            self.baseline_w, self.baseline_span_s = other.baseline_w, other.baseline_span_s

    @property
    def measured(self) -> tuple[bool, float, float]:
        """Rises with what a baseline is worth; never the same of two that differ."""
        return self.baseline_w is not None, self.baseline_span_s, self.baseline_w or 0.0

    def phase(self, at_s: float) -> Phase:
        """Where it stands at a moment."""
        if self.cancelled:
            return "over"
        if at_s < self.from_s:
            return "coming"
        if at_s < self.until_s:
            return "ramping" if at_s < self.from_s + self.ramp_s else "holding"
        return "returning" if at_s < self.over_s else "over"

    def target_w(self, baseline_w: float) -> float:
        """What is to be drawn at most while it holds."""
        return self.to_w if self.to_w is not None else (1.0 - (self.by or 0.0)) * baseline_w

    def limit_w(self, at_s: float, baseline_w: float) -> float:
        """What may be drawn at a moment."""
        phase, target_w = self.phase(at_s), self.target_w(baseline_w)
        top_w = max(baseline_w, target_w)
        if phase in ("coming", "over"):
            return inf
        if phase == "ramping":
            return top_w + (target_w - top_w) * (at_s - self.from_s) / self.ramp_s
        if phase == "holding":
            return target_w
        return target_w + (top_w - target_w) * (at_s - self.until_s) / self.ramp_s


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An order as it is asked for: one of `to_w` and `by`; from now on if `from_s` is left out."""

    for_s: float
    to_w: float | None = None
    by: float | None = None
    from_s: float | None = None
    ramp_s: float = 0.0
    who: str = ""

    def order(self, now_s: float) -> Order:
        """As it is kept. Raises EdgeError for what cannot be."""
        if (self.to_w is None) == (self.by is None):
            raise EdgeError("say either to how many watts (--to), or by which share (--by)")
        if self.to_w is not None and not (isfinite(self.to_w) and self.to_w >= 0):
            raise EdgeError(f"to {self.to_w:g} W: give 0 or more")
        if self.by is not None and not 0 < self.by < 1:
            raise EdgeError(f"by {self.by:g}: a share lies between 0 and 1, or 0% and 100%")
        if not (isfinite(self.for_s) and self.for_s > 0):
            raise EdgeError(f"for {self.for_s:g} s: give a time above 0")
        if not (isfinite(self.ramp_s) and 0 <= self.ramp_s <= self.for_s):
            raise EdgeError(
                f"ramp {self.ramp_s:g} s: it lies between 0 and the {self.for_s:g} s of the order"
            )
        from_s = now_s if self.from_s is None else self.from_s
        if not (isfinite(from_s) and from_s + self.for_s > now_s):
            raise EdgeError("it would be over already; give a later --from or a longer --for")
        if max(from_s - now_s, self.for_s) > _AHEAD_MAX_S:
            raise EdgeError("it would begin or last further ahead than a year")
        return Order(
            id=uuid.uuid4().hex[:8],
            from_s=from_s,
            for_s=self.for_s,
            to_w=self.to_w,
            by=self.by,
            ramp_s=self.ramp_s,
            who=self.who[:80],
        )


def power_w(text: str) -> float:
    """``300kW`` → 300000. Raises EdgeError."""
    if found := _POWER.fullmatch(text.strip()):
        return float(found[1]) * _WATTS[found[2]]
    raise EdgeError(f"{text!r} is no power; write 300kW, 1.2MW or 5000W")


def share(text: str) -> float:
    """``25%`` → 0.25. Raises EdgeError."""
    if found := _SHARE.fullmatch(text.strip()):
        return float(found[1]) / 100.0
    raise EdgeError(f"{text!r} is no share; write 25%")


def seconds(text: str) -> float:
    """``90s``, ``10min``, ``3h`` → seconds. Raises EdgeError."""
    if found := _TIME.fullmatch(text.strip()):
        return float(found[1]) * _SECONDS[found[2]]
    raise EdgeError(f"{text!r} is no time; write 90s, 10min or 3h")
