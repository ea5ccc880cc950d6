"""Pictures in SVG: as much of it as two charts need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, isfinite, log10
from typing import Final

#: Colours that people with any colour vision tell apart (Okabe, Ito, 2008).
COLOURS: Final = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#999999")

INK, GRID, ALARM = "#333333", "#dddddd", "#cc0000"
_FONT_PX: Final = 12


class Canvas:
    """A picture that grows; coordinates in pixels from the top left."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._shapes: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = GRID) -> None:
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour)

    def path(self, points: Iterable[tuple[float, float]], colour: str, dash: str = "") -> None:
        """A line through points; where one is not finite, it is broken."""
        drawn, pen = "", "M"
        for x, y in points:
            if isfinite(x) and isfinite(y):
                drawn += f"{pen}{x:.1f} {y:.1f}"
                pen = "L"
            else:
                pen = "M"
        self._add("path", d=drawn, fill="none", stroke=colour, stroke_width=1.3, stroke_dasharray=dash)

    def dot(self, x: float, y: float, colour: str, *, filled: bool = True) -> None:
        self._add(
            "circle", cx=x, cy=y, r=4.5, fill=colour if filled else "white", stroke=colour, stroke_width=1.6
        )

    def text(self, x: float, y: float, words: str, anchor: str = "start", colour: str = INK) -> None:
        self._add("text", words, x=x, y=y, fill=colour, text_anchor=anchor)

    def svg(self) -> str:
        """The file."""
        width, height = round(self._width), round(self._height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{_FONT_PX}">'
        )
        paper = f'<rect width="{width}" height="{height}" fill="white"/>'
        return "\n".join([head, paper, *self._shapes, "</svg>\n"])

    def _add(self, tag: str, words: str = "", **attributes: float | str) -> None:
        given = " ".join(
            f'{name.replace("_", "-")}="{escape(value) if isinstance(value, str) else round(value, 1)}"'
            for name, value in attributes.items()
            if value != ""
        )
        self._shapes.append(f"<{tag} {given}>{escape(words)}</{tag}>")


class Scale:
    """From values to pixels, along one axis.

    Args:
        from_px, to_px: where the lowest and the highest value lie.
    """

    def __init__(self, low: float, high: float, from_px: float, to_px: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self.from_px, self.to_px = from_px, to_px

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.from_px + share * (self.to_px - self.from_px)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within it."""
        rough = (self.high - self.low) / about
        power = 10.0 ** floor(log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first = -floor(-self.low / step)
        count = floor(self.high / step + 1e-9) - first + 1
        return [(first + i) * step for i in range(count)]


def bounds(rows: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The lowest and the highest finite value, with a little air around."""
    values = [value for row in rows for value in row if isfinite(value)] or [0.0, 1.0]
    low, high = min(values), max(values)
    air = 0.04 * (high - low)
    return low - air, high + air
