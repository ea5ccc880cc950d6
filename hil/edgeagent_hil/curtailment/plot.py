"""A picture of a run: power against what may be drawn, and the limits in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgeagent_hil.curtailment.judge import Phase, Record
from edgeagent_hil.dvfs.svg import ALARM, COLOURS, GRID, INK, Canvas, Scale

_WIDTH, _LEFT, _RIGHT = 980.0, 70.0, 20.0
_TOP: Final = 60.0
_POWER_PX: Final = 260.0
_CAPS_PX: Final = 110.0
_GAP: Final = 50.0


def draw(record: Record) -> str:
    """The whole run as SVG."""
    drawn = [second for second in record.seconds if second.at_s >= record.phases[0].from_s]
    begun_s = record.phases[0].from_s
    canvas = Canvas(_WIDTH, _TOP + _POWER_PX + _GAP + _CAPS_PX + 40)
    across = Scale(0.0, drawn[-1].at_s + 1.0 - begun_s, _LEFT, _WIDTH - _RIGHT)
    highest_kw = max(*(second.power_w for second in drawn), *(phase.limit_w for phase in record.phases)) / 1e3
    power = Scale(0.0, 1.1 * highest_kw, _TOP + _POWER_PX, _TOP)
    bottom = _TOP + _POWER_PX + _GAP + _CAPS_PX
    caps = Scale(0.0, 1.1 * max(second.cap_w for second in drawn) / 1e3, bottom, bottom - _CAPS_PX)
    canvas.text(_LEFT, 18, "power at the servers' supplies, kW, means of 1 s; red: what may be drawn")
    canvas.text(_LEFT, bottom - _CAPS_PX - 8, "sum of the power limits in force, kW")
    for scale in (power, caps):
        for value in scale.ticks(4):
            canvas.line(_LEFT, scale(value), _WIDTH - _RIGHT, scale(value), GRID)
            canvas.text(_LEFT - 8, scale(value) + 4, f"{value:g}", "end")
    for value in across.ticks(8):
        canvas.text(across(value), bottom + 18, f"{value:g} s", "middle")
    _phases(canvas, record.phases, across, bottom, begun_s)
    times = [across(second.at_s + 0.5 - begun_s) for second in drawn]
    powers = [power(second.power_w / 1e3) for second in drawn]
    canvas.path(zip(times, powers, strict=True), COLOURS[4])
    canvas.path(zip(times, [caps(second.cap_w / 1e3) for second in drawn], strict=True), COLOURS[3])
    canvas.path(_steps(record, across, power, begun_s), ALARM, dash="5 3")
    return canvas.svg()


def _phases(canvas: Canvas, phases: Sequence[Phase], across: Scale, bottom: float, begun_s: float) -> None:
    """Where each begins; their names in two rows, so that short ones do not meet."""
    for number, phase in enumerate(phases):
        x = across(phase.from_s - begun_s)
        canvas.line(x, _TOP - 18 * (1 + number % 2) + 4, x, bottom, INK)
        canvas.text(x + 4, _TOP - 4 - 18 * (number % 2), phase.name)


def _steps(record: Record, across: Scale, power: Scale, begun_s: float) -> list[tuple[float, float]]:
    ends_s = [phase.from_s for phase in record.phases[1:]] + [record.seconds[-1].at_s + 1.0]
    return [
        (across(at_s - begun_s), power(phase.limit_w / 1e3))
        for phase, end_s in zip(record.phases, ends_s, strict=True)
        for at_s in (phase.from_s, end_s)
    ]
