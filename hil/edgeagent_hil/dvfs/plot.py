"""Pictures of results: one case over time, or many side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from edgeagent_hil.dvfs.cases import Result, Track
from edgeagent_hil.dvfs.svg import ALARM, COLOURS, GRID, INK, Canvas, Scale, bounds

_WIDTH: Final = 900.0
_LEFT: Final = 130.0
_RIGHT: Final = 20.0
_LEGEND: Final = 24.0

#: Share of misses up to which a governor has kept the deadlines.
_MISSES_OK: Final = 0.01

#: Beyond this ratio to the clairvoyant a dot stands at the edge.
_RATIO_MAX: Final = 1.6


class _Panel(NamedTuple):
    """One quantity over time.

    Args:
        limit: what it must not pass, drawn as a line.
    """

    title: str
    values: Callable[[Track], list[float]]
    limit: Callable[[Track], list[float]] | None = None


_PANELS: Final = (
    _Panel("power, W; dashed: the cap", lambda track: track.power_w, lambda track: track.cap_w),
    _Panel(
        "temperature nearest to its limit, K above it",
        lambda track: track.over_k,
        lambda track: [0.0] * len(track.over_k),
    ),
    _Panel("clock of the foreground, share of its highest", lambda track: track.clock_share),
)


def draw(results: Sequence[Result]) -> str:
    """One case: power, heat and clock of all its governors over time; several: their energy side by side."""
    cases = list(dict.fromkeys((result.board, result.workload) for result in results))
    if len(cases) == 1:
        return _over_time(results)
    return _side_by_side(results, cases)


def _over_time(results: Sequence[Result]) -> str:
    height, pitch, first = 150.0, 195.0, _top(results) + 20
    canvas = Canvas(_WIDTH, first + len(_PANELS) * pitch - 10)
    _legend(canvas, results)
    longest = max(len(result.track.power_w) for result in results)
    across = Scale(0, longest, _LEFT, _WIDTH - _RIGHT)
    for number, panel in enumerate(_PANELS):
        top = first + number * pitch
        rows = [panel.values(result.track) for result in results]
        limits = [panel.limit(result.track) for result in results[:1]] if panel.limit else []
        down = Scale(*bounds([*rows, *limits]), top + height, top)
        canvas.text(_LEFT, top - 6, panel.title)
        _grid(canvas, across, down)
        for row, colour in zip(rows, _colours(results), strict=True):
            canvas.path(((across(second), down(value)) for second, value in enumerate(row)), colour)
        for row in limits:
            steps = [
                (across(at), down(value)) for second, value in enumerate(row) for at in (second, second + 1)
            ]
            canvas.path(steps, ALARM, dash="5 3")
    return canvas.svg()


def _side_by_side(results: Sequence[Result], cases: Sequence[tuple[str, str]]) -> str:
    """One row for each case, one dot for each governor: its energy as a multiple of the clairvoyant's."""
    height, top = 26.0, _top(results) + 20
    canvas = Canvas(_WIDTH, top + len(cases) * height + 40)
    _legend(canvas, results)
    canvas.text(
        _LEFT, top - 14, "energy per unit ÷ clairvoyant's; hollow: deadlines, temperature or cap not kept"
    )
    ratios = [_ratio(result) for result in results]
    across = Scale(min([1.0, *ratios]) - 0.02, _RATIO_MAX, _LEFT, _WIDTH - _RIGHT)
    bottom = top + len(cases) * height
    for ratio in across.ticks(8):
        canvas.line(across(ratio), top, across(ratio), bottom, INK if ratio == 1 else GRID)
        canvas.text(across(ratio), bottom + 16, f"{ratio:g}", "middle")
    for number, case in enumerate(cases):
        y = top + (number + 0.5) * height
        canvas.text(_LEFT - 12, y + 4, " ".join(case), "end")
        canvas.line(_LEFT, y, _WIDTH - _RIGHT, y)
        for result, ratio, colour in zip(results, ratios, _colours(results), strict=True):
            if (result.board, result.workload) == case:
                canvas.dot(across(ratio), y, colour, filled=_kept(result))
    return canvas.svg()


def _ratio(result: Result) -> float:
    """At the edge if it is unknown or infinite."""
    return _RATIO_MAX if result.ratio is None else min(result.ratio, _RATIO_MAX)


def _kept(result: Result) -> bool:
    score = result.score
    return score.misses <= _MISSES_OK and not score.over_limit_s and not score.over_cap_s


def _governors(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.governor for result in results))


def _colours(results: Sequence[Result]) -> list[str]:
    order = _governors(results)
    return [COLOURS[order.index(result.governor) % len(COLOURS)] for result in results]


def _top(results: Sequence[Result]) -> float:
    return 20 + _LEGEND * -(-len(_governors(results)) // 4)


def _legend(canvas: Canvas, results: Sequence[Result]) -> None:
    for number, name in enumerate(_governors(results)):
        x, y = _LEFT + number % 4 * 175, 18 + number // 4 * _LEGEND
        canvas.dot(x, y - 4, COLOURS[number % len(COLOURS)])
        canvas.text(x + 10, y, name)


def _grid(canvas: Canvas, across: Scale, down: Scale) -> None:
    for value in down.ticks(4):
        canvas.line(across.from_px, down(value), across.to_px, down(value))
        canvas.text(across.from_px - 8, down(value) + 4, f"{value:g}", "end")
    for second in across.ticks(8):
        canvas.line(across(second), down.from_px, across(second), down.to_px)
        canvas.text(across(second), down.from_px + 15, f"{second:g} s", "middle")
