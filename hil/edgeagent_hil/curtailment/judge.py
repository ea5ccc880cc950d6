"""The verdict on a run: what each phase drew against what it might, by the twin's own measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edgeagent_hil.curtailment.plant import Second

#: An order is obeyed within this. Emerald's field trial in London allowed 30 s.
REACH_S: Final = 10.0

#: What the optimizer reckons an order from differs by no more than this share from what the twin drew.
_BASELINE_OFF: Final = 0.02
#: … or by this over the seconds it was measured for: one more or less at an end moves a short mean.
_BASELINE_EDGE: Final = 0.15

#: Counters of energy that go by another clock than their readers' tell another power.
_BEHIND_S: Final = 2.0


@dataclass
class Phase:
    """A part of a run; times by the twin's clock.

    Attributes:
        limit_w: what may be drawn.
        new: whether the limit is a new one, which has to be reached first.
        reached_s: when what the phase waits for had come, beside the power; None if it has not.
    """

    name: str
    from_s: float
    limit_w: float
    new: bool = False
    reached_s: float | None = None


@dataclass(frozen=True)
class Record:
    """A run.

    Attributes:
        baseline_w: what the optimizer reckoned the order from, and what the twin drew in that time; None
            before the order.
        behind_s: the most that the twin was behind the clock.
    """

    phases: Sequence[Phase]
    seconds: Sequence[Second]
    baseline_w: tuple[float, float] | None = None
    behind_s: float = 0.0


def rows(record: Record) -> Iterator[dict[str, Any]]:
    """A row for each phase."""
    drawn: dict[int, list[Second]] = {}
    for second in record.seconds:
        begun = [number for number, phase in enumerate(record.phases) if phase.from_s < second.at_s + 1.0]
        if begun:
            drawn.setdefault(_phase_of(second, record.phases[: begun[-1] + 1]), []).append(second)
    for number, seconds in drawn.items():
        yield _row(record.phases[number], seconds)


def failures(record: Record) -> list[str]:
    """What a run must not show, in words; nothing if all is well."""
    found = []
    for row in rows(record):
        if row["seconds_above"]:
            found.append(
                f"{row['phase']}: {row['seconds_above']} s above {row['limit_kw']:.4g} kW, "
                f"at worst by {row['worst_above_w']:.0f} W"
            )
        if row["to_limit_s"] is None or row["to_limit_s"] > REACH_S:
            took = "not at all" if row["to_limit_s"] is None else f"after {row['to_limit_s']:.0f} s"
            found.append(
                f"{row['phase']}: {row['limit_kw']:.4g} kW were reached {took}, not in {REACH_S:g} s"
            )
    if record.behind_s > _BEHIND_S:
        found.append(
            f"the twin was {record.behind_s:.1f} s behind the clock, so what was measured proves nothing: "
            "the machine is too busy; give fewer --agents"
        )
    if record.baseline_w:
        reckoned_w, drawn_w = record.baseline_w
        measured_s = record.phases[1].from_s - record.phases[0].from_s
        if abs(reckoned_w - drawn_w) > max(_BASELINE_OFF, _BASELINE_EDGE / measured_s) * drawn_w:
            found.append(
                f"the order was reckoned from {reckoned_w / 1e3:.4g} kW, "
                f"where {drawn_w / 1e3:.4g} kW were drawn"
            )
    return found


def _phase_of(second: Second, begun: Sequence[Phase]) -> int:
    """The phase that a second counts in: of two that it is part of, the one that allows more."""
    last = len(begun) - 1
    part = [number for number in (last - 1, last) if number >= 0 and _is_part(second, begun, number)]
    return max(part, key=lambda number: begun[number].limit_w)


def _is_part(second: Second, begun: Sequence[Phase], number: int) -> bool:
    ends_s = begun[number + 1].from_s if number + 1 < len(begun) else second.at_s + 1.0
    return second.at_s < ends_s


def _row(phase: Phase, drawn: Sequence[Second]) -> dict[str, Any]:
    within = [number for number, second in enumerate(drawn) if second.power_w <= phase.limit_w]
    # Where the limit is an old one, each second counts.
    first = (within[0] if within else len(drawn)) if phase.new else 0
    over_w = [second.power_w - phase.limit_w for second in drawn[first:]]
    above_w = [w for w in over_w if w > 0]
    held = drawn[first:] or drawn
    to_limit_s = drawn[first].at_s + 1.0 - phase.from_s if phase.new and within else None
    return {
        "phase": phase.name,
        "lasted_s": round(drawn[-1].at_s + 1.0 - phase.from_s, 1),
        "limit_kw": phase.limit_w / 1e3,
        "to_limit_s": (None if to_limit_s is None else round(to_limit_s, 1)) if phase.new else 0.0,
        "mean_kw": sum(second.power_w for second in held) / len(held) / 1e3,
        "highest_kw": max(second.power_w for second in held) / 1e3,
        "seconds_above": len(above_w),
        "worst_above_w": max(above_w, default=0.0),
        "settled_s": None if phase.reached_s is None else round(phase.reached_s - phase.from_s, 1),
        "caps_in_force": drawn[-1].held,
        "work": sum(second.work for second in held) / len(held),
    }
