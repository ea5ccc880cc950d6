"""What came of an order: its baseline, and the reduction that was delivered, from measurements.

The baseline is "meter before / meter after", one of the performance evaluation methodologies of NAESB
WEQ-015 for demand response: the mean of what was measured in the minutes before the order began, ten here.
Nothing is adjusted.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from edgeagent_central.optimize.power.orders import Order

#: The baseline's minutes.
BEFORE_S: Final = 600.0

#: A meter's noise above the target, as a share of it, is no breach.
_NOISE: Final = 0.005


class Before:
    """What was drawn in the last ten minutes."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float]] = deque()

    def add(self, at_s: float, total_w: float) -> None:
        """A second's measurement."""
        self._kept.append((at_s, total_w))
        while self._kept[0][0] < at_s - BEFORE_S:
            self._kept.popleft()

    def mean_w(self) -> float | None:
        """The baseline of an order that begins now; None if nothing was measured."""
        return sum(w for _, w in self._kept) / len(self._kept) if self._kept else None

    @property
    def span_s(self) -> float:
        """The time that it is the mean of."""
        return self._kept[-1][0] - self._kept[0][0] if self._kept else 0.0


class Event(msgspec.Struct, kw_only=True):
    """An order with what was measured.

    Args:
        measured: seconds at the target; `sum_w` of what was drawn in them.
        reached_s: how long after its beginning the target was reached.
        above: seconds above the target after it was reached, or after the ramp; the worst of them.
    """

    order: Order
    measured: int = 0
    sum_w: float = 0.0
    saved_j: float = 0.0
    reached_s: float | None = None
    above: int = 0
    worst_above_w: float = 0.0
    floor_w: float = 0.0

    def begin(self, before: Before, total_w: float) -> None:
        """Its time has come: what was drawn before is its baseline."""
        mean_w = before.mean_w()
        self.order.baseline_w = total_w if mean_w is None else mean_w
        self.order.baseline_span_s = before.span_s

    def measure(self, at_s: float, total_w: float) -> None:
        """A second of it."""
        baseline_w = self.order.baseline_w
        if baseline_w is None or self.order.phase(at_s) not in ("ramping", "holding"):
            return
        target_w = self.order.target_w(baseline_w)
        if self.reached_s is None and total_w <= target_w * (1 + _NOISE):
            self.reached_s = at_s - self.order.from_s
        self.saved_j += baseline_w - total_w
        if self.reached_s is not None:
            self.measured += 1
            self.sum_w += total_w
            over_w = total_w - target_w
            if over_w > _NOISE * target_w:
                self.above += 1
                self.worst_above_w = max(self.worst_above_w, over_w)

    def report(self, at_s: float, expected_w: float | None) -> dict[str, Any]:
        """How it stands; `expected_w` is the baseline that it would have if it began now."""
        order = self.order
        baseline_w = order.baseline_w if order.baseline_w is not None else expected_w
        target_w = order.to_w if baseline_w is None else order.target_w(baseline_w)
        mean_w = self.sum_w / self.measured if self.measured else None
        row: dict[str, Any] = {
            "id": order.id,
            "phase": order.phase(at_s),
            "from_s": order.from_s,
            "for_s": order.for_s,
            "ramp_s": order.ramp_s,
            "who": order.who,
            "target_w": target_w,
            "baseline_w": order.baseline_w,
            "baseline": f"meter before / meter after (NAESB WEQ-015), mean of {order.baseline_span_s:.0f} s",
            "mean_w": mean_w,
            "delivered_w": None if mean_w is None or baseline_w is None else baseline_w - mean_w,
            "delivered_share": None if mean_w is None or not baseline_w else 1.0 - mean_w / baseline_w,
            "saved_j": self.saved_j,
            "reached_s": self.reached_s,
            "seconds_above": self.above,
            "worst_above_w": self.worst_above_w,
            "note": "",
        }
        if target_w is None:
            row["note"] = "it cannot be obeyed before something is measured: a share of what? see /healthz"
        elif target_w < self.floor_w:
            row["note"] = (
                f"as low as safely possible: the servers cannot be held below {self.floor_w / 1e3:,.4g} kW"
            )
        return row
